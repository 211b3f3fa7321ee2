"""Tools by name, and that each call has its result in the turn behind it (api-facts §3.2a)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from batchrun.simulator.checks_messages import ParamFault

_TOOL_NAME = "^[a-zA-Z0-9_-]{1,128}$"
_CALL_ID = "^[a-zA-Z0-9_-]+$"


def check_tool_names(params: Mapping[str, Any]) -> None:
    """Raises ParamFault."""
    names = []
    for position, tool in enumerate(params.get("tools") or ()):
        name = tool.get("name")
        if name is not None and not _matches(_TOOL_NAME, name):
            raise ParamFault(f"tools.{position}.custom.name: String should match pattern '{_TOOL_NAME}'")
        if name is not None:
            names.append(name)
        schema = tool.get("input_schema")
        if isinstance(schema, dict) and schema.get("type", "object") != "object":
            raise ParamFault(f"tools.{position}.custom.input_schema.type: Input should be 'object'")
    if len(set(names)) < len(names):
        raise ParamFault("tools: Tool names must be unique.")


def check_stops(params: Mapping[str, Any]) -> None:
    for text in params.get("stop_sequences") or ():
        if not text or text.isspace():
            raise ParamFault("stop_sequences: each stop sequence must contain non-whitespace")


def check_tool_turns(params: Mapping[str, Any]) -> None:
    """Raises ParamFault. Turns of one role that follow each other are one."""
    numbered = list(enumerate(params["messages"]))
    waiting: list[str] = []
    asked_in = 0
    for role, turns in groupby(numbered, key=lambda pair: pair[1]["role"]):
        group = list(turns)
        first = group[0][0]
        blocks = [
            block for _, turn in group if isinstance(turn["content"], list) for block in turn["content"]
        ]
        results = [_id(block, "tool_use_id", first) for block in blocks if block["type"] == "tool_result"]
        if unexpected := [id for id in results if id not in waiting]:
            raise ParamFault(
                f"messages.{first}: unexpected `tool_use_id` found in `tool_result` blocks:"
                f" {', '.join(unexpected)}. Each `tool_result` block must have a corresponding `tool_use` block"
                " in the previous message."
            )
        _refuse_open([id for id in waiting if id not in results], asked_in)
        asked_in = first
        waiting = []
        if role == "assistant":
            waiting = [_id(block, "id", first) for block in blocks if block["type"] == "tool_use"]
    _refuse_open(waiting, asked_in)


def _refuse_open(ids: list[str], position: int) -> None:
    if ids:
        raise ParamFault(
            f"messages.{position}: `tool_use` ids were found without `tool_result` blocks immediately after:"
            f" {', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next"
            " message."
        )


def _id(block: Mapping[str, Any], name: str, position: int) -> str:
    id = block.get(name)
    if not isinstance(id, str):
        raise ParamFault(f"messages.{position}.{block['type']}.{name}: Field required")
    if not _matches(_CALL_ID, id):
        raise ParamFault(
            f"messages.{position}.{block['type']}.{name}: String should match pattern '{_CALL_ID}'"
        )
    return id


def _matches(pattern: str, text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(pattern.strip("^$"), text) is not None
