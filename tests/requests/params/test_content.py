from __future__ import annotations

from typing import Any

import pytest

from batchrun.requests.params import DYNAMIC, check

USER = {"role": "user", "content": "hi"}
LOOK = {"name": "look", "input_schema": {"type": "object"}}


def told(*, version: str = "2023-06-01", model: str = "claude-opus-5", **params: Any) -> list[str]:
    body = {"model": model, "max_tokens": 10, "messages": [USER], **params}
    return [".".join(map(str, p.path)) + ": " + p.message for p in check(body, api_version=version, betas=())]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], ["messages: must be a list of at least one message"]),
        ("hi", ["messages: must be a list of at least one message"]),
        ([3], ["messages.0: must be a mapping with role and content"]),
        ([{"role": "user"}], ["messages.0: must be a mapping with role and content"]),
        (
            [{"role": "human", "content": "hi"}],
            ["messages.0.role: must be 'user', 'assistant' or 'system', not 'human'"],
        ),
        (
            [{"role": "user", "content": 3}],
            ["messages.0.content: must be a string or a list of content blocks"],
        ),
        ([{"role": "system", "content": "x"}, USER], []),
        ([USER] * 100_000, []),
        ([USER] * 100_001, ["messages: holds 100,001 messages; the most is 100,000"]),
    ],
    ids=["none", "text", "number", "no content", "role", "content", "system", "most", "too many"],
)
def test_messages(messages: Any, said: list[str]) -> None:
    assert told(messages=messages) == said


def test_an_answer_that_was_begun() -> None:
    prefill = [USER, {"role": "assistant", "content": "The answer is"}]
    said = "messages.1: claude-opus-4-6 does not continue an answer that was begun (prefill)"
    assert told(model="claude-opus-4-6", messages=prefill) == [said]
    assert told(model="claude-haiku-4-5", messages=prefill) == []


def test_a_paused_turn_sent_back_is_no_prefill() -> None:
    paused = {"role": "assistant", "content": [{"type": "text", "text": "…"}, {"type": "server_tool_use"}]}
    assert told(messages=[USER, paused]) == []


def test_what_the_newer_version_refuses_inside_turns() -> None:
    search = {"type": "search_result", "content": [{"type": "text", "text": "a", "citations": [{}]}]}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "a", "citations": [{}]}, search]},
        {"role": "assistant", "content": [{"type": "document", "source": {"type": "text"}}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a", "citations": []},
                {"type": "document", "source": {}},
                DYNAMIC,
            ],
        },
    ]
    assert told(messages=messages) == []
    citations = "citations in a user turn are refused by API version 2026-10-21"
    assert told(messages=messages, version="2026-10-21") == [
        f"messages.0.content.0.citations: {citations}",
        f"messages.0.content.1.content.0.citations: {citations}",
        "messages.1.content.0: a document in an assistant turn is refused by API version 2026-10-21",
    ]


@pytest.mark.parametrize(
    "model", ["claude-fable-5-1", "claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5"]
)
def test_models_that_cannot_be_forced_to_use_a_tool(model: str) -> None:
    said = f"tool_choice.type: {model} cannot be forced to use a tool"
    assert told(model=model, tools=[LOOK], tool_choice={"type": "any"}) == [said]
    assert told(model=model, tools=[LOOK], tool_choice={"type": "auto"}) == []


@pytest.mark.parametrize("model", ["claude-fable-5", "claude-opus-5", "claude-sonnet-5", "claude-haiku-5-5"])
def test_models_that_can(model: str) -> None:
    assert told(model=model, tools=[LOOK], tool_choice={"type": "any"}) == []


def test_a_tool_that_is_asked_for_has_to_be_there() -> None:
    choice = {"type": "tool", "name": "find"}
    assert told(tools=[{"name": "look"}], tool_choice=choice) == [
        "tool_choice.name: there is no tool named 'find'"
    ]
    assert told(tools=[{"name": "find"}], tool_choice=choice) == []
    assert told(tools=[{"name": DYNAMIC}], tool_choice=choice) == []
    assert told(tools=DYNAMIC, tool_choice=choice) == []
