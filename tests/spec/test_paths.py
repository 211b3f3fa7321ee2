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
        (".batchrun/x/out.csv", [], "'.batchrun/x/out.csv' lies inside .batchrun"),
        ("a/../../out.csv", [], "'a/../../out.csv' lies outside the spec's folder"),
        ("folder.csv", [], "is a folder"),
    ],
)
def test_the_output_keeps_away_from_what_is_read(
    tmp_path: Path, output: str, inputs: list[str], message: str | None
) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert said(tmp_path, output, *inputs) == ([message] if message else [])


@pytest.mark.parametrize("name", ["proj[1]", "a*", "?"])
@pytest.mark.parametrize("pattern", ["*.jsonl", "./*.jsonl", "**/*.jsonl"])
def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path, name: str, pattern: str) -> None:
    root = tmp_path / name
    root.mkdir()
    assert said(root, "all.jsonl", pattern) == [f"is among the input ({pattern})"]
    assert said(root, "all.csv", pattern) == []


def test_an_allowed_root_holds_no_output_among_its_state(tmp_path: Path) -> None:
    root = tmp_path / "sub"
    root.mkdir()
    faults = Faults("job.yaml")
    check_output_path("../.batchrun/out.csv", faults, root, (tmp_path,), [], [])
    assert [f.message for f in faults.errors] == ["'../.batchrun/out.csv' lies inside .batchrun"]


def test_an_output_beside_the_spec_among_the_input_of_an_allowed_root(tmp_path: Path) -> None:
    root = tmp_path / "a[1]"
    root.mkdir()
    faults = Faults("job.yaml")
    check_output_path("../b/out.csv", faults, root, (tmp_path,), [], ["../b/*.csv"])
    assert [f.message for f in faults.errors] == ["is among the input (../b/*.csv)"]


def test_input_paths_stay_inside(tmp_path: Path) -> None:
    faults = Faults("job.yaml")
    paths = ["rows.csv", "../rows.csv", "/rows.csv", "data/*.csv"]
    check_input_paths([(("input", "path", i), path) for i, path in enumerate(paths)], faults, tmp_path, ())
    assert sorted(f.field for f in faults.errors) == ["input.path[1]", "input.path[2]"]
