"""What a message used, as numbers: tokens by kind, and searches (api-facts §2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from batchrun.model import Json, Usage

Tokens: TypeAlias = tuple[int, int, int, int, int]
"""What a `Usage` is made of, in its order."""


def usage_of(message: Mapping[str, Json]) -> Usage:
    """The tokens of a Message object; every part of it may be absent or null (api-facts §2.9)."""
    return Usage(*tokens_of(message))


def tokens_of(message: Mapping[str, Json]) -> Tokens:
    """The same as plain numbers.

    Cache writes without the breakdown by lifetime count as 5 minutes, the API's default.
    """
    usage = message.get("usage")
    if not isinstance(usage, dict):
        return 0, 0, 0, 0, 0
    written, split = _count(usage.get("cache_creation_input_tokens")), usage.get("cache_creation")
    short = hour = 0
    if split != NOTHING_WRITTEN and isinstance(split, dict):
        short = _count(split.get("ephemeral_5m_input_tokens"))
        hour = _count(split.get("ephemeral_1h_input_tokens"))
    return (
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
        max(short, written - hour) if written or short else 0,
        hour,
        _count(usage.get("cache_read_input_tokens")),
    )


NOTHING_WRITTEN = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}

MOST_TOKENS = 1 << 40
"""Tokens of a message. Past it is a mistake, and the sum of several would not fit in 64 bits."""


def searches_of(message: Mapping[str, Json]) -> int:
    """Web searches the server ran for this message; each has a fee of its own (api-facts §4)."""
    usage = message.get("usage")
    tools = usage.get("server_tool_use") if isinstance(usage, dict) else None
    return _count(tools.get("web_search_requests")) if isinstance(tools, dict) else 0


def _count(value: Json) -> int:
    return value if type(value) is int and 0 < value < MOST_TOKENS else 0
