"""JSON as rows need it: nothing lost and nothing guessed (RFC 8259 leaves both open).

Refused: a key twice in one object, NaN and Infinity, integers that do not fit 64 bits (orjson would round
them), numbers beyond a double, lone surrogates (no UTF-8 can hold them).
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

import orjson

from batchrun import jsonbytes
from batchrun.model import Json

_SPACE = b" \t\r\n"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BadJson(ValueError):
    """`at` is the place in the text (from 0), None where only the value as a whole is known to be bad."""

    def __init__(self, reason: str, at: int | None = None) -> None:
        super().__init__(reason)
        self.at = at


def parse(line: bytes) -> Json:
    """One JSON value. Raises BadJson, and UnicodeDecodeError when it is not UTF-8."""
    line = line.rstrip(_SPACE)
    try:
        value: Json = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        _strictly(line)  # to learn the reason in words that stay the same in every version of orjson
        raise BadJson(error.msg.partition(":")[0], error.pos) from None
    if _faithful(line, value):
        return value
    return _strictly(line)


def _strictly(line: bytes) -> Json:
    text = line.decode()
    value, end = decode(text, len(text) - len(text.lstrip(" \t\r\n")))
    if end != len(text):
        raise BadJson("more text after the value", end)
    return value


def decode(text: str, start: int) -> tuple[Json, int]:
    """The value at `start` and the place after it. Raises BadJson."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise BadJson(reason.removesuffix(" at").removesuffix(" starting"), error.pos) from None
    except RecursionError:
        raise BadJson("nested too deeply", start) from None
    if _SURROGATE.search(text, start, end):
        try:
            jsonbytes.dumps(value)
        except orjson.JSONEncodeError:
            raise BadJson("half of a surrogate pair (\\ud800 to \\udfff) without the other half") from None
    return value, end


def _faithful(line: bytes, value: Json) -> bool:
    """True when orjson certainly lost nothing: it keeps the last of equal keys and rounds huge integers.

    Writing the value again gives the same text, spaces aside, only if every key and digit is still there.
    That costs a third of counting keys while parsing; where the text differs (escapes, 1e3), the slow way
    decides.
    """
    try:
        again = jsonbytes.dumps(value)
    except orjson.JSONEncodeError:  # it reads deeper than it writes
        raise BadJson("nested too deeply") from None
    return again == line or again.translate(None, _SPACE) == line.translate(None, _SPACE)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadJson(f"the key {key!r} comes twice in one object")
            seen.add(key)
    return value


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**64:
        raise BadJson(f"the integer {text[:24]} does not fit 64 bits; write it as a string")
    return value


def _float(text: str) -> float:
    if math.isinf(value := float(text)):
        raise BadJson(f"the number {text[:24]} is too large")
    return value


def _constant(text: str) -> NoReturn:
    raise BadJson(f"{text} is not JSON; write null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
