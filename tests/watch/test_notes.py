"""What is kept between passes, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

from batchrun.units import DAY
from batchrun.watch.notes import Notes
from batchrun.watch.orders import Note, Passed, Standing

NOTE = Note((1, 2, 3), 0.0, Passed(Standing.RUNNING, 75, "labels"))


def kept(root: Path) -> set[str]:
    folder = root / ".batchrun" / "@watch"
    return {str(path.relative_to(folder)) for path in (*folder.glob("*.json"), *folder.glob("seen/*"))}


def test_only_what_is_of_no_use_goes_and_only_when_it_is_old(tmp_path: Path) -> None:
    notes, now = Notes(tmp_path), time.time()
    notes.save("here.yaml", NOTE)
    (here,) = kept(tmp_path)
    notes.save("gone.yaml", NOTE)
    notes.job_of(b"paid for", "labels")
    (paid,) = {name for name in kept(tmp_path) if name.startswith("seen/")}
    notes.job_of(b"broken", "nothing")
    (tmp_path / ".batchrun" / "labels").mkdir()
    all_of_it = kept(tmp_path)
    notes.tidy({"here.yaml"}, now)
    assert kept(tmp_path) == all_of_it and len(all_of_it) == 4
    notes.tidy({"here.yaml"}, now + 2 * DAY)
    assert kept(tmp_path) == {here, paid}
    assert notes.job_of(b"paid for", "otherwise") == "labels"
    notes.tidy({"here.yaml"}, now)  # the clock was set back
    assert kept(tmp_path) == {here, paid}


def test_a_day_passes_between_two_tidyings(tmp_path: Path) -> None:
    notes, now = Notes(tmp_path), time.time()
    notes.tidy((), now)
    assert not (tmp_path / ".batchrun").exists()
    notes.save("gone.yaml", NOTE)
    notes.tidy((), now)
    (file,) = (tmp_path / ".batchrun/@watch").glob("*.json")
    os.utime(file, (now - 2 * DAY,) * 2)
    notes.tidy((), now + DAY / 2)
    assert file.exists()
    notes.tidy((), now + DAY * 1.5)
    assert not file.exists()
