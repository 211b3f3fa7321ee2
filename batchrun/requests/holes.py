"""What fills the holes of a request, where rows differ in text alone: is there a text that says nothing?

The whole of the rules holds for one row of many that are alike. These tests are what the others may still get
wrong, and they are cheap: a regular expression looks at the first characters of a cell, and only a cell that begins
oddly is looked at as a whole. What they find is no verdict: such a row goes through all rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from batchrun.cost.models import facts_of
from batchrun.requests.params.window import CHARS_PER_TOKEN, LIKELY_CHARS_PER_TOKEN

_SAYS_SOMETHING = re.compile(rb" *(?:[!-\[\]-~]|[\xc3-\xe0\xe4-\xff])").match
"""The inside of a JSON string that begins with a character that is seen: white space of other scripts is written
with other bytes, and a line end with a backslash."""

_SPACES = re.compile(
    rb"(?:[ ]|\\[nrtf]|\\u000[9abcd]|\\u001[c-f]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]"
    rb"|\xe2\x81\x9f|\xe3\x80\x80)*+",
    re.IGNORECASE,
).fullmatch
"""All that Unicode takes for white space, as JSON and UTF-8 write it."""

Texts = Sequence[Sequence[int]]
"""The holes of each text that has nothing else in it: one of them has to say something."""


def is_blank(inside: bytes) -> bool:
    """Whether the inside of a JSON string is empty or white space alone."""
    return not _SAYS_SOMETHING(inside) and _SPACES(inside) is not None


def one_is_blank(filled: Sequence[bytes], texts: Texts) -> bool:
    """Whether a row has a text that says nothing."""
    return any(all(is_blank(filled[hole]) for hole in holes) for holes in texts)


def some_are_blank(filled: Sequence[Sequence[bytes]], texts: Texts) -> bool:
    """The same for many rows, which come hole by hole."""
    return any(_some(filled, holes) for holes in texts)


def _some(filled: Sequence[Sequence[bytes]], holes: Iterable[int]) -> bool:
    rows: Iterable[int] | None = None
    for hole in holes:
        cells = filled[hole]
        if rows is None:
            if all(map(_SAYS_SOMETHING, cells)):
                return False
            rows = range(len(cells))
        rows = [row for row in rows if is_blank(cells[row])]
    return bool(rows)


def longest_sure(model: str, max_tokens: int) -> int:
    """Bytes up to which a request surely fits into the model's window, the answer included."""
    facts = facts_of(model)
    if facts is None:
        return 1 << 62
    return max(0, min(facts.context * LIKELY_CHARS_PER_TOKEN, (facts.context - max_tokens) * CHARS_PER_TOKEN))
