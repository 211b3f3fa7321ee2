from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.inputs.jsontext import BadJson, decode, parse
from batchrun.model import Json

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":1}', {"a": 1}),
        (b' \t{ "a" : 1 , "b" : [ 1.50 , 1e3 ] } \r\n', {"a": 1, "b": [1.5, 1000.0]}),
        (rb'{"a":"\u00e9\ud83d\ude00\/"}', {"a": "é😀/"}),
        (rb'{"a":"say \"b\":1"}', {"a": 'say "b":1'}),
        (rb'{"a":"\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":18446744073709551615,"b":-9223372036854775808}', {"a": 2**64 - 1, "b": -(2**63)}),
        (b'{"a":1e300,"b":-0.0}', {"a": 1e300, "b": -0.0}),
    ],
)
def test_parses(text: bytes, expected: Json) -> None:
    assert parse(text) == expected
    assert decode(text.decode().strip(), 0) == (expected, len(text.strip()))


@pytest.mark.parametrize(
    ("text", "reason", "at"),
    [
        (b'{"a":1,"a":2}', "the key 'a' comes twice in one object", None),
        (b'{"x":[{"a" :1, "b":2, "a" :2}]}', "the key 'a' comes twice in one object", None),
        (rb'{"a":1,"\u0061":2}', "the key 'a' comes twice in one object", None),
        (b'{"a":NaN}', "NaN is not JSON; write null", None),
        (b'{"a":-Infinity}', "-Infinity is not JSON; write null", None),
        (b'{"a":1e999}', "the number 1e999 is too large", None),
        (
            b'{"a":18446744073709551616}',
            "the integer 18446744073709551616 does not fit 64 bits; write it as a string",
            None,
        ),
        (
            b'{"a":-9223372036854775809}',
            "the integer -9223372036854775809 does not fit 64 bits; write it as a string",
            None,
        ),
        (b"1" * 5000, f"the integer {'1' * 24} does not fit 64 bits; write it as a string", None),
        (rb'{"a":"\ud800x"}', "half of a surrogate pair (\\ud800 to \\udfff) without the other half", None),
        (rb'{"\udc00":1}', "half of a surrogate pair (\\ud800 to \\udfff) without the other half", None),
        (b'  {"a":1} x', "more text after the value", 9),
        (b'{"a":1', "expecting ',' delimiter", 6),
        (b'{"a', "unterminated string", 1),
        (b"{a:1}", "expecting property name enclosed in double quotes", 1),
        (b"{'a':1}", "expecting property name enclosed in double quotes", 1),
        (b'{"a":"x\x01"}', "invalid control character", 7),
        (b'{"a":"\\x"}', "invalid \\escape", 6),
        ('{"é":nul}'.encode(), "expecting value", 5),
        (b"[" * 100_000, "nested too deeply", 0),
    ],
)
def test_refuses(text: bytes, reason: str, at: int | None) -> None:
    with pytest.raises(BadJson) as caught:
        parse(text)
    assert (str(caught.value), caught.value.at) == (reason, at)


@pytest.mark.parametrize("text", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}'])
def test_bytes_that_are_not_utf8(text: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        parse(text)


@given(VALUES)
def test_what_is_written_is_read_back(value: Json) -> None:
    for text in (orjson.dumps(value), json.dumps(value).encode(), json.dumps(value, indent=1).encode()):
        assert parse(text) == value
        assert decode(text.decode(), 0) == (value, len(text.decode()))


@given(VALUES, st.text(max_size=3), VALUES)
def test_no_equal_keys_pass(first: Json, key: str, second: Json) -> None:
    name = orjson.dumps(key)
    with pytest.raises(BadJson, match="comes twice in one object"):
        parse(b"{" + name + b":" + orjson.dumps(first) + b"," + name + b":" + orjson.dumps(second) + b"}")
