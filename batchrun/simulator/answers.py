"""What the simulated model says: the same to the same request, whoever asks and whenever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.model import Json
from batchrun.simulator import ids
from batchrun.simulator.catalog import Model
from batchrun.simulator.checks_messages import ParamFault
from batchrun.simulator.usage import PromptCache, output_tokens
from batchrun.simulator.values import Choices, fitting

ECHO = 400  # characters of the user's text that come back
_WORDS = 60
_THOUGHT = "The user wants an answer to this. I will keep it short."


@dataclass(slots=True)
class Said:
    """One reply in the making."""

    content: list[dict[str, Json]]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    thinking_tokens: int = 0
    tokens: int = 0


def message(
    params: Mapping[str, Any],
    model: Model,
    cache: PromptCache,
    *,
    message_id: str,
    text: str | None = None,
    stop_reason: str | None = None,
) -> dict[str, Json]:
    """The Message for a request that passed its checks. `text` and `stop_reason` come from a scenario.

    Raises ParamFault for a JSON Schema that nothing fits.
    """
    said = _said(params, model, text)
    if stop_reason is not None:
        said.stop_reason = stop_reason
        if stop_reason == "refusal" and text is None:
            said.content, said.tokens = [], 1
    usage = cache.usage(params, model)
    usage["output_tokens"] = max(1, said.tokens)
    if said.thinking_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": said.thinking_tokens}
    usage["service_tier"] = "batch"
    if params.get("inference_geo"):
        usage["inference_geo"] = params["inference_geo"]
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model.id,
        "content": list(said.content),
        "stop_reason": said.stop_reason,
        "stop_sequence": said.stop_sequence,
        "stop_details": _REFUSAL if said.stop_reason == "refusal" else None,
        "usage": usage,
    }


_REFUSAL: dict[str, Json] = {"type": "refusal", "category": None, "explanation": None}


def message_id(batch_id: str, custom_id: str) -> str:
    return ids.from_number("msg", int.from_bytes(_hash(f"{batch_id} {custom_id}".encode())))


def last_user_text(params: Mapping[str, Any]) -> str:
    """What the echo answers: the text of the last turn that is the user's."""
    for turn in reversed(params["messages"]):
        if turn["role"] == "user":
            return _text_of(turn["content"])
    return ""


def _said(params: Mapping[str, Any], model: Model, text: str | None) -> Said:
    asked = last_user_text(params)[: 2 * ECHO]
    if text is None and (tool := _forced_tool(params)):
        return _tool_use(tool, params, model, asked)
    if text is None:
        text = _structured(params, asked) or asked[:ECHO] or "I have nothing to say to that."
    return _spoken(text, params, model)


def _spoken(text: str, params: Mapping[str, Any], model: Model) -> Said:
    """`text` as the model would come to say it: thinking before it, cut at stop sequences and max_tokens."""
    said = Said([])
    left = params["max_tokens"]
    thinking = params.get("thinking") or {}
    if thinking.get("type") in ("adaptive", "enabled"):
        said.thinking_tokens = min(left, output_tokens(_THOUGHT, model))
        shown = "" if thinking.get("display") == "omitted" else _THOUGHT
        said.content.append({"type": "thinking", "thinking": shown, "signature": "c2ltdWxhdGVk"})
        left -= said.thinking_tokens
    ends = [
        (at, stop) for stop in params.get("stop_sequences") or () if stop and (at := text.find(stop)) >= 0
    ]
    if ends:
        at, said.stop_sequence = min(ends)
        text, said.stop_reason = text[:at], "stop_sequence"
    if output_tokens(text, model) > left:
        text = text.encode()[: int(left / model.tokens_per_byte)].decode(errors="ignore")
        said.stop_reason, said.stop_sequence = "max_tokens", None
    if text:
        said.content.append({"type": "text", "text": text})
    said.tokens = min(params["max_tokens"], said.thinking_tokens + output_tokens(text, model))
    return said


def _structured(params: Mapping[str, Any], asked: str) -> str | None:
    form = (params.get("output_config") or {}).get("format")
    if not form:
        return None
    value = _value(form["schema"], params, asked, "output_config.format.schema")
    return jsonbytes.dumps(value).decode()


def _value(schema: Any, params: Mapping[str, Any], asked: str, where: str) -> Json:
    try:
        return fitting(schema, _choices(params), asked.split()[:_WORDS])
    except ValueError as error:
        raise ParamFault(f"{where}: {error}") from None


def _forced_tool(params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The tool that tool_choice leaves no way around."""
    choice = params.get("tool_choice") or {}
    tools: list[dict[str, Any]] = params.get("tools") or []
    if choice.get("type") == "tool":
        return next(tool for tool in tools if tool.get("name") == choice["name"])
    if choice.get("type") == "any":
        return tools[_choices(params).below(len(tools))]
    return None


def _tool_use(tool: Mapping[str, Any], params: Mapping[str, Any], model: Model, asked: str) -> Said:
    schema = tool.get("input_schema") or {"type": "object"}
    value = _value(schema, params, asked, f"tools.{tool.get('name')}.input_schema")
    number = int.from_bytes(_hash(jsonbytes.dumps(params, option=orjson.OPT_SORT_KEYS)))
    block: dict[str, Json] = {
        "type": "tool_use",
        "id": ids.from_number("toolu", number),
        "name": tool.get("name") or tool.get("type"),
        "input": value,
    }
    tokens = min(params["max_tokens"], output_tokens(jsonbytes.dumps(value).decode(), model) + 20)
    return Said([block], "tool_use", tokens=tokens)


def _choices(params: Mapping[str, Any]) -> Choices:
    return Choices(int.from_bytes(_hash(jsonbytes.dumps(params, option=orjson.OPT_SORT_KEYS))[:8]))


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _text_of(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for block in content:
        if block["type"] == "text":
            texts.append(block["text"])
        elif block["type"] == "tool_result" and block.get("content"):
            texts.append(_text_of(block["content"]))
    return "\n".join(texts)
