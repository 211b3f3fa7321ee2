from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.spec.faults import Faults
from batchrun.spec.paths import check_input_paths, check_output_path


def said(root: Path, output: str, *inputs: str) -> list[str]:
    faults = Faults("job.yaml")
    check_output_path(output, faults, root, (), [(root / "job.csv", "the spec")], inputs)
    return [fault.message for fault in faults.errors]


@pytest.mark.parametrize(
    ("output", "inputs", "message"),
    [
        ("out.csv", ["rows.csv"], None),
        ("out/out.csv", ["*.csv"], None),
        ("texts/out/a.jsonl", ["texts"], None),
        ("data/out.jsonl", ["data/**/*.csv"], None),
        ("rows.csv", ["./rows.csv"], "is among the input (./rows.csv)"),
        ("out.csv", ["*.csv"], "is among the input (*.csv)"),
        ("texts/a.jsonl", ["texts"], "is among the input (texts)"),
        ("data/a/b/out.jsonl", ["data/**/*.jsonl"], "is among the input (data/**/*.jsonl)"),
        ("data/out.jsonl", ["data/**/*.jsonl"], "is among the input (data/**/*.jsonl)"),
        ("job.csv", [], "is the spec"),
        (".batchrun/x/out.csv", [], "lies inside .batchrun"),
        ("a/../../out.csv", [], "'a/../../out.csv' lies outside the spec's folder"),
        ("folder.csv", [], "is a folder"),
    ],
)
def test_the_output_keeps_away_from_what_is_read(
    tmp_path: Path, output: str, inputs: list[str], message: str | None
) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert said(tmp_path, output, *inputs) == ([message] if message else [])


def test_input_paths_stay_inside(tmp_path: Path) -> None:
    faults = Faults("job.yaml")
    paths = ["rows.csv", "../rows.csv", "/rows.csv", "data/*.csv"]
    check_input_paths([(("input", "path", i), path) for i, path in enumerate(paths)], faults, tmp_path, ())
    assert sorted(f.field for f in faults.errors) == ["input.path[1]", "input.path[2]"]
