"""A secret that a server repeats, blotted out: whole or cut short, plain, escaped, or in base64. Pure.

Every step is linear in the text: a server that repeats the beginning of a key must not cost us an afternoon.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from functools import lru_cache

SHOWN = 12
"""So many characters of a secret in a row tell which one it is; what is shorter stays, as a name of its kind may."""

_MARK = "***"
_ESCAPED = re.compile(
    r"(?P<slashes>\\++)(?:u(?P<json>[0-9a-fA-F]{4}))?"
    r"|%(?P<url>[0-9a-fA-F]{2})"
    r"|&(?:#0{0,5}+(?P<decimal>\d{1,6})|#[xX]0{0,5}+(?P<hex>[0-9a-fA-F]{1,6})|(?P<name>[a-zA-Z]{2,8}));"
)
"""How JSON, a URL and HTML write a character. Backslashes before a plain one, as JSON inside of JSON has them, are left
out."""


def redacted(text: str, secret: str) -> str:
    """`text` with `***` for the secret, and for any part of it that is long enough to tell it, in whatever
    spelling. Before any parsing: what is blotted out here can come up neither in a decoded string nor in an
    excerpt."""
    if not secret:
        return text
    length, pieces = _pieces_of(secret)
    spans = sorted([*_found(text, None, length, pieces), *_found(*_decoded(text), length, pieces)])
    parts, end = [], 0
    for start, stop in spans:
        if start >= end:
            parts += [text[end:start], _MARK]
        end = max(end, stop)
    return "".join((*parts, text[end:]))


def redacted_bytes(data: bytes, secret: str) -> bytes:
    """The same for an answer, which is nearly always free of it. A secret that is shorter than what tells one is
    left: it may well be a part of any word."""
    if len(secret) < SHOWN:
        return data
    text = data.decode("utf-8", "surrogateescape")
    found = redacted(text, secret)
    return data if found == text else found.encode("utf-8", "surrogateescape")


def redacted_pieces(pieces: Iterator[bytes], secret: str) -> Iterator[bytes]:
    """The same for lines that come in pieces, gigabytes of them: where the secret begins as it is, or in base64, the
    line is looked at as a whole."""
    beginnings = _beginnings(secret) if len(secret) >= SHOWN else ()
    held = b""
    for piece in pieces:
        held += piece
        if any(beginning in held for beginning in beginnings):
            ready = held.rfind(b"\n") + 1
            yield redacted_bytes(held[:ready], secret)
        else:
            ready = max(len(held) - SHOWN, 0)
            yield held[:ready]  # nothing, too: who reads it sees that time goes by
        held = held[ready:]
    if held:
        yield redacted_bytes(held, secret) if any(b in held for b in beginnings) else held


@lru_cache(maxsize=4)
def _beginnings(secret: str) -> tuple[bytes, ...]:
    return tuple(text[:SHOWN].encode("utf-8", "replace") for text in _spellings(secret) if text)


@lru_cache(maxsize=4)
def _pieces_of(secret: str) -> tuple[int, frozenset[str]]:
    """Every part of the secret's spellings that is as long as it has to be to tell it, and that length."""
    length = min(SHOWN, len(secret))
    spellings = [text for text in _spellings(secret) if len(text) >= length]
    return length, frozenset(
        text[i : i + length] for text in spellings for i in range(len(text) - length + 1)
    )


def _spellings(secret: str) -> Iterator[str]:
    """The secret, and what stands for it in base64, at whichever of the three places of a group it begins."""
    yield secret
    data = secret.encode("utf-8", "surrogateescape")
    for before in range(3):
        # What shares a group with its neighbours depends on them.
        whole = base64.b64encode(b"\0" * before + data)[(0, 2, 3)[before] :]
        sure = whole.rstrip(b"=").decode()
        sure = sure[: len(sure) - (1 if (before + len(data)) % 3 else 0)]
        yield sure
        if "+" in sure or "/" in sure:
            yield sure.translate(str.maketrans("+/", "-_"))


def _found(
    text: str, places: list[int] | None, length: int, pieces: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Where `text` has one of the pieces. `places` says where its characters stand in the text that is shown."""
    for i in range(len(text) - length + 1):
        if text[i : i + length] in pieces:
            yield (i, i + length) if places is None else (places[i], places[i + length])


def _decoded(text: str) -> tuple[str, list[int]]:
    """The text without escapes; and where each of its characters begins, and the last one ends."""
    characters: list[str] = []
    places: list[int] = []
    end = 0
    for found in _ESCAPED.finditer(text):
        characters += text[end : found.start()]
        places += range(end, found.start())
        if (char := _character(found)) is not None:
            characters += char
            places += [found.start()] * len(char)
        end = found.end()
    characters += text[end:]
    places += range(end, len(text) + 1)
    return "".join(characters), places


def _character(found: re.Match[str]) -> str | None:
    number = found["json"] or found["url"] or found["hex"]
    if number or found["decimal"]:
        code = int(number, 16) if number else int(found["decimal"])
        return chr(code) if code < 0x110000 else None
    return html.unescape(found[0]) if found["name"] else None
