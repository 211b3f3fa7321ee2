"""Texts that may not be empty, and begun answers that may not end in white space (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, Dynamic, ParamProblem, Steps
from batchrun.requests.params.walk import begun_answer, nested

_NO_TEXT = "give it a text, or leave it out"
_NO_TEXT_IN_ROW = "give the row a text, or take it out of the data"


def texts(call: Call) -> Iterator[ParamProblem]:
    """Wherever there is a text, it has to say something."""
    system = call.params.get("system")
    if isinstance(system, str):
        yield from _text(system, ("system",), _NO_TEXT)
    elif isinstance(system, list):
        yield from _blocks(system, ("system",))
    given = call.params.get("messages")
    turns = given if isinstance(given, list) else []
    for index, turn in enumerate(turns):
        if not isinstance(turn, Mapping):
            continue
        content, path = turn.get("content"), ("messages", index, "content")
        last_answer = index == len(turns) - 1 and turn.get("role") == "assistant"
        if isinstance(content, str) and not last_answer:  # that one is a begun answer, or none
            yield from _text(content, path, _NO_TEXT_IN_ROW)
        elif isinstance(content, list):
            if not content and not last_answer:
                yield ParamProblem(path, "holds no block; every message needs content", _NO_TEXT_IN_ROW)
            yield from _blocks(content, path, begun=last_answer)


def _blocks(blocks: list[object], path: Steps, *, begun: bool = False) -> Iterator[ParamProblem]:
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        here = (*path, index)
        text = block.get("text")
        ends_in_space = begun and index == len(blocks) - 1 and text != str(text).rstrip()  # told by itself
        if block.get("type") == "text" and isinstance(text, str) and not ends_in_space:
            yield from _text(text, (*here, "text"), _NO_TEXT_IN_ROW)
        for name, inner in nested(block):
            if isinstance(inner, str):
                if block.get("type") == "tool_result":
                    yield from _text(inner, (*here, *name), "say what came of it, or leave content out")
            else:
                yield from _blocks(inner, (*here, *name))


def _text(text: str, path: Steps, hint: str) -> Iterator[ParamProblem]:
    if not text.strip():
        what = "is only white space" if text else "is empty"
        yield ParamProblem(path, f"{what}; the API refuses a text that says nothing", hint)


def begun_answers(call: Call) -> Iterator[ParamProblem]:
    """What the model is to carry on with cannot end in white space: `|` of YAML ends a text in a line end."""
    found = begun_answer(call)
    if found is None:
        return
    path, text = found
    end = text.tail if isinstance(text, Dynamic) else text
    if end and end[-1].isspace():
        message = "an answer that is begun cannot end in white space"
        hint = "write |- instead of |" if end.endswith("\n") else "take the white space off its end"
        yield ParamProblem(path, message, hint)
