from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator

from batchrun.cost.prices import price_of
from batchrun.outputs.records import FIELDS, Record, record_of, usual_record
from batchrun.outputs.structured import Check
from batchrun.results.lines import loads, parse, usual
from tests.resultlines import MODEL, custom_id, ended, errored, message, succeeded, usage

RESULT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schemas/result.schema.json").read_text())
SCHEMA = Draft7Validator(RESULT)
ROW = {"row": 7, "id": "T-7"}


def record(line: bytes | None, check: Check | None = None, **options: Any) -> Record:
    row = {**ROW, **options.pop("row", {})}
    result, batch_id = (None, None) if line is None else (parse(line), "msgbatch_1")
    sample = options.pop("sample", None)
    made = record_of(row, sample, result, batch_id, check, price_of, **options)
    SCHEMA.validate(made)
    if line is not None and (parts := usual(loads(line))):
        options = {"repeated": False, **options}
        quick = usual_record(row, sample, parts, "msgbatch_1", check, price_of, **options)
        assert quick is None or list(quick.items()) == list(made.items())
    assert list(made) == [field for field in FIELDS if field in made], "fields stand in order"
    return made


def test_a_row_with_its_answer() -> None:
    assert record(succeeded("a", "Blue.")) == {
        "id": "T-7",
        "row": 7,
        "status": "succeeded",
        "text": "Blue.",
        "json": None,
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 1000,
            "output_tokens": 200,
            "cache_write_5m": 0,
            "cache_write_1h": 0,
            "cache_read": 0,
        },
        "cost_usd": 0.001,
        "error": None,
        "problem": None,
        "model": MODEL,
        "batch_id": "msgbatch_1",
        "custom_id": custom_id("a"),
    }


NOTHING = {
    "id": "T-7",
    "row": 7,
    "text": None,
    "json": None,
    "stop_reason": None,
    "usage": None,
    "cost_usd": 0.0,
    "error": None,
    "problem": None,
    "model": None,
}


def test_a_row_without_an_answer_was_never_sent() -> None:
    assert record(None) == {**NOTHING, "status": "canceled", "batch_id": None, "custom_id": None}


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        (errored("a", "api_error", "oh"), "errored", {"type": "api_error", "message": "oh"}),
        (ended("a", "expired"), "expired", None),
        (ended("a", "canceled"), "canceled", None),
    ],
)
def test_a_row_that_failed(line: bytes, status: str, error: Any) -> None:
    ids = {"batch_id": "msgbatch_1", "custom_id": custom_id("a")}
    assert record(line) == {**NOTHING, **ids, "status": status, "error": error}


def test_samples_and_input_columns_stand_where_they_apply() -> None:
    made = record(succeeded("a"), sample=2, row={"input": {"subject": "Hi", "n": 1}})
    assert made["sample"] == 2
    assert made["input"] == {"subject": "Hi", "n": 1}


def test_text_is_all_text_blocks_without_thinking() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Blue"},
        {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}},
        {"type": "text", "text": "."},
    ]
    made = record(succeeded("a", content=content))
    assert made["text"] == "Blue."
    assert "tool_calls" not in made


def test_calls_of_the_users_tools_are_kept() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"city": "Oslo"}}
    made = record(
        succeeded("a", content=[call, call], stop_reason="tool_use"), lambda _: "schema: never asked"
    )
    assert made["tool_calls"] == [{"name": "look_up", "input": {"city": "Oslo"}}] * 2
    assert (made["text"], made["json"], made["problem"]) == ("", None, None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stop_reason": "max_tokens"}, "truncated"),
        ({"stop_reason": "model_context_window_exceeded"}, "truncated"),
        ({"stop_reason": "max_tokens", "content": []}, "truncated"),
        ({"stop_reason": "pause_turn"}, "paused"),
        ({"stop_reason": "refusal"}, "refusal"),
        ({"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio"}}, "refusal: bio"),
        ({"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": None}}, "refusal"),
        ({"content": []}, "empty"),
        ({"content": None}, "empty"),
        ({"stop_reason": "stop_sequence"}, None),
        ({"stop_reason": "a new one"}, None),
        ({"stop_reason": None}, None),
    ],
)
def test_succeeded_is_not_usable(changes: dict[str, Any], problem: str | None) -> None:
    made = record(succeeded("a", **changes))
    assert (made["status"], made["problem"]) == ("succeeded", problem)


