"""Ways through a request that several rules take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, Dynamic, Steps


def nested(block: Mapping[str, object]) -> Iterator[tuple[Steps, list[object] | str]]:
    """What a block holds itself: the content of a tool's result, of a search result, of a document in blocks."""
    content = block.get("content")
    if isinstance(content, list | str):
        yield ("content",), content
    source = block.get("source")
    if block.get("type") == "document" and isinstance(source, Mapping) and source.get("type") == "content":
        inner = source.get("content")
        if isinstance(inner, list | str):
            yield ("source", "content"), inner


def blocks_of(call: Call) -> Iterator[tuple[Steps, Mapping[str, object]]]:
    """Every block in the order the model sees them: system, then messages; those inside others follow them."""
    system = call.params.get("system")
    if isinstance(system, list):
        yield from _within(system, ("system",))
    turns = call.params.get("messages")
    for index, turn in enumerate(turns if isinstance(turns, list) else ()):
        content = turn.get("content") if isinstance(turn, Mapping) else None
        if isinstance(content, list):
            yield from _within(content, ("messages", index, "content"))


def _within(blocks: list[object], path: Steps) -> Iterator[tuple[Steps, Mapping[str, object]]]:
    for index, block in enumerate(blocks):
        if isinstance(block, Mapping):
            here = (*path, index)
            yield here, block
            for name, inner in nested(block):
                if isinstance(inner, list):
                    yield from _within(inner, (*here, *name))


def tools_of(call: Call) -> Iterator[tuple[Steps, Mapping[str, object]]]:
    tools = call.params.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, Mapping):
            yield ("tools", index), tool


def begun_answer(call: Call) -> tuple[Steps, str | Dynamic] | None:
    """The text that the model is to carry on with, and where it stands: the last turn, where that is the
    assistant's and ends in text. One that ends in a tool call is a paused turn sent back."""
    turns = call.params.get("messages")
    if not isinstance(turns, list) or not turns:
        return None
    last = turns[-1]
    if not isinstance(last, Mapping) or last.get("role") != "assistant":
        return None
    content, path = last.get("content"), ("messages", len(turns) - 1, "content")
    if isinstance(content, str | Dynamic):
        return path, content
    end = content[-1] if isinstance(content, list) and content else None
    if isinstance(end, Mapping) and end.get("type") == "text" and isinstance(content, list):
        text = end.get("text")
        if isinstance(text, str | Dynamic):
            return (*path, len(content) - 1, "text"), text
    return None


def thinks(call: Call) -> bool:
    """Whether the request asks for thinking."""
    thinking = call.params.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    return kind in ("enabled", "adaptive", "between_tools")


def is_structured(call: Call) -> bool:
    """Whether the request asks for an answer that fits a schema."""
    config = call.params.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    return isinstance(form, Mapping)
