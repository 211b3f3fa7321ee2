from __future__ import annotations

from typing import Any

import orjson
import pytest

from batchrun.simulator.answers import ECHO, message, message_id
from batchrun.simulator.catalog import models
from batchrun.simulator.checks_messages import ParamFault
from batchrun.simulator.usage import PromptCache
from tests.simulator.helpers import params

MODEL = models()["claude-haiku-4-5"]
LABELS: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["a", "b", "c"]}},
    "required": ["label"],
}


def said(given: dict[str, Any], **scripted: Any) -> dict[str, Any]:
    return message(given, MODEL, PromptCache(), message_id="msg_01x", **scripted)


def text(given: dict[str, Any]) -> str:
    (block,) = said(given)["content"]
    assert block["type"] == "text"
    found: str = block["text"]
    return found


def structured(*labels: str, asked: str = "x") -> dict[str, Any]:
    schema = {"type": "object", "properties": {"label": {"enum": labels}}, "required": ["label"]}
    return params(asked, output_config={"format": {"type": "json_schema", "schema": schema}})


def test_the_whole_message() -> None:
    assert said(params("Name a colour.")) == {
        "id": "msg_01x",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Name a colour."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 8,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 4,
            "service_tier": "batch",
        },
    }


def test_the_last_user_turn_comes_back() -> None:
    turns = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]},
        {"role": "assistant", "content": "five"},
    ]
    assert text(params(messages=turns)) == "three\nfour"
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "12 degrees"}]}
    assert text(params(messages=[{"role": "user", "content": [result]}])) == "12 degrees"
    assert text(params(messages=[{"role": "system", "content": "x"}])) == "I have nothing to say to that."


def test_the_echo_is_bounded() -> None:
    assert text(params("ä" * 10_000, max_tokens=1000)) == "ä" * ECHO


def test_max_tokens_cuts() -> None:
    found = said(params("ä" * 100, max_tokens=5))
    assert found["stop_reason"] == "max_tokens"
    assert found["content"] == [{"type": "text", "text": "ä" * 10}]
    assert found["usage"]["output_tokens"] == 5


def test_stop_sequences_cut() -> None:
    found = said(params("one END two STOP", stop_sequences=["STOP", "END", ""]))
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "END")
    assert found["content"] == [{"type": "text", "text": "one "}]


def test_structured_output_fits_and_varies() -> None:
    answers = [text(structured("a", "b", "c", asked=f"row {n}")) for n in range(50)]
    assert {orjson.loads(answer)["label"] for answer in answers} == {"a", "b", "c"}
    assert answers == [text(structured("a", "b", "c", asked=f"row {n}")) for n in range(50)]


def test_the_same_request_has_the_same_answer_whatever_the_order_of_its_keys() -> None:
    for n in range(20):
        given = structured("a", "b", "c", asked=f"row {n}")
        assert text(dict(reversed(given.items()))) == text(given)


def test_a_schema_nothing_fits() -> None:
    schema = {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}
    given = params(output_config={"format": {"type": "json_schema", "schema": schema}})
    with pytest.raises(ParamFault) as caught:
        said(given)
    expected = "output_config.format.schema: no value of this JSON Schema comes to an end"
    assert str(caught.value) == expected


@pytest.mark.parametrize("choice", [{"type": "tool", "name": "look"}, {"type": "any"}])
def test_a_forced_tool_is_used(choice: dict[str, str]) -> None:
    given = params(tools=[{"name": "look", "input_schema": LABELS}], tool_choice=choice)
    found = said(given)
    (block,) = found["content"]
    assert (found["stop_reason"], block["type"], block["name"]) == ("tool_use", "tool_use", "look")
    assert block["input"]["label"] in ("a", "b", "c")
    assert block["id"].startswith("toolu_01")


def test_tools_that_are_not_forced_are_left_alone() -> None:
    given = params(tools=[{"name": "look", "input_schema": LABELS}], tool_choice={"type": "auto"})
    assert text(given) == "Name a colour."


@pytest.mark.parametrize(("display", "shown"), [("summarized", True), ("omitted", False)])
def test_thinking_comes_first_and_counts(display: str, shown: bool) -> None:
    given = params(thinking={"type": "enabled", "budget_tokens": 1024, "display": display}, max_tokens=2000)
    found = said(given)
    thinking, spoken = found["content"]
    assert thinking["type"] == "thinking"
    assert bool(thinking["thinking"]) is shown
    assert spoken == {"type": "text", "text": "Name a colour."}
    usage = found["usage"]
    assert usage["output_tokens"] == usage["output_tokens_details"]["thinking_tokens"] + 4


def test_thinking_may_leave_no_room_for_an_answer() -> None:
    found = said(params(thinking={"type": "adaptive"}, max_tokens=5))
    assert [block["type"] for block in found["content"]] == ["thinking"]
    assert found["stop_reason"] == "max_tokens"


def test_what_a_scenario_says() -> None:
    refused = said(params(), stop_reason="refusal")
    assert refused["content"] == []
    assert refused["stop_details"] == {"type": "refusal", "category": None, "explanation": None}
    scripted = said(params(), text="I cannot.", stop_reason="refusal")
    assert scripted["content"] == [{"type": "text", "text": "I cannot."}]
    assert said(params(), text="Blue.")["stop_reason"] == "end_turn"


def test_where_it_ran() -> None:
    assert said(params(inference_geo="us"))["usage"]["inference_geo"] == "us"


def test_message_ids_differ_by_batch_and_request() -> None:
    made = {message_id(batch, request) for batch in ("b1", "b2") for request in ("r1", "r2")}
    assert len(made) == 4
    assert message_id("b1", "r1") in made
