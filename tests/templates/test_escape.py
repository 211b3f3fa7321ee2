"""Text inside JSON strings, many at a time: what orjson makes of one."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from batchrun.templates.escape import json_cells, json_texts

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def one_by_one(values: list[str]) -> list[bytes]:
    return [orjson.dumps(value)[1:-1] for value in values]


@given(st.lists(CELL, min_size=1))
def test_many_are_written_as_one_is(values: list[str]) -> None:
    assert json_texts(values) == one_by_one(values)
    assert json_cells("\0".join(values).encode()) == one_by_one(values)


def test_every_character_that_json_may_write_in_a_way_of_its_own() -> None:
    values = [f"a{chr(code)}b" for code in range(1, 0x250)] + ["\u2028", "\u2029", "\ufeff", "\\u0000", '","']
    for value in values:
        assert json_cells(f"{value}\0{value}".encode()) == one_by_one([value, value])
    assert json_texts(values) == one_by_one(values)


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert json_texts(["a", "\ud800"]) is None
