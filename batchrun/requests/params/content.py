"""Rules about what stands inside a request: its turns, its tools, its schemas. See `params`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import STRICT_VERSION, Call, Dynamic, ParamProblem, Steps, missing

MAX_MESSAGES = 100_000
"""In one request (batches-api §4)."""

# ---- messages ----------------------------------------------------------------------------------

ROLES = ("user", "assistant", "system")


def messages(call: Call) -> Iterator[ParamProblem]:
    turns = call.params.get("messages")
    if "messages" not in call.params:
        yield missing("messages")
    elif isinstance(turns, Dynamic):
        return
    elif not isinstance(turns, list) or not turns:
        yield ParamProblem(("messages",), "must be a list of at least one message")
    elif len(turns) > MAX_MESSAGES:
        yield ParamProblem(("messages",), f"holds {len(turns):,} messages; the most is {MAX_MESSAGES:,}")
    else:
        for index, turn in enumerate(turns):
            yield from _message(turn, ("messages", index), call)
        yield from _prefill(turns, call)


def _message(message: object, path: Steps, call: Call) -> Iterator[ParamProblem]:
    if isinstance(message, Dynamic):
        return
    if not isinstance(message, Mapping) or "role" not in message or "content" not in message:
        yield ParamProblem(path, "must be a mapping with role and content")
        return
    role, content = message["role"], message["content"]
    if not isinstance(role, Dynamic) and role not in ROLES:
        yield ParamProblem((*path, "role"), f"must be 'user', 'assistant' or 'system', not {role!r}")
    if not isinstance(content, str | list | Dynamic):
        yield ParamProblem((*path, "content"), "must be a string or a list of content blocks")
    elif isinstance(content, list) and call.api_version >= STRICT_VERSION:
        yield from _strict_blocks(content, role, (*path, "content"))


def _strict_blocks(blocks: list[object], role: object, path: Steps) -> Iterator[ParamProblem]:
    """batches-api §1.1: what 2026-10-21 refuses inside turns."""
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        here, kind = (*path, index), block.get("type")
        if role == "assistant" and kind == "document":
            message = f"a document in an assistant turn is refused by API version {STRICT_VERSION}"
            yield ParamProblem(here, message, "put it in a user turn")
        if role == "user" and kind == "text" and block.get("citations"):
            message = f"citations in a user turn are refused by API version {STRICT_VERSION}"
            yield ParamProblem((*here, "citations"), message, "take them out")
        nested = block.get("content")
        if kind == "search_result" and isinstance(nested, list):
            yield from _strict_blocks(nested, role, (*here, "content"))


def _prefill(turns: list[object], call: Call) -> Iterator[ParamProblem]:
    """batches-api §4: a last turn of the assistant's is refused from 4.6 on. One that ends in a tool call
    is no prefill but a paused turn sent back."""
    last = turns[-1]
    if call.facts is None or not call.facts.since(4, 6) or not isinstance(last, Mapping):
        return
    content = last.get("content")
    if isinstance(content, list):
        text = all(isinstance(block, Mapping) and block.get("type") == "text" for block in content)
    else:
        text = isinstance(content, str | Dynamic)
    if last.get("role") == "assistant" and text:
        message = f"{call.model} does not continue an answer that was begun (prefill)"
        yield ParamProblem(("messages", len(turns) - 1), message, "end with a user turn")


# ---- tools and structured output ---------------------------------------------------------------

_NO_FORCED_TOOLS = {"fable": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
_JSON_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


def tool_choice(call: Call) -> Iterator[ParamProblem]:
    """batches-api §4, "Forced tools"; a tool that is asked for has to be there."""
    choice, facts, tools = call.params.get("tool_choice"), call.facts, call.params.get("tools")
    if not isinstance(choice, Mapping):
        return
    kind = choice.get("type")
    if kind in ("any", "tool") and facts and facts.version >= _NO_FORCED_TOOLS.get(facts.family, (99, 0)):
        message = f"{call.model} cannot be forced to use a tool"
        yield ParamProblem(
            ("tool_choice", "type"), message, "write {type: auto}, and ask for the tool in the prompt"
        )
    names = _tool_names(tools)
    if (
        kind == "tool"
        and isinstance(choice.get("name"), str)
        and names is not None
        and choice["name"] not in names
    ):
        message = f"there is no tool named {choice['name']!r}"
        yield ParamProblem(("tool_choice", "name"), message, f"tools: {', '.join(sorted(names)) or 'none'}")


def _tool_names(tools: object) -> set[str] | None:
    """The names of the tools, None where some are only known per row."""
    if tools is None:
        return set()
    if not isinstance(tools, list):
        return None
    names = [tool.get("name") if isinstance(tool, Mapping) else None for tool in tools]
    return {n for n in names if isinstance(n, str)} if all(isinstance(n, str) for n in names) else None


def schemas(call: Call) -> Iterator[ParamProblem]:
    """A light look at the JSON Schemas of the request: the slips that people make."""
    config = call.params.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    if isinstance(form, Mapping) and form.get("type") == "json_schema" and "schema" in form:
        yield from _schema(form["schema"], ("output_config", "format", "schema"))
    tools = call.params.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, Mapping) and "input_schema" in tool:
            yield from _schema(tool["input_schema"], ("tools", index, "input_schema"))


def _schema(schema: object, path: Steps) -> Iterator[ParamProblem]:
    if isinstance(schema, Dynamic | bool) or len(path) > 64:  # deeper is not worth the recursion
        return
    if not isinstance(schema, Mapping):
        yield ParamProblem(path, "must be a JSON Schema: a mapping")
        return
    yield from _schema_type(schema.get("type", "object"), (*path, "type"))
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping | Dynamic):
        yield ParamProblem((*path, "properties"), "must be a mapping of names to schemas")
    elif isinstance(properties, Mapping):
        for name, inner in properties.items():
            yield from _schema(inner, (*path, "properties", name))
    if not isinstance(required, list | Dynamic):
        yield ParamProblem((*path, "required"), "must be a list of names")
    if "items" in schema:
        yield from _schema(schema["items"], (*path, "items"))


def _schema_type(kind: object, path: Steps) -> Iterator[ParamProblem]:
    for name in kind if isinstance(kind, list) else [kind]:
        if not isinstance(name, Dynamic) and not (isinstance(name, str) and name in _JSON_TYPES):
            yield ParamProblem(
                path, f"{name!r} is not a type of JSON Schema", f"one of {', '.join(sorted(_JSON_TYPES))}"
            )
