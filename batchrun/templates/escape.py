"""Text as it stands inside a JSON string, for many strings at a time."""

from __future__ import annotations

import orjson

from batchrun import jsonbytes

_ODD = bytes(byte < 32 and byte not in b"\0\t\n\r" for byte in range(256))
"""1 for the bytes that JSON writes in some way of its own."""


def json_texts(values: list[str]) -> list[bytes] | None:
    """The insides of these strings as JSON, all written at once; None when one of them cannot be.

    Inside a JSON string each quote has a backslash before it, so `","` stands between two strings only.
    """
    try:
        found = jsonbytes.dumps(values)[2:-2].split(b'","')
    except orjson.JSONEncodeError:
        return None
    return found if len(found) == len(values) else None


def json_cells(cells: bytes) -> list[bytes] | None:
    """The same for cells of UTF-8 with NUL between them, which need not become `str` for that."""
    if b"\1" in cells.translate(_ODD):
        return json_texts(cells.decode().split("\0"))
    for byte, escaped in _ESCAPED:
        cells = cells.replace(byte, escaped)
    return cells.split(b"\0")


_ESCAPED = ((b"\\", rb"\\"), (b'"', rb"\""), (b"\n", rb"\n"), (b"\r", rb"\r"), (b"\t", rb"\t"))