def even(value: Any) -> str | None:
    return None if value["n"] % 2 == 0 else "schema: $.n: odd"


@pytest.mark.parametrize(
    ("text", "stop", "value", "problem"),
    [
        ('{"n":2}', "end_turn", {"n": 2}, None),
        ('{"n":1}', "end_turn", None, "schema: $.n: odd"),
        ("two", "end_turn", None, "unparsable"),
        ('{"n":', "max_tokens", None, "truncated"),
        ("I cannot", "refusal", None, "refusal"),
    ],
)
def test_structured_output(text: str, stop: str, value: Any, problem: str | None) -> None:
    made = record(succeeded("a", text, stop_reason=stop), even)
    assert (made["json"], made["problem"], made["text"]) == (value, problem, text)


def test_a_repeated_answer_was_paid_for_once() -> None:
    assert record(succeeded("a"), repeated=True)["cost_usd"] == 0.0


def test_a_cost_nobody_knows_is_null() -> None:
    assert record(succeeded("a", model="claude-opus-99"))["cost_usd"] is None
    assert record(succeeded("a", model="claude-opus-99"), repeated=True)["cost_usd"] == 0.0


def test_the_schema_describes_every_field_and_no_other() -> None:
    assert set(RESULT["properties"]) == set(FIELDS)
    Draft7Validator.check_schema(RESULT)


DEEP: Any = json.loads("[" * 300 + "]" * 300)


@pytest.mark.parametrize(
    "content",
    [
        5,
        "words",
        {"type": "text"},
        [{"type": "text", "text": 5}],
        [{"type": "tool_use", "name": 5, "input": {}}],
        [{"type": "tool_use", "name": "look", "input": DEEP}],
    ],
)
def test_content_that_cannot_be_read_is_a_problem_of_the_record(content: Any) -> None:
    odd = json.dumps(
        {"custom_id": custom_id("a"), "result": {"type": "succeeded", "message": message(content=content)}}
    )
    made = record(odd.encode())
    assert (made["text"], made["problem"], made["cost_usd"]) == ("", "unparsable", 0.001)
    assert orjson.dumps(made)


@pytest.mark.parametrize("value", [5, DEEP, {"a": 1}])
def test_words_that_are_none_are_left_out(value: Any) -> None:
    odd = message(stop_reason=value, model=value)
    made = record(
        json.dumps({"custom_id": custom_id("a"), "result": {"type": "succeeded", "message": odd}}).encode()
    )
    assert (made["text"], made["stop_reason"], made["model"], made["cost_usd"]) == ("Blue.", None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stop_reason": "max_tokens"},
        {"model": "claude-opus-99"},
        {"model": "claude-haiku-5-5", "usage": usage(input_tokens=300_000, cache_read_input_tokens=9)},
        {"content": []},
        {"content": None},
        {"content": [{"type": "text", "text": ""}]},
        {"content": [{"type": "text", "text": None}]},
        {"content": [{"type": "text"}]},
        {"content": ["text"]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Blue."}]},
        {"content": [{"type": "text", "text": "Bl"}, {"type": "text", "text": "ue."}]},
        {"content": [{"type": "tool_use", "name": "f", "input": {}}]},
    ],
)
@pytest.mark.parametrize("sample", [None, 2])
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("check", [None, lambda value: None if value == "Blue." else "schema"])
@pytest.mark.parametrize("row", [{}, {"input": {"a": 1}}])
def test_a_usual_answer_makes_the_same_record_in_one_go(
    changes: dict[str, Any], sample: int | None, repeated: bool, check: Check | None, row: dict[str, Any]
) -> None:
    """`record` compares."""
    line = succeeded("a", "Blue.", **changes)
    assert usual(loads(line)) is not None
    record(line, check, sample=sample, repeated=repeated, row=row)
    record(succeeded("a", '"Blue."'), check, sample=sample, repeated=repeated, row=row)


def test_most_answers_are_made_in_one_go() -> None:
    parts = usual(loads(succeeded("a")))
    assert parts is not None
    assert usual_record(ROW, None, parts, "msgbatch_1", None, price_of, repeated=False)
