"""The benchmark works, at a size that measures nothing. How fast things are is not asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from batchrun.spec import load
from benchmarks import data
from benchmarks.measure import Failed, process, python

CHECKOUT = Path(__file__).parents[1]


def test_a_short_run_measures_every_stage_beside_its_floor(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    size = (
        "--million",
        "--rows",
        "60",
        "--runs",
        "1",
        "--shard-mb",
        "0.05",
        "--jobs",
        "5",
        "--json",
        str(figures),
    )
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", *size],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    entries = orjson.loads(figures.read_bytes())
    lines = [entry for entry in entries if "stage" in entry]
    assert len(lines) == 16
    for line in lines:
        assert line["ours"]["seconds"] != 0, line
        assert line["theirs"]["peak"] > 0, line
        assert line["stage"] in ran.stdout, line
    notes = [entry["text"] for entry in entries if "text" in entry]
    assert "calls of the API for one job: 4; saves of its state: 8" in notes
    assert "per row: " in notes[3]


def test_a_process_that_says_much_is_not_stopped_by_it(tmp_path: Path) -> None:
    script = "import sys; sys.stderr.write('e' * 1_000_000); print('o' * 1_000_000); sys.exit(3)"
    figure = process(python("-c", script), cwd=tmp_path, code=3)
    assert figure.cpu > 0
    with pytest.raises(Failed, match=r"exit code 3\ne{2000}$"):
        process(python("-c", script), cwd=tmp_path)


def test_the_data_is_what_it_says(tmp_path: Path) -> None:
    folder = data.folder(tmp_path / "job", 500)
    size = (folder / "tickets.csv").stat().st_size
    assert 550 <= size / 500 <= 680
    text = (folder / "tickets.csv").read_text()
    assert all(sign in text for sign in ('""', "é", "返", "🙂", "first line\nsecond"))
    data.folder(tmp_path / "again", 500)
    assert (tmp_path / "again" / "tickets.csv").read_text() == text
    assert load(folder / "job.yaml").warnings == ()
