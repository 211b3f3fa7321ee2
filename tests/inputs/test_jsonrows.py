from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError, Problem
from batchrun.model import Json
from tests.inputs.helpers import problem, read, values, write
from tests.inputs.test_jsontext import VALUES

WHOLE = "every line holds one whole object"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n \r\n", []),
        (b'{"a":1}', [{"a": 1}]),
        (
            b'\xef\xbb\xbf{"a":1}\r\n\n{"a":[{"b":null}],"c":true}\n',
            [{"a": 1}, {"a": [{"b": None}], "c": True}],
        ),
        ('{"a":"x\u2028y\x85"}\n'.encode(), [{"a": "x\u2028y\x85"}]),
    ],
)
def test_reads(tmp_path: Path, data: bytes, expected: list[object]) -> None:
    write(tmp_path, {"t.jsonl": data, "t.ndjson": data})
    assert values(tmp_path, "t.jsonl") == values(tmp_path, "t.ndjson") == expected


def test_blank_lines_count_as_lines_but_not_as_rows(tmp_path: Path) -> None:
    write(tmp_path, {"t.jsonl": b'\n{"a":1}\n\n{"a":2}'})
    assert [(row.number, row.where) for row in read(tmp_path, "t.jsonl")] == [
        (1, "t.jsonl:2"),
        (2, "t.jsonl:4"),
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"a":1}\n{"a":1,b}\n',
            Problem(
                "row 2 is not valid JSON: expecting property name enclosed in double quotes, column 8",
                "t.jsonl:2",
                WHOLE,
            ),
        ),
        (
            '{"é":1}\n\n{"é":nul}\n'.encode(),
            Problem("row 2 is not valid JSON: expecting value, column 6", "t.jsonl:3", WHOLE),
        ),
        (
            b'{"a":1,"a":2}\n',
            Problem("row 1 is not valid JSON: the key 'a' comes twice in one object", "t.jsonl:1", WHOLE),
        ),
        (b'{"a":NaN}\n', Problem("row 1 is not valid JSON: NaN is not JSON; write null", "t.jsonl:1", WHOLE)),
        (
            b'{\n"a":1}\n',
            Problem(
                "row 1 is not valid JSON: expecting property name enclosed in double quotes, column 2",
                "t.jsonl:1",
                WHOLE,
            ),
        ),
        (
            b'[\n{"a":1}]\n',
            Problem(
                "row 1 is not valid JSON: expecting value, column 2",
                "t.jsonl:1",
                "for one array of objects set input.format: json",
            ),
        ),
        (
            b'{"a":1}\n7\n',
            Problem(
                "row 2 is a number, not an object",
                "t.jsonl:2",
                'every row must be an object, such as {"text": "…"}',
            ),
        ),
        (
            b"null\n",
            Problem(
                "row 1 is null, not an object",
                "t.jsonl:1",
                'every row must be an object, such as {"text": "…"}',
            ),
        ),
        (
            b"[1]\n",
            Problem(
                "row 1 is an array, not an object",
                "t.jsonl:1",
                'every row must be an object, such as {"text": "…"}; '
                "for one array of objects set input.format: json",
            ),
        ),
        (
            b'{"a":1}\n{"a":"\xe9"}\n',
            Problem(
                "not UTF-8: byte 0xe9 at offset 14",
                "t.jsonl:2",
                "save it as UTF-8, for instance: iconv -f windows-1252 -t utf-8 OLD > NEW",
            ),
        ),
    ],
)
def test_faults(tmp_path: Path, data: bytes, expected: Problem) -> None:
    write(tmp_path, {"t.jsonl": data})
    assert problem(tmp_path, "t.jsonl", error=DataError) == expected
    write(tmp_path, {"t.jsonl": gzip.compress(data)})
    assert problem(tmp_path, "t.jsonl", error=DataError) == expected


@given(
    rows=st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=6),
    packed=st.booleans(),
    ascii=st.booleans(),
)
def test_what_is_written_is_read_back(rows: list[dict[str, Json]], packed: bool, ascii: bool) -> None:
    lines = [json.dumps(row).encode() if ascii else orjson.dumps(row) for row in rows]
    data = b"\n".join(lines)
    with TemporaryDirectory() as folder:
        write(Path(folder), {"t.jsonl": gzip.compress(data) if packed else data})
        assert values(Path(folder), "t.jsonl") == rows
