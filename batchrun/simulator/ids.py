"""Ids as the API makes them: a prefix, `01`, then 22 characters of base 58."""

from __future__ import annotations

import secrets

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS = [first + second for second in _ALPHABET for first in _ALPHABET]
_LENGTH = 22


def fresh(prefix: str) -> str:
    """A new id, such as `msgbatch_01…`."""
    return from_number(prefix, secrets.randbits(128))


def from_number(prefix: str, number: int) -> str:
    """The id that a 128-bit number stands for: the same number, the same id."""
    characters = []
    for _ in range(_LENGTH // 2):
        number, digits = divmod(number, len(_PAIRS))
        characters.append(_PAIRS[digits])
    return f"{prefix}_01{''.join(characters)}"
