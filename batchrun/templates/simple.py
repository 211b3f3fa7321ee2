"""Templates so plain that nothing need be weighed while they run.

They put out columns, in capitals perhaps, and choose between texts by comparing columns. There are no loops, so
that each placeholder is put out once at most. This is a list of what is known to be harmless, and all else is not:
a template that is written to mislead it is one that is weighed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_GROWING = 3
"""Characters that changing the case of one can make of it."""

_WORD = "not|and|or|in|is|if|elif|else|endif|loop|self|row|[Tt]rue|[Ff]alse|[Nn]one"
_COLUMN = rf"\b(?!(?:{_WORD})\b)[A-Za-z_][A-Za-z0-9_]*\b"
_VALUE = rf"{_COLUMN}(?:\s*\|\s*(?:upper|lower|trim|title|capitalize)\b)*"
_TEXT = r"""'[^'"\\{}%]*'|"[^'"\\{}%]*\""""
_TERM = rf"(?:{_VALUE}|{_TEXT})"
_TEST = rf"(?:not\s+)?{_TERM}(?:(?:\s*[!=]=\s*|\s+(?:not\s+)?in\s+){_TERM})?"
_CODE = re.compile(
    rf"(?<!\{{)(?:\{{\{{-?\s*(?P<value>{_VALUE})\s*-?\}}\}}"
    rf"|\{{%-?\s*(?:(?:el)?if\s+(?P<tests>{_TEST}(?:\s+(?:and|or)\s+{_TEST})*)|else|endif)\s*-?%\}})"
)
_OTHER_CODE = re.compile(r"\{[{%#]")
_NO_COLUMN = re.compile(rf"{_TEXT}|\|\s*\w+")


@dataclass(frozen=True, slots=True)
class Straight:
    """What holds for such a template as long as all of `columns` are columns, and hold text."""

    columns: frozenset[str]
    copies: int
    """It puts out at most so many times the characters of a row."""


def straight(source: str) -> Straight | None:
    """None where the template is of another kind."""
    if _OTHER_CODE.search(_CODE.sub("\0", source)):
        return None
    columns: set[str] = set()
    copies = 0
    for code in _CODE.finditer(source):
        if value := code["value"]:
            copies += _GROWING ** value.count("|")
        columns.update(re.findall(_COLUMN, _NO_COLUMN.sub("", value or code["tests"] or "")))
    return Straight(frozenset(columns), copies)
