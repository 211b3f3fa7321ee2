"""Result lines of the API → `Result`, and what they add up to (batches-api §2.8, §2.9)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeAlias

import orjson

from batchrun.model import Json, RequestError, Result, ResultType, Usage
from batchrun.results.deepjson import shallow

_TYPES = {kind.value: kind for kind in ResultType}


def parse(line: bytes) -> Result:
    """One result line, without its LF. Raises ValueError, naming what is wrong but not the data."""
    return result_of(loads(line))


def result_of(value: Json) -> Result:
    """The same from the JSON of the line. A message is mended where what is counted or looked up is no word."""
    if not isinstance(value, dict):
        raise ValueError("the line is not an object")
    custom_id, result = value.get("custom_id"), value.get("result")
    if not isinstance(custom_id, str) or not custom_id:
        raise ValueError("custom_id is not a string")
    if not isinstance(result, dict):
        raise ValueError("result is not an object")
    word = result.get("type")
    kind = _TYPES.get(word) if isinstance(word, str) else None
    if kind is None:
        raise ValueError(
            f"unknown result type {word[:40]!r}" if isinstance(word, str) else "result type is not a string"
        )
    if kind is ResultType.SUCCEEDED:
        message = result.get("message")
        if not isinstance(message, dict):
            raise ValueError("a succeeded result has no message")
        for name in _WORDS:
            if not isinstance(message.get(name), _WORD):
                message[name] = None
        return Result(custom_id, kind, message)
    if kind is ResultType.ERRORED:
        return Result(custom_id, kind, error=_error(result.get("error")))
    return Result(custom_id, kind)


_WORDS, _WORD = ("stop_reason", "model"), (str, NoneType)
"""Of a message: words, or else nothing. They are counted and looked up."""


def loads(line: bytes) -> Any:
    """The JSON of a line that was paid for: what no parser takes gives way. Raises ValueError.

    A model can be cut off inside a surrogate pair, and the halves become U+FFFD. It can nest the arguments of a
    tool call without end, and what is too deep becomes null.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        cut = shallow(line)
        if cut == line and b"\\ud" not in line.lower():
            raise ValueError(f"not JSON: {error}") from None
    try:
        text = json.dumps(json.loads(cut), ensure_ascii=False)
        return orjson.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def _error(envelope: Json) -> RequestError:
    """The inner error of an envelope, or a flat error (batches-api §2.8). A failed request is never worth
    losing a whole shard: whatever else stands there is kept as text."""
    if not isinstance(envelope, dict):
        return RequestError("unknown_error", _text(envelope))
    inner = envelope.get("error")
    error = inner if isinstance(inner, dict) else envelope
    word, message, request_id = error.get("type"), error.get("message"), envelope.get("request_id")
    return RequestError(
        word if isinstance(word, str) and word not in ("", "error") else "unknown_error",
        message if isinstance(message, str) else _text(error),
        request_id if isinstance(request_id, str) else None,
    )


def _text(value: Json) -> str:
    try:
        return "" if value is None else orjson.dumps(value).decode()[:2000]
    except orjson.JSONEncodeError:  # deeper than it writes, not deeper than it reads
        return "(too deep to be shown)"


# ---- what a message used -----------------------------------------------------------------------


Tokens: TypeAlias = tuple[int, int, int, int, int]
"""What a `Usage` is made of, in its order."""


def usage_of(message: Mapping[str, Json]) -> Usage:
    """The tokens of a Message object; every part of it may be absent or null (batches-api §2.9)."""
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
    if split != _NOTHING_WRITTEN and isinstance(split, dict):
        short = _count(split.get("ephemeral_5m_input_tokens"))
        hour = _count(split.get("ephemeral_1h_input_tokens"))
    return (
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
        max(short, written - hour) if written or short else 0,
        hour,
        _count(usage.get("cache_read_input_tokens")),
    )


_NOTHING_WRITTEN = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}

_MOST = 1 << 40
"""Tokens of a message. Past it is a mistake, and the sum of several would not fit in 64 bits."""


def searches_of(message: Mapping[str, Json]) -> int:
    """Web searches the server ran for this message; each has a fee of its own (batches-api §4)."""
    usage = message.get("usage")
    tools = usage.get("server_tool_use") if isinstance(usage, dict) else None
    return _count(tools.get("web_search_requests")) if isinstance(tools, dict) else 0


def _count(value: Json) -> int:
    return value if type(value) is int and 0 < value < _MOST else 0


# ---- the usual result --------------------------------------------------------------------------


Usual: TypeAlias = tuple[str, Mapping[str, Json], str, str, int, int, int]
"""custom_id, message, model, stop_reason; tokens of input, of output, and read from the cache."""


def usual(value: Any) -> Usual | None:
    """The parts of a result as nearly all of them are, None for any other: it succeeded, wrote nothing to the
    cache, and cost what its tokens cost at the usual rates.

    `value` is the JSON of a result line. One look at a result instead of the five that the general way takes
    (`result_of`, `tokens_of`, `cost.prices.only_tokens_cost` and others, whose every rule it keeps): proof and
    collection spent half of their time on those.
    """
    try:
        custom_id, result = value["custom_id"], value["result"]
        if result["type"] != "succeeded":
            return None
        message = result["message"]
        usage, model, stop = message["usage"], message["model"], message["stop_reason"]
        fresh, out = usage["input_tokens"], usage["output_tokens"]
        more = usage.get
        cached, split = more("cache_read_input_tokens") or 0, more("cache_creation")
    except (LookupError, TypeError, AttributeError):
        return None
    if (
        type(custom_id) is type(model) is type(stop) is str
        and custom_id
        and stop != "refusal"
        and type(fresh) is type(out) is type(cached) is int
        and 0 <= fresh < _MOST
        and 0 <= out < _MOST
        and 0 <= cached < _MOST
        and not more("cache_creation_input_tokens")
        and (split is None or split == _NOTHING_WRITTEN)
        and not more("server_tool_use")
        and more("inference_geo") != "us"
    ):
        return custom_id, message, model, stop, fresh, out, cached
    return None


# ---- what a shard's results add up to ----------------------------------------------------------
