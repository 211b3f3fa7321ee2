from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError, Problem
from batchrun.inputs.jsonarray import json_array
from batchrun.inputs.source import Source
from batchrun.model import Json
from tests.inputs.helpers import problem, read, values, write
from tests.inputs.test_jsontext import VALUES

LINES = "for one object a line set input.format: jsonl"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b" \n", []),
        (b"[]", []),
        (b"\xef\xbb\xbf [ ]\n", []),
        (b'[{"a":1},{"a":"]"}]', [{"a": 1}, {"a": "]"}]),
        (b'[\n  {"a": 1}\n, {"b": [1, 2]}\n]\n', [{"a": 1}, {"b": [1, 2]}]),
        ('[{"é":"日本🙂"}]'.encode(), [{"é": "日本🙂"}]),
    ],
)
def test_reads(tmp_path: Path, data: bytes, expected: list[object]) -> None:
    write(tmp_path, {"t.json": data})
    assert values(tmp_path, "t.json") == expected


def test_rows_know_their_line(tmp_path: Path) -> None:
    write(tmp_path, {"t.json": b'[{"a":\n1},\n\n {"a":2}, {"a":3}]'})
    assert [row.where for row in read(tmp_path, "t.json")] == ["t.json:1", "t.json:4", "t.json:4"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"a":1}\n{"a":2}\n',
            Problem(
                "the file is not an array of rows (column 1)", "t.json:1", f"it must begin with [; {LINES}"
            ),
        ),
        (
            b"[1]",
            Problem(
                "row 1 is a number, not an object",
                "t.json:1",
                'every row must be an object, such as {"text": "…"}',
            ),
        ),
        (
            b'[{"a":1},\n ["x"]]',
            Problem(
                "row 2 is an array, not an object",
                "t.json:2",
                'every row must be an object, such as {"text": "…"}',
            ),
        ),
        (b'[{"a":1}', Problem("the array does not end (column 9)", "t.json:1", "is the file complete?")),
        (b'[{"a":1},', Problem("row 2 is not valid JSON: expecting value, column 10", "t.json:1")),
        (b'[{"a":1},]', Problem("row 2 is not valid JSON: expecting value, column 10", "t.json:1")),
        (
            b'[{"a":1}\n {"a":2}]',
            Problem(
                "after row 1 comes neither , nor ] (column 2)", "t.json:2", "rows are separated by commas"
            ),
        ),
        (
            b'[{"a":1}]\n[',
            Problem(
                "there is more after the array (column 1)", "t.json:2", f"a file holds one array; {LINES}"
            ),
        ),
        (
            b'[{"a":1},\n {"b":\n  nul}]',
            Problem("row 2 is not valid JSON: expecting value, column 3", "t.json:3"),
        ),
        (
            b'[{"a":1},\n {"b":1,"b":2}]',
            Problem("row 2 is not valid JSON: the key 'b' comes twice in one object", "t.json:2"),
        ),
        (
            b'[{"a":Infinity}]',
            Problem("row 1 is not valid JSON: Infinity is not JSON; write null", "t.json:1"),
        ),
        (
            b'[{"a":"\xe9"}]',
            Problem(
                "not UTF-8: byte 0xe9 at offset 7",
                "t.json:1",
                "save it as UTF-8, for instance: iconv -f windows-1252 -t utf-8 OLD > NEW",
            ),
        ),
    ],
)
def test_faults(tmp_path: Path, data: bytes, expected: Problem) -> None:
    write(tmp_path, {"t.json": data})
    assert problem(tmp_path, "t.json", error=DataError) == expected


def test_a_fault_at_the_start_of_a_large_file_needs_no_reading_to_its_end(tmp_path: Path) -> None:
    """The bytes at the end are no UTF-8: had they been looked at, they would be the error."""
    write(tmp_path, {"t.json": b'[{"a" 1},' + b'{"a":1},' * 1_000_000 + b"\xff"})
    assert problem(tmp_path, "t.json", error=DataError) == Problem(
        "row 1 is not valid JSON: expecting ':' delimiter, column 7", "t.json:1"
    )


def test_values_that_cross_the_pieces_of_reading(tmp_path: Path) -> None:
    """One line of several mebibytes: pieces end inside numbers, escapes, characters and literals."""
    rows = [
        {"n": i * 10**15 + 0.5, "t": "é🙂\n" * (i % 7), "u": "\u2028", "b": i % 2 == 0} for i in range(30_000)
    ]
    for ascii in (False, True):
        write(tmp_path, {"t.json": json.dumps(rows, ensure_ascii=ascii).encode()})
        assert values(tmp_path, "t.json") == rows


def test_a_row_larger_than_the_pieces_of_reading(tmp_path: Path) -> None:
    rows = [{"t": "x" * 5_000_000}, {"t": ["é" * 3_000_000, 1]}, {"t": 12345678901234567 * 10}]
    write(tmp_path, {"t.json": json.dumps(rows, ensure_ascii=False).encode()})
    assert values(tmp_path, "t.json") == rows


@given(
    rows=st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=6),
    indent=st.sampled_from([None, 2]),
)
def test_what_is_written_is_read_back(rows: list[dict[str, Json]], indent: int | None) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder), {"t.json": json.dumps(rows, indent=indent).encode()})
        assert values(Path(folder), "t.json") == rows


def test_a_row_without_end_is_given_up(tmp_path: Path) -> None:
    write(tmp_path, {"t.json": b'[{"a":1},{"a":"' + b"x" * 9_000_000})
    with Source(tmp_path / "t.json", "t.json") as source, pytest.raises(DataError) as caught:
        list(json_array(source, 0, limit=3_000_000))
    assert caught.value.problems == (
        Problem("row 2 is longer than 3 million characters (column 10)", "t.json:1", "no batch can hold it"),
    )
