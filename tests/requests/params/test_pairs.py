from __future__ import annotations

from typing import Any

import pytest

from tests.requests.params.told import USER, text, told, turn

THINKING = {"type": "enabled", "budget_tokens": 2000}
LOOK = {"name": "look", "input_schema": {"type": "object"}}
FORM = {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}


@pytest.mark.parametrize(
    "model", ["claude-haiku-4-5", "claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-6"]
)
def test_temperature_and_top_p(model: str) -> None:
    said = f"top_p: {model} does not take temperature and top_p together"
    assert said in told(model=model, temperature=0.2, top_p=0.9)
    assert told(model="claude-opus-5", temperature=1, top_p=1) == [said.replace(model, "claude-opus-5")]
    assert not any("together" in line for line in told(model=model, temperature=0.2))
    assert not any("together" in line for line in told(model=model, temperature=None, top_p=0.9))


def test_temperature_and_top_p_of_a_model_that_is_not_known() -> None:
    said = "~top_p: temperature and top_p are not taken together by any model since 4.1"
    assert said in told(model="claude-next-9", temperature=1, top_p=1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"tools": [LOOK], "tool_choice": {"type": "tool", "name": "look"}},
            ["tool_choice.type: 'tool' cannot be used together with thinking: it forces a tool"],
        ),
        (
            {"tools": [LOOK], "tool_choice": {"type": "any"}},
            ["tool_choice.type: 'any' cannot be used together with thinking: it forces a tool"],
        ),
        ({"tools": [LOOK], "tool_choice": {"type": "auto"}}, []),
        ({"temperature": 0}, ["temperature: temperature can only be 1 together with thinking, not 0"]),
        ({"temperature": 1}, []),
        ({"top_k": 40}, ["top_k: top_k cannot be used together with thinking"]),
        ({"top_p": 0.5}, ["~top_p: top_p below 0.95 may be refused together with thinking"]),
        (
            {"messages": [USER, {"role": "assistant", "content": "Score:"}]},
            ["messages.1.content: an answer cannot be begun (prefill) together with thinking"],
        ),
    ],
)
def test_thinking(more: dict[str, Any], said: list[str]) -> None:
    assert told(thinking=THINKING, **more) == said
    assert told(thinking={"type": "disabled"}, **more) == []


def test_adaptive_thinking_as_well() -> None:
    given: dict[str, Any] = {
        "tools": [LOOK], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}
    }  # fmt: skip
    said = "tool_choice.type: 'any' cannot be used together with thinking: it forces a tool"
    assert told(model="claude-opus-4-8", **given) == [said]


@pytest.mark.parametrize(
    "block",
    [
        {**DOCUMENT, "citations": {"enabled": True}},
        {"type": "search_result", "content": [text("x")], "citations": {"enabled": True}},
    ],
)
def test_citations_and_structured_output(block: dict[str, Any]) -> None:
    messages = [turn(block, text("Who?"))]
    said = "messages.0.content.0.citations: citations cannot be enabled together with output_config.format"
    assert told(messages=messages, output_config=FORM) == [said]
    assert told(messages=messages) == []
    off = [turn({**block, "citations": {"enabled": False}})]
    assert told(messages=off, output_config=FORM) == []
