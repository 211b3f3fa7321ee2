"""JSON as it is written here: the same bytes under every version of the library below.

A request's key is a hash of such bytes, and an answer's file is compared by them. orjson wrote 1e300 until
3.11.6 and writes 1e+300 since: with the second, a row that was asked under the first would be asked again. So
numbers have one spelling of our own. It is that of orjson since then (and of Python and JavaScript), as
the jobs that were begun have it, but for the few of an older installation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

FIXED_BELOW = -5
"""The exponent of the smallest numbers that are written without one: 0.00001, but 1e-6."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?')
_LARGE = re.compile(rb"[0-9]e\+[0-9]")


def number(value: float) -> str:
    """A finite `value` in the fewest digits that are read as the same number."""
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        return digits
    if int(exponent) != FIXED_BELOW:
        return f"{digits}e{int(exponent):+d}"
    sign = "-" if digits.startswith("-") else ""
    return f"{sign}0.0000{digits.lstrip('-').replace('.', '')}"


def respelled(data: bytes) -> bytes:
    """JSON with its numbers as `number` writes them, whoever wrote it."""
    return _TOKEN.sub(_ours, data)


def _ours(token: re.Match[bytes]) -> bytes:
    text = token[0]
    if text.startswith(b'"') or text.lstrip(b"-").isdigit():
        return text
    return number(float(text)).encode()


def before(data: bytes) -> bytes:
    """JSON of ours as orjson up to 3.11.6 wrote it."""
    return _TOKEN.sub(_without_plus, data) if _LARGE.search(data) else data


def _without_plus(token: re.Match[bytes]) -> bytes:
    return token[0] if token[0].startswith(b'"') else token[0].replace(b"e+", b"e")


def has_large(data: bytes) -> bool:
    """Whether `data` holds what may be a number that `before` writes otherwise, be it inside a string."""
    return _LARGE.search(data) is not None


_PROBES = [1e16, -1.5e20, 1.7976931348623157e308, 123456789012345680.0, 1e15, 100.0, 1.0, 0.1, 0.0, -0.0]
_PROBES += [1e-4, 1e-5, -1.25e-5, 1e-6, 1.5e-7, 5e-324]


def _dumps_respelled(
    value: Any, default: Callable[[Any], Any] | None = None, option: int | None = None
) -> bytes:
    data = orjson.dumps(value, default, option)
    return data if type(value) is str else respelled(data)


dumps: Callable[..., bytes] = orjson.dumps
"""`orjson.dumps`, with its arguments and errors; its numbers as `number` writes them."""
if any(orjson.dumps(value) != number(value).encode() for value in _PROBES):
    dumps = _dumps_respelled
