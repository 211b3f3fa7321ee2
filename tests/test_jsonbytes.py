"""One spelling of numbers, whatever version of orjson is installed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchrun
from batchrun import jsonbytes
from batchrun.jsonbytes import before, dumps, has_large, number, respelled


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e16, "1e+16"),
        (9999999999999998.0, "9999999999999998.0"),
        (1e15, "1000000000000000.0"),
        (-1.5e20, "-1.5e+20"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1e-5, "0.00001"),
        (-1.25e-5, "-0.0000125"),
        (9.9e-6, "9.9e-6"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (100.0, "100.0"),
    ],
)
def test_how_a_number_is_written(value: float, text: str) -> None:
    assert number(value) == text
    assert dumps([value, {"k": value}]) == f'[{text},{{"k":{text}}}]'.encode()


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS)
def test_it_is_read_as_the_same_number(value: float) -> None:
    for read in (orjson.loads, json.loads):
        again = read(number(value))
        assert (again, math.copysign(1, again)) == (value, math.copysign(1, value))


@given(FLOATS)
def test_what_is_written_is_our_spelling_under_every_orjson(value: float) -> None:
    assert dumps(value) == number(value).encode()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | FLOATS
    | st.text(st.characters(codec="utf-8")),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text('abe1+"\\', max_size=4), part, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_spelling_becomes_ours(value: object) -> None:
    """Written by orjson, and by Python, which writes small numbers in its own way: 1e-05."""
    ours = dumps(value)
    assert respelled(orjson.dumps(value)) == respelled(before(ours)) == ours
    other = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert respelled(other).replace(b"\\u007f", b"\x7f") == ours.replace(b"\\u007f", b"\x7f")


def test_only_numbers_are_respelled() -> None:
    written = rb'{"1e300 \" 1e300":["1e+20","\\",1e300,-2.5E+20,1e-05,12,-0.0]}'
    assert respelled(written) == rb'{"1e300 \" 1e300":["1e+20","\\",1e+300,-2.5e+20,0.00001,12,-0.0]}'
    assert before(rb'["1e+20 \" 1e+20",1e+20,{"1e+2":-1.5e+300}]') == (
        rb'["1e+20 \" 1e+20",1e20,{"1e+2":-1.5e300}]'
    )


@pytest.mark.parametrize(
    ("data", "found"), [(b"[1e+20]", True), (b'"1e+20"', True), (b"[1e-7,e+,1e20]", False), (b"", False)]
)
def test_what_may_be_a_large_number(data: bytes, found: bool) -> None:
    assert has_large(data) is found


def test_nothing_else_writes_json_with_orjson() -> None:
    """Each place that writes bytes to be kept, hashed or compared would be one more to break."""
    root = Path(batchrun.__file__).parent
    calls = [p for p in root.rglob("*.py") if "orjson.dumps" in p.read_text("utf-8")]
    assert calls == [Path(jsonbytes.__file__)]
