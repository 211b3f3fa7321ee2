from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.codec import decode, encode


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner
    when: datetime
    colour: Colour = Colour.RED
    price: float = 0.0
    on: bool = False
    word: str | None = None
    more: Inner | None = None
    many: tuple[Inner, ...] = ()
    words: tuple[str, ...] = ()
    by_name: Mapping[str, int] = field(default_factory=dict)
    anything: Any = None


ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
WHOLE = st.integers(-(2**63), 2**63 - 1)
INNERS = st.builds(Inner, TEXT, WHOLE)
OUTERS = st.builds(
    Outer,
    INNERS,
    st.datetimes(timezones=ZONES, min_value=datetime(1970, 1, 2)),
    st.sampled_from(Colour),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none() | TEXT,
    st.none() | INNERS,
    st.lists(INNERS, max_size=3).map(tuple),
    st.lists(TEXT, max_size=3).map(tuple),
    st.dictionaries(TEXT, WHOLE, max_size=3),
    st.none() | TEXT | st.lists(st.integers(0, 9)),
)


@given(OUTERS)
def test_what_is_written_is_read(value: Outer) -> None:
    assert decode(Outer, orjson.loads(orjson.dumps(encode(value)))) == value


def test_nothing_is_left_out() -> None:
    assert encode(Inner("a")) == {"name": "a", "size": 0}
    assert "word" not in encode(Outer(Inner("a"), datetime(2026, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have(number: float) -> None:
    value = Outer(Inner("a"), datetime(2026, 1, 1, tzinfo=UTC), price=number)
    with pytest.raises(ValueError, match=f"^{number} is no JSON number$"):
        encode(value)


FITTING: dict[str, Any] = {"inner": {"name": "a"}, "when": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"odd": 1, "even": 2}, "the file: unknown field 'even'"),
        ({"inner": None}, "inner: expected an object"),
        ({"inner": {}}, "inner: missing 1 required positional argument: 'name'"),
        ({"inner": {"name": 3}}, "inner.name: expected str, found int"),
        ({"inner": {"name": "a", "size": 1.0}}, "inner.size: expected int, found float"),
        ({"inner": {"name": "a", "size": True}}, "inner.size: expected int, found bool"),
        ({"inner": {"name": "a", "sise": 1}}, "inner: unknown field 'sise'"),
        ({"when": "2026-01-01T00:00:00"}, "when: '2026-01-01T00:00:00' is not a datetime"),
        ({"when": "soon"}, "when: 'soon' is not a datetime"),
        ({"when": 3}, "when: '3' is not a datetime"),
        ({"colour": "green"}, "colour: 'green' is not a Colour"),
        ({"colour": ["red"]}, "colour: \"['red']\" is not a Colour"),
        ({"price": "1"}, "price: expected float, found str"),
        ({"price": True}, "price: expected float, found bool"),
        ({"price": None}, "price: expected float, found NoneType"),
        ({"on": 1}, "on: expected bool, found int"),
        ({"word": 1}, "word: expected str, found int"),
        ({"many": {}}, "many: wrong type"),
        ({"many": [{"name": "a"}, {"name": 1}]}, "many[1].name: expected str, found int"),
        ({"words": "abc"}, "words: wrong type"),
        ({"by_name": [1]}, "by_name: wrong type"),
        ({"by_name": {"a": "b"}}, "by_name.a: expected int, found str"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode(Outer, {**FITTING, **change})
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [None, [], "a", 3])
def test_not_an_object(value: object) -> None:
    with pytest.raises(ValueError, match=r"^the file: expected an object$"):
        decode(Outer, value)


def test_whole_numbers_may_stand_for_broken_ones() -> None:
    price = decode(Outer, {**FITTING, "price": 3}).price
    assert (price, type(price)) == (3.0, float)
