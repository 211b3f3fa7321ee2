"""Texts that say nothing, and begun answers that end in a blank (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchrun.simulator.checks_messages import ParamFault


def check_texts(params: Mapping[str, Any]) -> None:
    """Raises ParamFault. The shape of system and messages has been checked."""
    system = params.get("system")
    if isinstance(system, str):
        _refuse_blank(system, "system")
    for block in system if isinstance(system, list) else ():
        _refuse_blank(block["text"], "system")
    messages = params["messages"]
    for position, message in enumerate(messages):
        final_answer = position == len(messages) - 1 and message["role"] == "assistant"
        content = message["content"]
        if not content and not final_answer:
            raise ParamFault(
                f"messages.{position}: all messages must have non-empty content except for the optional final"
                " assistant message"
            )
        if isinstance(content, str):
            if content:
                _refuse_blank(content, "messages", but_trailing=final_answer)
            continue
        for text in _texts_in(content):
            _refuse_blank(text, "messages", but_trailing=final_answer and text is content[-1].get("text"))


def check_begun_answer(params: Mapping[str, Any]) -> None:
    last = params["messages"][-1]
    content = last["content"]
    if last["role"] != "assistant" or not content:
        return
    if isinstance(content, list):
        content = content[-1]["text"] if content[-1]["type"] == "text" else ""
    if content != content.rstrip():
        raise ParamFault("messages: final assistant content cannot end with trailing whitespace")


def _refuse_blank(text: str, where: str, *, but_trailing: bool = False) -> None:
    if not text:
        raise ParamFault(f"{where}: text content blocks must be non-empty")
    if text.isspace() and not but_trailing:
        raise ParamFault(f"{where}: text content blocks must contain non-whitespace text")


def _texts_in(blocks: list[Any]) -> Iterator[str]:
    """Of text blocks, wherever they stand; a tool's result may be a text itself."""
    for block in blocks:
        inner, source = block.get("content"), block.get("source")
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] == "tool_result" and isinstance(inner, str):
            yield inner
        elif block["type"] in ("tool_result", "search_result") and isinstance(inner, list):
            yield from _texts_in(inner)
        elif isinstance(source, dict) and isinstance(source.get("content"), list):
            yield from _texts_in(source["content"])
