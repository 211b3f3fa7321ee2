"""How large a template can grow what it is given: an upper bound, found in its text.

The engine's fuel bounds the texts that a rendering makes. What lists come to as text it does not: 27 times
`{% set x = [x, x] %}` make a gigabyte of ten characters when `x` is put out. What is written between the braces
says how often a value can come to stand in another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_PLACEHOLDERS = 5_000
MAX_EXPRESSION = 8_000
"""Characters between two braces: the engine recurses over an expression, and its stack is not ours to extend."""

REPEATED = 100_000_000
"""Bytes that the engine lets `*` make of a text."""

_BEGIN = re.compile(r"\{[{%]")
# From where code begins, as far as it can go: strings are read whole, as they may hold the closing braces.
# An atomic group and no possessive repeat: with a look-ahead in it, that reads too far in Python 3.11.2.
_CODE = re.compile(
    r"""(?>(?:'(?>(?:[^'\\]|\\.)*)'|"(?>(?:[^"\\]|\\.)*)"|(?![-+]?[%}]\})[^'"])*)""", re.DOTALL
)
_STRING = re.compile(r"""'(?>(?:[^'\\]|\\.)*)'|"(?>(?:[^"\\]|\\.)*)\"""", re.DOTALL)
_NAME = re.compile(r"(?<![\w.|])[A-Za-z_]\w*")
_AROUND = re.compile(r"\s*([|.])\s*")
_WORDS = frozenset(
    [
        "set",
        "for",
        "in",
        "if",
        "elif",
        "else",
        "with",
        "not",
        "and",
        "or",
        "is",
        "loop",
        "range",
        "true",
        "false",
        "none",
    ]
)
_BOUND = re.compile(r"(?<![\w.|])([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*=(?!=)")
_LOOP = re.compile(r"[-+]?\s*for\s+(.*?)\s+in\b", re.DOTALL)
_CAPTURE = re.compile(r"[-+]?\s*set\s+(\w+)\s*(?:\|.*)?", re.DOTALL)
_STAR = re.compile(
    r"(?<!\*)(?:(?<![\w.*])(?P<left>\d{1,4}(?:\.\d+)?)\s*)?\*(?!\*)(?:\s*(?P<right>\d{1,4}(?:\.\d+)?)(?![\w.]|\s*\*\*))?"
)
_LIGHT = "int float round abs length count string default d e escape upper lower trim title capitalize replace join"
# What makes a list of a text: 24 bytes and more for each character.
_HEAVY = re.compile(rf"\|(?!(?:{_LIGHT.replace(' ', '|')})\b)|\.\w+\(")
_OF_A_LIST = 30


class TooComplex(ValueError):
    """Says what there is too much of."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A value is at most `copies` times all that a row holds, and `fixed` bytes."""

    copies: int = 1
    fixed: int = 0

    def __add__(self, other: Growth) -> Growth:
        return Growth(self.copies + other.copies, self.fixed + other.fixed)

    def of(self, size: int) -> int:
        """Bytes, for a row of `size` bytes."""
        return self.copies * size + self.fixed


def growth_of(source: str, captured: int) -> tuple[Growth, ...]:
    """What the largest values of a template can grow to. `captured` is the most that a block of text can come
    to, in bytes. Raises TooComplex.

    Any text that may be code is taken for code, whatever hides it: each brace begins a reading of its own.
    """
    known: dict[str, Growth] = {}
    most: dict[Growth, None] = {Growth(): None}
    for code in _codes(source):
        grown = _of_code(code, known, captured)
        names = _bound_in(code)
        for name in names:
            known[name] = grown
            if len(names) > 1:  # the second may be made of the first
                grown = _of_code(code, known, captured)
        most[grown] = None
    return _largest(most)


def _codes(source: str) -> Iterator[str]:
    """Every piece of text that may be code, its strings left out."""
    for count, begin in enumerate(_BEGIN.finditer(source)):
        if count == MAX_PLACEHOLDERS:
            raise TooComplex(f"more than {MAX_PLACEHOLDERS:,} placeholders")
        found = _CODE.match(source, begin.end(), begin.end() + MAX_EXPRESSION + 1)
        code = found[0] if found else ""
        if len(code) > MAX_EXPRESSION:
            raise TooComplex(f"an expression of more than {MAX_EXPRESSION:,} characters")
        yield _AROUND.sub(r"\1", _STRING.sub("''", code))


def _of_code(code: str, known: Mapping[str, Growth], captured: int) -> Growth:
    loop = _LOOP.match(code)
    value = _BOUND.sub("", code[loop.end() :] if loop else code)
    if _CAPTURE.fullmatch(code):
        return Growth(0, captured)
    grown = Growth(0, MAX_EXPRESSION)  # its literals
    for name in _NAME.findall(value):
        if name not in _WORDS:
            grown += known.get(name, Growth())
    for star in _STAR.finditer(value):
        if number := star["left"] or star["right"]:
            times = int(float(number)) + 1
            grown = Growth(grown.copies * times, grown.fixed * times)
        else:
            grown += Growth(0, REPEATED)
    heavy = grown.fixed >= REPEATED and _HEAVY.search(value)
    return Growth(grown.copies, grown.fixed * _OF_A_LIST) if heavy else grown


def _bound_in(code: str) -> list[str]:
    """The names that a statement gives values to."""
    names = [name for group in _BOUND.findall(code) for name in _NAME.findall(group)]
    if loop := _LOOP.match(code):
        names += _NAME.findall(loop[1])
    if capture := _CAPTURE.fullmatch(code):
        names.append(capture[1])
    return [name for name in names if name not in _WORDS]


def _largest(grown: dict[Growth, None]) -> tuple[Growth, ...]:
    """Those that no other exceeds in both respects."""
    found: list[Growth] = []
    for one in sorted(grown, key=lambda g: (-g.copies, -g.fixed)):
        if not found or one.fixed > found[-1].fixed:
            found.append(one)
    return tuple(found)
