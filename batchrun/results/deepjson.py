"""JSON that is nested deeper than a parser takes: cut to a depth that it takes, and no answer is lost for it."""

from __future__ import annotations

import re

DEPTH = 250
"""Levels that are kept. orjson reads 1,024 and writes 254; what stands deeper is no answer but an accident."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def shallow(line: bytes) -> bytes:
    """`line` with `null` for every list and object that stands deeper than DEPTH.

    Linear in the line, and without recursion. What is cut away is not looked at; what is kept is for a parser
    to judge, and a line that ends within a cut part stays unfinished.
    """
    kept: list[bytes] = []
    depth = start = 0
    for token in _TOKEN.finditer(line):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == DEPTH + 1:
                    kept += line[start : token.start()], b"null"
            case b"]" | b"}":
                depth -= 1
                if depth == DEPTH:
                    start = token.end()
    return b"".join(kept) + (line[start:] if depth <= DEPTH else b"")
