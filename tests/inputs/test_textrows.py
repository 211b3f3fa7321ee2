from __future__ import annotations

import gzip
from pathlib import Path

from batchrun.errors import DataError, Problem
from tests.inputs.helpers import problem, read, write


def test_a_row_a_file(tmp_path: Path) -> None:
    write(tmp_path, {
        "in/b.txt": "\ufefftwo\r\nlines é\n".encode(),
        "in/a.txt.gz": gzip.compress(b"one"),
        "in/empty": b"",
    })  # fmt: skip
    rows = read(tmp_path, "in", id="name")
    assert [(row.id, row.where, row.values) for row in rows] == [
        ("a.txt.gz", "in/a.txt.gz", {"text": "one", "name": "a.txt.gz", "path": "in/a.txt.gz"}),
        ("b.txt", "in/b.txt", {"text": "two\r\nlines é\n", "name": "b.txt", "path": "in/b.txt"}),
        ("empty", "in/empty", {"text": "", "name": "empty", "path": "in/empty"}),
    ]


def test_binary_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"in/a.png": b"\x89PNG\r\n"})
    assert problem(tmp_path, "in", error=DataError) == Problem(
        "not UTF-8: byte 0x89 at offset 0",
        "in/a.png:1",
        "save it as UTF-8, for instance: iconv -f windows-1252 -t utf-8 OLD > NEW",
    )


def test_equal_names_in_two_folders(tmp_path: Path) -> None:
    write(tmp_path, {"1/a.txt": b"x", "2/a.txt": b"y"})
    assert [row.id for row in read(tmp_path, "*/a.txt", id="path")] == ["1/a.txt", "2/a.txt"]
    assert problem(tmp_path, "*/a.txt", id="name", error=DataError) == Problem(
        "row 2 has the id 'a.txt' of row 1 (1/a.txt)",
        "2/a.txt",
        "make 'name' unique, or set input.id to a column that is",
    )
