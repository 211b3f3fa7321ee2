from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import DataError, Problem
from tests.inputs.helpers import problem, read, write

UNIQUE = "make 'id' unique, or set input.id to a column that is"
OWN = "every row needs an id of its own; without input.id it is the row's number"


def test_without_a_column_the_row_number_is_the_id(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": b"id\nx\nx\n"})
    assert [row.id for row in read(tmp_path, "t.csv")] == ["1", "2"]


def test_ids_are_text(tmp_path: Path) -> None:
    write(tmp_path, {"t.jsonl": b'{"id":" T-1 "}\n{"id":12345678901234567890}\n{"id":-7}\n'})
    assert [row.id for row in read(tmp_path, "t.jsonl", id="id")] == [" T-1 ", "12345678901234567890", "-7"]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("t.csv", b"id,a\nx,1\ny,2\nx,3\n", Problem("row 3 has the id 'x' of row 1 (t.csv:2)", "t.csv:4", UNIQUE)),
        ("t.jsonl", b'{"id":1}\n\n{"id":"1"}\n', Problem(
            "row 2 has the id '1' of row 1 (t.jsonl:1)", "t.jsonl:3", UNIQUE)),
        ("t.csv", b"id,a\nx,1\n ,2\n", Problem("row 2: the id ('id') is empty", "t.csv:3", OWN)),
        ("t.jsonl", b'{"id":"x"}\n{"id":null}\n', Problem(
            "row 2: the id ('id') is null, not text or a whole number", "t.jsonl:2", OWN)),
        ("t.jsonl", b'{"id":1.5}\n', Problem(
            "row 1: the id ('id') is a fraction, not text or a whole number", "t.jsonl:1", OWN)),
        ("t.jsonl", b'{"id":true}\n', Problem(
            "row 1: the id ('id') is a boolean, not text or a whole number", "t.jsonl:1", OWN)),
        ("t.jsonl", b'{"id":"x"}\n{"a":1}\n', Problem(
            "input.id: there is no column 'id'", "t.jsonl:2", "the columns are 'a'")),
        ("t.jsonl", b"{}\n", Problem("input.id: there is no column 'id'", "t.jsonl:1", "there are no columns")),
        ("t.csv", b"idd,a\n", Problem(
            "input.id: there is no column 'id'", "t.csv:1", "did you mean 'idd'? the columns are 'idd', 'a'")),
        ("t.csv", b"id;a\n", Problem(
            "input.id: there is no column 'id'", "t.csv:1",
            "did you mean 'id;a'? the columns are 'id;a'; if ';' separates columns, set input.delimiter to it")),
        ("t.csv", ",".join(f"c{i}" for i in range(42)).encode(), Problem(
            "input.id: there is no column 'id'", "t.csv:1",
            f"the columns are {', '.join(repr(f'c{i}') for i in range(40))} and 2 more")),
    ],
)  # fmt: skip
def test_faults(tmp_path: Path, name: str, data: bytes, expected: Problem) -> None:
    write(tmp_path, {name: data})
    assert problem(tmp_path, name, id="id", error=DataError) == expected


def test_an_id_in_two_files(tmp_path: Path) -> None:
    write(tmp_path, {"1.csv": b"id\na\nb\n", "2.jsonl": b'{"id":"c"}\n{"id":"b"}\n'})
    assert problem(tmp_path, "1.csv", "2.jsonl", id="id", error=DataError) == Problem(
        "row 4 has the id 'b' of row 2 (1.csv:3)", "2.jsonl:2", UNIQUE
    )
