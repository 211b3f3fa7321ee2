from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchrun.errors import DataError, MissingInput, Problem
from batchrun.inputs.rows import resolve
from tests.inputs.helpers import problem, spec, values, write

FILES = {
    "a.csv": b"",
    "b.csv": b"",
    "c.tsv": b"",
    "data[1].csv": b"",
    ".hidden.csv": b"",
    "rehearsed/a.sandbox.csv": b"",
    "rehearsed/a.csv": b"",
    "sub/d.csv": b"",
    "sub/deep/e.csv": b"",
    "sub/.git/f.csv": b"",
    ".batchrun/job/rows.csv": b"",
    "sub/.batchrun/job/rows.csv": b"",
    "texts/2.md": b"two",
    "texts/1.txt": b"one",
    "texts/LICENCE": b"free",
    "texts/.swp": b"",
    "texts/more/3.txt": b"three",
}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.csv"], ["a.csv"]),
        (["b.csv", "a.csv"], ["b.csv", "a.csv"]),
        (["*.csv"], ["a.csv", "b.csv", "data[1].csv"]),
        (["./*.csv"], ["a.csv", "b.csv", "data[1].csv"]),
        (["b.csv", "?.csv", "sub/../a.csv"], ["b.csv", "a.csv"]),
        (["[ac].*"], ["a.csv", "c.tsv"]),
        (["rehearsed/*.csv"], ["rehearsed/a.csv"]),
        (["rehearsed/*.sandbox.csv"], ["rehearsed/a.sandbox.csv"]),
        (["rehearsed/a.sandbox.csv"], ["rehearsed/a.sandbox.csv"]),
        (["data[1].csv"], ["data[1].csv"]),
        (["data[[]1[]].csv"], ["data[1].csv"]),
        (["**/*.csv"], ["a.csv", "b.csv", "data[1].csv", "rehearsed/a.csv", "sub/d.csv", "sub/deep/e.csv"]),
        (["s*/*.csv"], ["sub/d.csv"]),
        (["sub/.git/*.csv"], ["sub/.git/f.csv"]),
        (["*/.git/*.csv"], ["sub/.git/f.csv"]),
        ([".*.csv"], [".hidden.csv"]),
        (["texts"], ["texts/1.txt", "texts/2.md", "texts/LICENCE"]),
        (["texts/"], ["texts/1.txt", "texts/2.md", "texts/LICENCE"]),
        (["texts/**/*.txt"], ["texts/1.txt", "texts/more/3.txt"]),
    ],
)
def test_resolves(tmp_path: Path, paths: list[str], expected: list[str]) -> None:
    write(tmp_path, FILES)
    found = resolve(spec(*paths), root=tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == expected


SEEN = "paths are seen from the spec's folder, {root}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("no.csv", Problem("input.path: there is no file 'no.csv'", "job.yaml:4:9", SEEN)),
        ("no/*.csv", Problem("input.path: no file matches 'no/*.csv'", "job.yaml:4:9", SEEN)),
        ("su*", Problem("input.path: no file matches 'su*'", "job.yaml:4:9", SEEN)),
        ("empty", Problem(
            "input.path: the folder 'empty' holds no files", "job.yaml:4:9",
            "put a file into it, or name another")),
    ],
)  # fmt: skip
def test_missing(tmp_path: Path, path: str, expected: Problem) -> None:
    write(tmp_path, FILES)
    (tmp_path / "empty").mkdir()
    found = problem(tmp_path, path, error=MissingInput)
    hint = expected.hint.format(root=tmp_path)
    assert found == Problem(expected.message, expected.where, hint)


STATE = "the state is kept there; name another"
OUTSIDE = "move it below the spec's folder, or allow its folder with --root DIR or BATCHRUN_ROOTS"


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("../x.csv", "'../x.csv' lies outside the spec's folder", OUTSIDE),
        ("/etc/*.csv", "'/etc/*.csv' lies outside the spec's folder", OUTSIDE),
        ("../*/x.csv", "'../*/x.csv' lies outside the spec's folder", OUTSIDE),
        ("s*/../../x.csv", "'s*/../../x.csv' lies outside the spec's folder", OUTSIDE),
        ("s*/../y.csv", "'..' after a wildcard: 's*/../y.csv'", ""),
        ("link.csv", "'link.csv' lies outside the spec's folder", OUTSIDE),
        ("", "not a path: ''", ""),
        (".batchrun/job/rows.csv", "'.batchrun/job/rows.csv' lies inside .batchrun", STATE),
        (".batchrun/*/*", "'.batchrun/*/*' lies inside .batchrun", STATE),
    ],
)
def test_outside(tmp_path: Path, path: str, message: str, hint: str) -> None:
    write(tmp_path, {"x.csv": b"", "job/sub/y.csv": b""})
    (tmp_path / "job/link.csv").symlink_to(tmp_path / "x.csv")
    found = problem(tmp_path / "job", path, error=DataError)
    assert found == Problem(f"input.path: {message}", "job.yaml:4:9", hint)


def test_a_glob_that_matches_a_link_to_the_outside(tmp_path: Path) -> None:
    write(tmp_path, {"x.csv": b"", "job/y.csv": b""})
    link = tmp_path / "job/link.csv"
    link.symlink_to(tmp_path / "x.csv")
    found = problem(tmp_path / "job", "*.csv", error=DataError)
    assert found.message == f"input.path: '{link}' lies outside the spec's folder"


def test_allowed_roots(tmp_path: Path) -> None:
    write(tmp_path, {"shared/x.csv": b"a\n1\n", "job/link.csv": b""})
    found = resolve(spec("../shared/*.csv"), root=tmp_path / "job", roots=[tmp_path / "shared"])
    assert found == [tmp_path / "shared/x.csv"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("notes.log", Problem(
            "input.path: the name of 'notes.log' does not tell its format", "job.yaml:4:9",
            "set input.format to one of csv, tsv, jsonl, json, text, parquet, requests")),
        ("mixed", Problem(
            "input.path: a folder of text files, but 'b.csv' is a table", "job.yaml:4:9",
            "for the rows of tables write mixed/*.csv; for whole files as text set input.format: text")),
    ],
)  # fmt: skip
def test_unclear_formats(tmp_path: Path, path: str, expected: Problem) -> None:
    write(tmp_path, {"notes.log": b"x", "mixed/a.txt": b"", "mixed/b.csv": b""})
    assert problem(tmp_path, path, error=DataError) == expected


def test_a_folder_of_tables_with_a_format(tmp_path: Path) -> None:
    write(tmp_path, {"d/1.dat": b"a\n1\n", "d/2.csv": b"a\n2\n"})
    assert values(tmp_path, "d", format="csv") == [{"a": "1"}, {"a": "2"}]


def test_names_and_endings_in_any_case(tmp_path: Path) -> None:
    write(tmp_path, {"A.CSV": b"a\n1\n", "b.Jsonl": b'{"a":"2"}\n'})
    assert values(tmp_path, "A.CSV", "b.Jsonl") == [{"a": "1"}, {"a": "2"}]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_bytes(b"")
    found = problem(tmp_path, "*.csv", error=DataError)
    assert found == Problem(
        f"input.path: a file name that is not UTF-8: '{tmp_path}/caf\\udce9.csv'",
        "job.yaml:4:9",
        "rename the file",
    )


def test_a_pipe_is_no_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.csv")
    assert (
        problem(tmp_path, "p.csv", error=DataError).message == f"{tmp_path / 'p.csv'} is not a regular file"
    )
