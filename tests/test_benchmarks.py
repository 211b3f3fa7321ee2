"""The benchmark works, at a size that measures nothing. How fast things are is not asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

from batchrun.spec import load
from benchmarks import data

CHECKOUT = Path(__file__).parents[1]


def test_a_short_run_measures_every_stage_beside_its_floor(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    size = ("--million", "--rows", "60", "--runs", "1", "--shard-mb", "0.05", "--json", str(figures))
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
    assert len(lines) == 13
    for line in lines:
        assert line["ours"]["seconds"] != 0, line
        assert line["theirs"]["peak"] > 0, line
        assert line["stage"] in ran.stdout, line
    notes = [entry["text"] for entry in entries if "text" in entry]
    assert notes[0] == "calls of the API for one job: 4"
    assert "per row: " in notes[2]


def test_the_data_is_what_it_says(tmp_path: Path) -> None:
    folder = data.folder(tmp_path / "job", 500)
    size = (folder / "tickets.csv").stat().st_size
    assert 550 <= size / 500 <= 680
    text = (folder / "tickets.csv").read_text()
    assert all(sign in text for sign in ('""', "é", "返", "🙂", "first line\nsecond"))
    data.folder(tmp_path / "again", 500)
    assert (tmp_path / "again" / "tickets.csv").read_text() == text
    assert load(folder / "job.yaml").warnings == ()
