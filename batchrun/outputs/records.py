"""One output record: a row joined with its answer (design §5), as `schemas/result.schema.json` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from batchrun.cost.prices import TICKS, PriceLookup, cost_ticks, message_ticks
from batchrun.cost.usage import tokens_of
from batchrun.model import Json, Result
from batchrun.outputs.structured import Check, read, too_deep
from batchrun.results.lines import Usual

Record: TypeAlias = dict[str, Any]

FIELDS = (
    "id",
    "row",
    "sample",
    "status",
    "text",
    "json",
    "stop_reason",
    "usage",
    "cost_usd",
    "error",
    "problem",
    "model",
    "batch_id",
    "custom_id",
    "tool_calls",
    "input",
)
"""Every field a record may have, in order. `sample`, `tool_calls` and `input` only stand where they apply."""

_UNANSWERED: Record = {
    "status": "canceled",
    **dict.fromkeys(("text", "json", "stop_reason", "usage")),
    "cost_usd": 0.0,
    **dict.fromkeys(("error", "problem", "model", "batch_id", "custom_id")),
}

_OURS = ("text", "tool_use")

_STOPPED_SHORT = {
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "pause_turn": "paused",
}


def record_of(
    row: Mapping[str, Any],
    sample: int | None,
    result: Result | None,
    batch_id: str | None,
    check: Check | None,
    price_of: PriceLookup,
    *,
    repeated: bool = False,
) -> Record:
    """The record of a row, or of one `sample` of it.

    `row` is a line of the rows file, `batch_id` the batch that `result` came from. No result at all means that the
    user cancelled before it was asked.
    `repeated`: an earlier record has this very answer; it was paid for once, so the cost here is 0, and the
    costs of all records add up to what was billed. `cost_usd` is None when the price is not known.
    """
    record: Record = {"id": row["id"], "row": row["row"]}
    if sample is not None:
        record["sample"] = sample
    record |= _UNANSWERED
    if result is not None:
        record["status"] = str(result.type)
        record["batch_id"], record["custom_id"] = batch_id, result.custom_id
        if result.error is not None:
            record["error"] = {"type": result.error.type, "message": result.error.message}
        if result.message is not None:
            _answered(record, result.message, check, price_of, repeated=repeated)
    if "input" in row:
        record["input"] = row["input"]
    return record


def usual_record(
    row: Mapping[str, Any],
    sample: int | None,
    parts: Usual,
    batch_id: str,
    check: Check | None,
    price_of: PriceLookup,
    *,
    repeated: bool,
) -> Record | None:
    """What `record_of` makes of an answer that is as nearly all are, in one go, which takes a third of the time.
    None where it is more, or less, than one block of text."""
    custom_id, message, model, stop, fresh, out, cached = parts
    content = message.get("content")
    block = content[0] if isinstance(content, list) and len(content) == 1 else None
    if not isinstance(block, dict) or block.get("type") != "text":
        return None
    text, value, problem = block.get("text"), None, _STOPPED_SHORT.get(stop)
    if not isinstance(text, str) or not text:
        return None
    if check is not None:
        value, wrong = read(text, check)
        problem = problem or wrong
    price = None if repeated else price_of(model)
    ticks = 0 if repeated else None
    if price is not None:
        ticks = cost_ticks(price, (fresh, out, 0, 0, cached))
    record = {
        "id": row["id"],
        "row": row["row"],
        **({} if sample is None else {"sample": sample}),
        "status": "succeeded",
        "text": text,
        "json": value,
        "stop_reason": stop,
        "usage": {
            "input_tokens": fresh,
            "output_tokens": out,
            "cache_write_5m": 0,
            "cache_write_1h": 0,
            "cache_read": cached,
        },
        "cost_usd": None if ticks is None else ticks / TICKS,
        "error": None,
        "problem": problem,
        "model": model,
        "batch_id": batch_id,
        "custom_id": custom_id,
    }
    if "input" in row:
        record["input"] = row["input"]
    return record


def _answered(
    record: Record, message: Mapping[str, Any], check: Check | None, price_of: PriceLookup, *, repeated: bool
) -> None:
    """Fill in what a succeeded result says."""
    text, calls, unreadable = _contents(message)
    stop, tokens, model = message.get("stop_reason"), tokens_of(message), message.get("model")
    record["text"], record["stop_reason"], record["model"] = text, stop, model
    problem = _STOPPED_SHORT.get(stop) if isinstance(stop, str) else None
    if stop == "refusal":
        problem = _refusal(message)
    if check is not None and not (calls and not text):
        record["json"], wrong = read(text, check)
        problem = problem or wrong
    if unreadable:
        problem = problem or "unparsable"
    if not text and not calls:
        problem = problem or "empty"
    record["problem"] = problem
    fresh, out, written_5m, written_1h, cached = tokens
    record["usage"] = {
        "input_tokens": fresh,
        "output_tokens": out,
        "cache_write_5m": written_5m,
        "cache_write_1h": written_1h,
        "cache_read": cached,
    }
    if not repeated:
        price = price_of(model) if isinstance(model, str) else None
        record["cost_usd"] = None if price is None else message_ticks(price, message, tokens) / TICKS
    if calls:
        record["tool_calls"] = calls


def _contents(message: Mapping[str, Any]) -> tuple[str, list[Record], bool]:
    """The text blocks in one string, without thinking; the calls of the user's own tools; and whether any
    of it is not as the API writes it (api-facts §2.9)."""
    texts: list[str] = []
    calls: list[Record] = []
    content = message.get("content")
    unreadable = not isinstance(content, list | None)
    # By hand: `match` takes as long for a block as parsing its line does.
    for block in content if isinstance(content, list) else ():
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and isinstance(text := block.get("text"), str):
            texts.append(text)
        elif (
            kind == "tool_use"
            and isinstance(name := block.get("name"), str)
            and not too_deep(block.get("input"))
        ):
            calls.append({"name": name, "input": block.get("input")})
        elif kind in _OURS:
            unreadable = True
    return "".join(texts), calls, unreadable


def _refusal(message: Mapping[str, Json]) -> str:
    """`refusal`, with the category where the API names one (api-facts §2.9)."""
    details = message.get("stop_details")
    category = details.get("category") if isinstance(details, dict) else None
    return f"refusal: {category}" if isinstance(category, str) else "refusal"
