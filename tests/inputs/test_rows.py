from __future__ import annotations

import gc
import gzip
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest

from batchrun.errors import DataError
from batchrun.inputs.rows import open_rows
from batchrun.model import Row
from tests.inputs.helpers import problem, read, spec, write


def test_several_files_and_formats(tmp_path: Path) -> None:
    write(tmp_path, {
        "a.csv": b"n\n1\n2\n",
        "b.jsonl": b'{"n":3}\n',
        "c.json.gz": gzip.compress(b'[{"n":4}]'),
        "d.txt": b"five",
    })  # fmt: skip
    rows = open_rows(spec("a.csv", "b.jsonl", "c.json.gz", "d.txt"), root=tmp_path)
    for _ in range(2):  # every iteration starts anew
        assert [(row.number, row.where) for row in rows] == [
            (1, "a.csv:2"),
            (2, "a.csv:3"),
            (3, "b.jsonl:1"),
            (4, "c.json.gz:1"),
            (5, "d.txt"),
        ]
        assert [fact.path for fact in rows.files] == ["a.csv", "b.jsonl", "c.json.gz", "d.txt"]


def test_files_outside_the_root_go_by_their_whole_path(tmp_path: Path) -> None:
    write(tmp_path, {"shared/t.csv": b"a\n1\n", "job/x": b""})
    rows = open_rows(spec("../shared/t.csv"), root=tmp_path / "job", roots=[tmp_path / "shared"])
    assert [row.where for row in rows] == [f"{tmp_path}/shared/t.csv:2"]
    assert rows.files[0].path == f"{tmp_path}/shared/t.csv"


def test_an_iteration_may_stop_early(tmp_path: Path) -> None:
    """The file is closed then: an open one would be a ResourceWarning, which is an error here."""
    write(tmp_path, {"t.csv": b"a\n1\n2\n"})
    rows = open_rows(spec("t.csv"), root=tmp_path)
    assert next(iter(rows)).values == {"a": "1"}
    gc.collect()
    assert rows.files == []
    assert len(list(rows)) == 2
    assert len(rows.files) == 1


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_delimiters_that_cannot_be(tmp_path: Path, delimiter: str) -> None:
    write(tmp_path, {"t.csv": b"a\n"})
    found = problem(tmp_path, "t.csv", delimiter=delimiter, error=DataError)
    assert found.message == f"input.delimiter: {delimiter!r} cannot separate columns"
    assert (found.where, found.hint) == ("job.yaml:4:9", 'write one character, such as ; or "\\t"')


def _peak(rows: Iterable[Row]) -> int:
    tracemalloc.start()
    try:
        for _ in rows:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json", "t.csv.gz"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, name: str) -> None:
    def peak(count: int, id: str | None) -> int:
        match name:
            case "t.jsonl":
                data = b"".join(b'{"id":"T-%d","text":"%s"}\n' % (i, b"x" * 2000) for i in range(count))
            case "t.json":
                data = b"[%s]" % b",".join(
                    b'{"id":"T-%d","text":"%s"}' % (i, b"x" * 2000) for i in range(count)
                )
            case _:
                data = b"id,text\n" + b"".join(b'T-%d,"%s"\n' % (i, b"x" * 2000) for i in range(count))
        write(tmp_path, {name: gzip.compress(data, 1) if name.endswith("gz") else data})
        return _peak(open_rows(spec(name, id=id), root=tmp_path))

    few, many = peak(1_500, None), peak(3_500, None)
    assert many < few + 1_000_000
    assert peak(3_500, "id") < many + 3_500 * 120  # set entries and the integers in them, at their worst


def test_zero_rows(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": b"", "u.csv": b"id\n", "t.jsonl": b"\n", "t.json": b"[]"})
    for name in ("t.csv", "u.csv", "t.jsonl", "t.json"):
        assert read(tmp_path, name, id=None if name == "t.csv" else "id") == []
