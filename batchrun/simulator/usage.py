"""Tokens: how many a request takes in, and which of them the prompt cache holds (api-facts §2.9, §4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from batchrun import jsonbytes
from batchrun.model import Json
from batchrun.simulator.catalog import Model

IMAGE_TOKENS = 1_500
PDF_BYTES_PER_TOKEN = 50  # of base64: 2,000 tokens for a page of 100 kB
_ENVELOPE_TOKENS = 4


class PromptCache:
    """The prefixes that were written while a batch was worked off.

    Holds one digest for each distinct prefix that asked to be cached: where each request has its own, one
    a request.
    """

    def __init__(self) -> None:
        self._written: set[bytes] = set()

    def usage(self, params: Mapping[str, Any], model: Model) -> dict[str, Json]:
        """The input side of `usage`: tokens new, written to and read from the cache."""
        total = 0.0
        read = written = 0
        ttl = "5m"
        digest = blake2b(model.id.encode(), digest_size=16)
        fresh: list[bytes] = []
        for weight, content, mark in _parts(params):
            total += weight * model.tokens_per_byte
            digest.update(content)
            if mark and total >= model.smallest_cached:
                prefix = digest.digest()
                written, ttl = int(total), mark
                if prefix in self._written:
                    read = int(total)
                fresh.append(prefix)
        self._written.update(fresh)
        total_tokens = math.ceil(total) + _ENVELOPE_TOKENS
        written -= read
        return {
            "input_tokens": total_tokens - written - read,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written if ttl == "5m" else 0,
                "ephemeral_1h_input_tokens": written if ttl == "1h" else 0,
            },
        }


def input_tokens(params: Mapping[str, Any], model: Model) -> int:
    """All of a request's input, cached or not."""
    total = sum(weight * model.tokens_per_byte for weight, _, _ in _parts(params))
    return math.ceil(total) + _ENVELOPE_TOKENS


def output_tokens(text: str, model: Model) -> int:
    return math.ceil(len(text.encode()) * model.tokens_per_byte)


def _parts(params: Mapping[str, Any]) -> Iterator[tuple[float, bytes, str]]:
    """Weight in bytes of text, content, and the cache mark's ttl ("" for none), in the cache's order."""
    for tool in params.get("tools") or ():
        raw = jsonbytes.dumps(tool)
        yield len(raw), raw, _mark(tool)
    system = params.get("system")
    if system:
        yield from _blocks(system)
    messages = params["messages"]
    for place, message in enumerate(messages):
        blocks = list(_blocks(message["content"]))
        if place == len(messages) - 1 and blocks and params.get("cache_control"):
            weight, raw, _ = blocks.pop()  # the top-level mark stands for one on the last block
            blocks.append((weight, raw, _mark(params)))
        yield from blocks


def _blocks(content: str | list[dict[str, Any]]) -> Iterator[tuple[float, bytes, str]]:
    if isinstance(content, str):
        raw = content.encode()
        yield len(raw), raw, ""
        return
    for block in content:
        raw = block["text"].encode() if block["type"] == "text" else jsonbytes.dumps(block)
        yield _weight(block, raw), raw, _mark(block)


def _weight(block: Mapping[str, Any], raw: bytes) -> float:
    source = block.get("source")
    if not isinstance(source, dict) or source.get("type") == "text":
        return len(raw)
    if block["type"] == "image":
        return IMAGE_TOKENS * 4
    return len(raw) / PDF_BYTES_PER_TOKEN * 4


def _mark(block: Mapping[str, Any]) -> str:
    control = block.get("cache_control")
    return control.get("ttl") or "5m" if isinstance(control, dict) else ""
