"""What a request may not hold together, and how many breakpoints it may have (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from batchrun.simulator.checks_messages import ParamFault

_BREAKPOINTS = 4


def check_together(params: Mapping[str, Any]) -> None:
    """Raises ParamFault. Each of the parameters is right by itself."""
    if params.get("temperature") is not None and params.get("top_p") is not None:
        raise ParamFault(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    if (params.get("thinking") or {}).get("type") in ("enabled", "adaptive", "between_tools"):
        _check_beside_thinking(params)
    if (params.get("output_config") or {}).get("format") and any(map(_cites, _all_blocks(params))):
        raise ParamFault("citations are not supported together with output_config.format")
    _check_breakpoints(params)


def _check_beside_thinking(params: Mapping[str, Any]) -> None:
    if (params.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise ParamFault("Thinking may not be enabled when tool_choice forces tool use.")
    if params.get("temperature") not in (None, 1):
        raise ParamFault("`temperature` may only be set to 1 when thinking is enabled.")
    if params.get("top_k") is not None:
        raise ParamFault("`top_k` must be unset when thinking is enabled.")
    last = params["messages"][-1]
    content = last["content"]
    begun = isinstance(content, str) or (content and content[-1]["type"] == "text")
    if last["role"] == "assistant" and begun:
        raise ParamFault("An assistant message cannot be prefilled when thinking is enabled.")


def _cites(block: Mapping[str, Any]) -> bool:
    citations = block.get("citations")
    return isinstance(citations, dict) and citations.get("enabled") is True


def _check_breakpoints(params: Mapping[str, Any]) -> None:
    holders = [
        *((f"tools.{n}", tool) for n, tool in enumerate(params.get("tools") or ())),
        *(("system", block) for block in _system_blocks(params)),
        *(("messages", block) for block in _message_blocks(params)),
        ("cache_control", params),
    ]
    marks = [(at, holder["cache_control"]) for at, holder in holders if holder.get("cache_control")]
    if len(marks) > _BREAKPOINTS:
        raise ParamFault(
            f"A maximum of {_BREAKPOINTS} blocks with cache_control may be provided. Found {len(marks)}."
        )
    lifetimes = [(at, mark.get("ttl") or "5m") for at, mark in marks]
    for (_, before), (at, after) in pairwise(lifetimes):
        if (before, after) == ("5m", "1h"):
            raise ParamFault(
                f"{at}: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
                " Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )


def _all_blocks(params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from _system_blocks(params)
    yield from _message_blocks(params)


def _system_blocks(params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    system = params.get("system")
    yield from system if isinstance(system, list) else ()


def _message_blocks(params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for message in params["messages"]:
        if isinstance(message["content"], list):
            yield from _down(message["content"])


def _down(blocks: list[Any]) -> Iterator[Mapping[str, Any]]:
    for block in blocks:
        if isinstance(block, dict):
            yield block
            for holder in (block, block.get("source")):
                inner = holder.get("content") if isinstance(holder, dict) else None
                yield from _down(inner) if isinstance(inner, list) else ()
