"""Result lines as the API writes them (api-facts §2.8), for tests of everything that reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson

NONCE = "0123456789abcdef"
MODEL = "claude-haiku-4-5-20251001"


def key(name: str) -> str:
    """A request's key: some 128-bit hash."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def custom_id(name: str, nonce: str = NONCE) -> str:
    return f"{key(name)}-{nonce}"


def message(text: str = "Blue.", **changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_01EXAMPLE",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage(),
        **changes,
    }


def usage(**changes: Any) -> dict[str, Any]:
    return {
        "input_tokens": 1000,
        "output_tokens": 200,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "batch",
        **changes,
    }


def succeeded(name: str, text: str = "Blue.", nonce: str = NONCE, **changes: Any) -> bytes:
    return line(name, {"type": "succeeded", "message": message(text, **changes)}, nonce)


def errored(name: str, kind: str, text: str = "no", nonce: str = NONCE) -> bytes:
    inner = {"type": kind, "message": text, "details": None}
    return line(
        name, {"type": "errored", "error": {"type": "error", "error": inner, "request_id": None}}, nonce
    )


def ended(name: str, kind: str, nonce: str = NONCE) -> bytes:
    """A `canceled` or `expired` result."""
    return line(name, {"type": kind}, nonce)


def line(name: str, result: dict[str, Any], nonce: str = NONCE) -> bytes:
    return orjson.dumps({"custom_id": custom_id(name, nonce), "result": result})


def write(path: Path, *lines: bytes) -> Path:
    """As the service sends it: no LF after the last line."""
    path.write_bytes(b"\n".join(lines))
    return path
