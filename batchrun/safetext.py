"""Text that others wrote, made fit for a terminal, a log or a mail: one line, no escapes, not too long."""

from __future__ import annotations

import unicodedata

# Cc and Cf: terminal escapes, bidi overrides, zero-width marks. Cs cannot be encoded. Zl and Zp break lines.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SPACES = "\t\n\r\x0b\x0c\x85\u2028\u2029"


def plain(text: str, limit: int = 300) -> str:
    """`text` on one line of at most `limit` characters; what a terminal might act on becomes U+FFFD."""
    # Twice the limit leaves room for runs of spaces; reading on would only cost time.
    head = text[: 2 * limit]
    safe = head if head.isprintable() else "".join(_one(char) for char in head)
    line = " ".join(safe.split())
    return line if len(line) <= limit and len(head) == len(text) else line[: limit - 1] + "…"


def _one(char: str) -> str:
    if char in _SPACES:
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNSAFE else char


def escaped(line: bytes) -> bytes:
    """JSON in which everything a terminal might act on is written as `\\uXXXX`: the same JSON. Line feeds stay:
    raw ones stand between values only."""
    text = line.decode("utf-8", "replace")
    return line if text.isprintable() else "".join(_escape(c) for c in text).encode()


def _escape(char: str) -> str:
    # Unpaired surrogates cannot arise from decoding; beyond U+FFFF JSON wants the UTF-16 pair.
    if char == "\n" or unicodedata.category(char) not in _UNSAFE:
        return char
    pair = char.encode("utf-16-be").hex()
    return "".join(f"\\u{pair[i : i + 4]}" for i in range(0, len(pair), 4))
