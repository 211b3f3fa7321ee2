from __future__ import annotations

from typing import Any

import pytest

from batchrun.requests.params import DYNAMIC
from tests.requests.params.told import USER, told, turn

LOOK = {"name": "look", "input_schema": {"type": "object"}}


@pytest.mark.parametrize("name", ["look up", "devserver.stop", "größe", "", "a" * 129, "a\n"])
def test_names_that_no_tool_can_have(name: str) -> None:
    [said] = told(tools=[{**LOOK, "name": name}])
    assert said.startswith("tools.0.name: ")
    assert "cannot be a tool's name: letters, digits, _ and -, 128 at most" in said


@pytest.mark.parametrize("name", ["look_up", "devserver-stop", "a" * 128, DYNAMIC])
def test_names_that_tools_can_have(name: Any) -> None:
    assert told(tools=[{**LOOK, "name": name}]) == []


def test_two_tools_of_one_name() -> None:
    assert told(tools=[LOOK, LOOK]) == ["tools.1.name: there are two tools named 'look'"]
    search = {"type": "web_search_20260318", "name": "look"}
    assert told(tools=[LOOK, search]) == ["tools.1.name: there are two tools named 'look'"]


@pytest.mark.parametrize("kind", ["array", "string", ["object", "null"]])
def test_the_input_of_a_tool_is_an_object(kind: Any) -> None:
    said = f"tools.0.input_schema.type: a tool's input is an object, not {kind!r}"
    assert told(tools=[{"name": "a", "input_schema": {"type": kind}}]) == [said]


@pytest.mark.parametrize("kind", ["any", "auto", "none"])
@pytest.mark.parametrize("none", [{}, {"tools": []}])
def test_a_choice_without_tools(kind: str, none: dict[str, Any]) -> None:
    assert told(tool_choice={"type": kind}, **none) == ["tool_choice: there are no tools to choose from"]
    assert told(tool_choice={"type": kind}, tools=DYNAMIC) == []
    assert told(tool_choice={"type": kind}, tools=[LOOK]) == []


@pytest.mark.parametrize(
    ("stops", "said"),
    [
        (["\n"], ["stop_sequences.0: is only white space; the API refuses that"]),
        (["END", " \t"], ["stop_sequences.1: is only white space; the API refuses that"]),
        ([""], ["stop_sequences.0: is empty; the API refuses that"]),
        ([3], ["stop_sequences.0: must be a string"]),
        ("END", ["stop_sequences: must be a list of strings"]),
        (["\nEND"], []),
        ([DYNAMIC], []),
        (DYNAMIC, []),
        (None, []),
    ],
)
def test_stop_sequences(stops: Any, said: list[str]) -> None:
    assert told(stop_sequences=stops) == said


def call(id: Any = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "look", "input": {}}


def result(id: Any = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": "12"}


def answer(*blocks: Any) -> dict[str, Any]:
    return turn(*blocks, role="assistant")


UNANSWERED = "the tool_use 'toolu_1' has no tool_result in the next turn"
UNASKED = "there is no tool_use 'toolu_9' in the turn before it"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([USER, answer(call()), turn(result())], []),
        ([USER, answer(call()), USER], [f"messages.1.content.0: {UNANSWERED}"]),
        ([USER, answer(call())], [f"messages.1.content.0: {UNANSWERED}"]),
        ([turn(result("toolu_9"))], [f"messages.0.content.0: {UNASKED}"]),
        (
            [USER, answer(call()), turn(result("toolu_9"))],
            [f"messages.2.content.0: {UNASKED}", f"messages.1.content.0: {UNANSWERED}"],
        ),
        ([USER, answer(call(), call("b")), turn(result())], ["messages.1.content.1: the tool_use 'b' has no tool_result in the next turn"]),
        ([USER, answer(call()), turn(result()), answer(call("b")), turn(result("b"))], []),
        ([USER, answer(call()), turn(result()), USER, turn(result("toolu_9"))], [f"messages.4.content.0: {UNASKED}"]),
        ([USER, answer(call()), answer(call("b")), turn(result()), turn(result("b"))], []),  # joined by role
        ([USER, answer(call("bad id!")), turn(result("bad id!"))], [
            "messages.1.content.0.id: 'bad id!' cannot be an id: letters, digits, _ and -",
            "messages.2.content.0.tool_use_id: 'bad id!' cannot be an id: letters, digits, _ and -",
        ]),
        ([USER, answer(call(DYNAMIC)), turn(result())], []),
        ([USER, answer(call()), DYNAMIC], []),
        ([USER, answer(DYNAMIC), turn(result())], []),
        ([USER, answer({"type": "server_tool_use", "id": "srvtoolu_1"})], []),
    ],
)  # fmt: skip
def test_calls_and_results(messages: Any, said: list[str]) -> None:
    assert sorted(told(messages=messages)) == sorted(said)


def test_a_call_without_an_id() -> None:
    blocks = [{"type": "tool_use", "name": "look", "input": {}}]
    assert "messages.1.content.0.id: is missing: a call and its result are matched by it" in told(
        messages=[USER, turn(*blocks, role="assistant"), USER]
    )
