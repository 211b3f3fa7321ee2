"""Tools: their names, the choice among them, and that each call has its result (api-facts §3.2a)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, Dynamic, ParamProblem, Steps
from batchrun.requests.params.walk import tools_of
from batchrun.safetext import plain

_NO_FORCED_TOOLS = {"fable": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def tools(call: Call) -> Iterator[ParamProblem]:
    """Each tool by itself, and no two of one name."""
    seen: set[str] = set()
    for path, tool in tools_of(call):
        name, schema = tool.get("name"), tool.get("input_schema")
        if isinstance(name, str):
            if not _NAME.fullmatch(name):
                message = (
                    f"{plain(name, 80)!r} cannot be a tool's name: letters, digits, _ and -, 128 at most"
                )
                fitting = re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:128]
                yield ParamProblem((*path, "name"), message, f"write {fitting}" if fitting else "")
            elif name in seen:
                message = f"there are two tools named {name!r}"
                yield ParamProblem((*path, "name"), message, "give each a name of its own")
            seen.add(name)
        if isinstance(schema, Mapping):
            yield from _input_schema(schema, (*path, "input_schema"))


def _input_schema(schema: Mapping[str, object], path: Steps) -> Iterator[ParamProblem]:
    kind = schema.get("type")
    if "type" not in schema:
        yield ParamProblem(
            path, "has no type; a tool's input is an object", "write type: object", warning=True
        )
    elif isinstance(kind, str | list) and kind != "object":
        message = f"a tool's input is an object, not {kind!r}"
        yield ParamProblem((*path, "type"), message, "write type: object, and what it holds below properties")


def tool_choice(call: Call) -> Iterator[ParamProblem]:
    """api-facts §4, "Forced tools"; a tool that is asked for has to be there."""
    choice, facts, given = call.params.get("tool_choice"), call.facts, call.params.get("tools")
    if not isinstance(choice, Mapping):
        return
    kind = choice.get("type")
    if kind in ("any", "tool") and facts and facts.version >= _NO_FORCED_TOOLS.get(facts.family, (99, 0)):
        message = f"{call.model} cannot be forced to use a tool"
        yield ParamProblem(
            ("tool_choice", "type"), message, "write {type: auto}, and ask for the tool in the prompt"
        )
    names = _names(given)
    asked = choice.get("name")
    if kind == "tool" and isinstance(asked, str) and names is not None and asked not in names:
        message = f"there is no tool named {asked!r}"
        yield ParamProblem(("tool_choice", "name"), message, f"tools: {', '.join(sorted(names)) or 'none'}")
    elif (given is None or given == []) and not call.params.get("mcp_servers"):
        yield ParamProblem(("tool_choice",), "there are no tools to choose from", "add tools, or take it out")


def _names(given: object) -> set[str] | None:
    """The names of the tools, None where some are only known per row."""
    if given is None:
        return set()
    if not isinstance(given, list):
        return None
    names = [tool.get("name") if isinstance(tool, Mapping) else None for tool in given]
    return {n for n in names if isinstance(n, str)} if all(isinstance(n, str) for n in names) else None


def stop_sequences(call: Call) -> Iterator[ParamProblem]:
    given = call.params.get("stop_sequences")
    for index, text in enumerate(given if isinstance(given, list) else ()):
        if isinstance(text, str) and not text.strip():
            what = "is only white space" if text else "is empty"
            hint = "a stop sequence needs a character that is seen"
            yield ParamProblem(("stop_sequences", index), f"{what}; the API refuses that", hint)
        elif not isinstance(text, str | Dynamic):
            yield ParamProblem(("stop_sequences", index), "must be a string")
    if given is not None and not isinstance(given, list | Dynamic):
        yield ParamProblem(("stop_sequences",), "must be a list of strings")


# ---- calls and results -------------------------------------------------------------------------


def tool_pairs(call: Call) -> Iterator[ParamProblem]:
    """Each `tool_use` is answered in the next turn, each `tool_result` answers one of the turn before it."""
    turns = call.params.get("messages")
    if not isinstance(turns, list) or not all(map(_is_known, turns)):
        return
    open_calls: dict[str, Steps] = {}
    for role, blocks in _joined(turns):
        answered: set[str] = set()
        for path, block in blocks:
            if block.get("type") != "tool_result":
                continue
            id = block.get("tool_use_id")
            yield from _id_problem(id, (*path, "tool_use_id"))
            if isinstance(id, Dynamic):
                return  # it may answer any of them
            if isinstance(id, str) and id not in open_calls:
                message = f"there is no tool_use {plain(id, 80)!r} in the turn before it"
                hint = "send the assistant's turn with the tool_use in front of it"
                yield ParamProblem(path, message, hint)
            answered.add(str(id))
        yield from _unanswered(open_calls, answered)
        open_calls = {}
        for path, block in blocks if role == "assistant" else ():
            if block.get("type") == "tool_use":
                id = block.get("id")
                yield from _id_problem(id, (*path, "id"))
                if isinstance(id, Dynamic):
                    return
                open_calls[str(id)] = path
    yield from _unanswered(open_calls, set())


def _unanswered(calls: Mapping[str, Steps], answered: set[str]) -> Iterator[ParamProblem]:
    for id, path in calls.items():
        if id not in answered:
            message = f"the tool_use {plain(id, 80)!r} has no tool_result in the next turn"
            hint = f"answer it: {{type: tool_result, tool_use_id: {plain(id, 80)}, content: …}}"
            yield ParamProblem(path, message, hint)


def _id_problem(id: object, path: Steps) -> Iterator[ParamProblem]:
    if id is None:
        yield ParamProblem(path, "is missing: a call and its result are matched by it")
    elif isinstance(id, str) and not _ID.fullmatch(id):
        yield ParamProblem(path, f"{plain(id, 80)!r} cannot be an id: letters, digits, _ and -")


def _is_known(turn: object) -> bool:
    """Whether a turn can be looked into: what a row puts in its place may hold any call or result."""
    if not isinstance(turn, Mapping) or isinstance(turn.get("role"), Dynamic):
        return False
    content = turn.get("content")
    return not (isinstance(content, list) and any(isinstance(block, Dynamic) for block in content))


def _joined(turns: list[object]) -> Iterator[tuple[object, list[tuple[Steps, Mapping[str, object]]]]]:
    """Roles and blocks; turns of one role behind each other are one to the API."""
    role: object = None
    blocks: list[tuple[Steps, Mapping[str, object]]] = []
    for index, turn in enumerate(turns):
        assert isinstance(turn, Mapping)
        if turn.get("role") != role and role is not None:
            yield role, blocks
            blocks = []
        role, content = turn.get("role"), turn.get("content")
        for place, block in enumerate(content if isinstance(content, list) else ()):
            if isinstance(block, Mapping):
                blocks.append((("messages", index, "content", place), block))
    if role is not None:
        yield role, blocks
