"""Result lines of the API → `Result`, and what they add up to (api-facts §2.8, §2.9)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeAlias

import orjson

from batchrun import jsonbytes
from batchrun.cost.usage import MOST_TOKENS, NOTHING_WRITTEN
from batchrun.model import Json, RequestError, Result, ResultType
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
    """The inner error of an envelope, or a flat error (api-facts §2.8). A failed request is never worth
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
        return "" if value is None else jsonbytes.dumps(value).decode()[:2000]
    except orjson.JSONEncodeError:  # deeper than it writes, not deeper than it reads
        return "(too deep to be shown)"


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
        and 0 <= fresh < MOST_TOKENS
        and 0 <= out < MOST_TOKENS
        and 0 <= cached < MOST_TOKENS
        and not more("cache_creation_input_tokens")
        and (split is None or split == NOTHING_WRITTEN)
        and not more("server_tool_use")
        and more("inference_geo") != "us"
    ):
        return custom_id, message, model, stop, fresh, out, cached
    return None


# ---- what a shard's results add up to ----------------------------------------------------------
