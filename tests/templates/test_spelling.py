"""`tojson` is our own, so that a request's key does not change with the engine: it writes what the engine wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minijinja import Environment

from batchrun.model import Json
from batchrun.templates.spelling import BEFORE, OURS, tojson, tojson_before

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.none() | st.integers(0, 4) | st.booleans())
def test_it_is_what_the_engine_writes(value: Json, indent: int | None) -> None:
    engine = Environment(auto_escape_callback=lambda _: False)
    source = "{{ value|tojson }}" if indent is None else "{{ value|tojson(indent) }}"
    assert tojson(value, indent) == engine.render_str(source, value=value, indent=indent)


@pytest.mark.parametrize("value", [{1: 2}, float("nan"), [float("inf")], object(), {"a": {1}}])
def test_what_is_no_json_is_left_to_the_engine(value: object) -> None:
    assert tojson(value, None) is None


@pytest.mark.parametrize("indent", ["a", -1, 2.5])
def test_so_is_what_is_no_indent(indent: object) -> None:
    assert tojson([], indent) is None


def test_as_it_was_before() -> None:
    value = {"a": [1e20, "1e+20, <"], "b": {}}
    assert tojson_before(value, None) == r'{"a":[1e20,"1e+20, \u003c"],"b":{}}'
    assert tojson(value, None) == r'{"a": [1e+20, "1e+20, \u003c"], "b": {}}'
    assert tojson_before([1e20], 1) == "[\n 1e20\n]"


def test_what_was_before_is_every_other_pair() -> None:
    written = [(s.dumps(1e20), s.tojson([1e20, 1], None)) for s in (OURS, *BEFORE)]
    assert len(set(written)) == 4
    assert {number for number, _ in written} == {b"1e20", b"1e+20"}
