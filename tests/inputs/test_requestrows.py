from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import DataError, Problem
from tests.inputs.helpers import problem, read, write

LINE = 'a request line is {"custom_id": "…", "params": {"model": "…", "max_tokens": …, "messages": […]}}'


def test_lines_and_arrays(tmp_path: Path) -> None:
    one, two = b'{"custom_id":"a","params":{"model":"m"}}', b'{"params":{"x":[1]},"custom_id":"b"}'
    write(
        tmp_path,
        {"t.jsonl": one + b"\n" + two + b"\n", "t.json": b"[" + one + b",\n" + two + b"]", "t.txt": one},
    )
    expected = [
        ("a", {"custom_id": "a", "params": {"model": "m"}}),
        ("b", {"custom_id": "b", "params": {"x": [1]}}),
    ]
    for name in ("t.jsonl", "t.json"):
        assert [(row.id, row.values) for row in read(tmp_path, name, format="requests")] == expected
    assert [(row.id, row.values) for row in read(tmp_path, "t.txt", format="requests")] == expected[:1]


def test_another_column_may_be_the_id(tmp_path: Path) -> None:
    write(
        tmp_path, {"t.jsonl": b'{"custom_id":"a","params":{},"n":1}\n{"custom_id":"a","params":{},"n":2}\n'}
    )
    assert [row.id for row in read(tmp_path, "t.jsonl", format="requests", id="n")] == ["1", "2"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"custom_id":"a","body":{}}', Problem(
            "row 1 has no 'params', only 'custom_id', 'body'", "t.jsonl:1", LINE)),
        (b'{"params":{}}', Problem("row 1 has no 'custom_id', only 'params'", "t.jsonl:1", LINE)),
        (b'{"custom_id":7,"params":{}}', Problem("row 1: custom_id is not a string", "t.jsonl:1", LINE)),
        (b'{"custom_id":"a","params":[]}', Problem("row 1: params is not an object", "t.jsonl:1", LINE)),
        (b'{"custom_id":"a","params":{}}\n{"custom_id":"a","params":{"x":1}}', Problem(
            "row 2 has the id 'a' of row 1 (t.jsonl:1)", "t.jsonl:2",
            "make 'custom_id' unique, or set input.id to a column that is")),
        (b'{"custom_id":"","params":{}}', Problem(
            "row 1: the id ('custom_id') is empty", "t.jsonl:1",
            "every row needs an id of its own; without input.id it is the row's number")),
    ],
)  # fmt: skip
def test_faults(tmp_path: Path, data: bytes, expected: Problem) -> None:
    write(tmp_path, {"t.jsonl": data})
    assert problem(tmp_path, "t.jsonl", format="requests", error=DataError) == expected
