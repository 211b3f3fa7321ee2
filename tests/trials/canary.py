"""A key that is nobody's, and every way in which it could lie in a file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, quote_plus

CANARY = "sk-ant-api03-Canary+7/x=Zq~Wm&Tide"
"""Has what every encoding would change."""


@lru_cache
def disguises(secret: str) -> tuple[bytes, ...]:
    """The secret as it is, URL-encoded, in hex, and as it shows in the base64 of any text that holds it."""
    plain = secret.encode()
    urls = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    urls |= {url.lower() for url in urls}
    found = {plain, plain.hex().encode(), *(url.encode() for url in urls)}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Six bits a character: those that also hold bits of a neighbour are left out.
            code = encode(b"\0" * shift + plain).rstrip(b"=")
            start, end = -(-shift * 8 // 6), (shift + len(plain)) * 8 // 6
            found.add(code[start:end])
    return tuple(sorted(found))


def betrayed(data: bytes, secret: str) -> bool:
    return any(disguise in data for disguise in disguises(secret))


def files_with(secret: str, *folders: Path) -> Iterator[Path]:
    """The files below `watch.survey` that hold the secret, or are named after it."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            told = betrayed(bytes(path.relative_to(folder)), secret)
            if told or (path.is_file() and betrayed(path.read_bytes(), secret)):
                yield path
