from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.model import Json
from batchrun.spec.complaints import Complaints, validator_for
from batchrun.spec.faults import Faults
from batchrun.spec.loader import schema_text

VALIDATOR = validator_for(json.loads(schema_text("job")))


def told(**change: Any) -> list[tuple[str, str, str]]:
    """What is said of a spec with these top-level keys changed: field, message, hint."""
    spec: dict[str, Json] = {
        "version": 1,
        "input": {"path": "rows.csv"},
        "request": {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]},
        "output": {"path": "out.jsonl"},
    }
    faults = Faults("job.yaml")
    Complaints(VALIDATOR, faults).check(spec | change)
    return sorted((f.field, f.message, f.hint) for f in faults.errors)


def of_request(**params: Any) -> list[tuple[str, str, str]]:
    base = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    return told(request=base | params)


def test_a_spec_that_is_right() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("messages", {"$row": "messages"}),
        ("messages", [{"$row": "turn"}]),
        ("max_tokens", {"$row": "n"}),
        ("system", [{"type": "text", "text": {"$file": "a.md"}}, {"$row": "more"}]),
        ("tools", [{"name": "{{ tool }}", "input_schema": {"type": "object"}, "strict": {"$row": "s"}}]),
        ("thinking", {"$row": "thinking"}),
        ("output_config", {"effort": "{{ effort }}"}),
        ("cache_control", {"type": "ephemeral", "ttl": {"$row": "ttl"}}),
        ("stop_sequences", ["{{ end }}", {"$row": "end"}]),
    ],
)
def test_row_values_may_stand_wherever_a_value_may(key: str, value: Json) -> None:
    assert of_request(**{key: value}) == []


def test_the_branch_that_was_meant_is_the_one_that_is_told() -> None:
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "dta": "x"}}
    assert of_request(messages=[{"role": "user", "content": [block]}]) == [
        ("request.messages[0].content[0].source", "unknown key 'dta'", "did you mean 'data'?")
    ]


def test_a_tool_without_a_type_is_ones_own() -> None:
    assert of_request(tools=[{"name": "t", "input_schem": {}}]) == [
        ("request.tools[0]", "unknown key 'input_schem'", "did you mean 'input_schema'?")
    ]


def test_a_type_that_only_the_row_knows() -> None:
    hint = "the rest depends on it; {$row: column} can stand for the whole mapping"
    assert of_request(tool_choice={"type": {"$row": "kind"}}) == [
        ("request.tool_choice.type", "must be written out", hint)
    ]


def test_a_key_in_the_wrong_place() -> None:
    assert told(max_cost_usd=3) == [("", "unknown key 'max_cost_usd'", "it belongs under limits")]
    assert told(path="a") == [("", "unknown key 'path'", "it belongs under input or output")]
    assert told(retry={"samples": 3}) == [("retry", "unknown key 'samples'", "it belongs at the top level")]


def test_one_slip_among_the_required_keys_is_one_error() -> None:
    assert told(output={"pth": "out.jsonl"}) == [("output", "unknown key 'pth'", "did you mean 'path'?")]


def test_passthrough_may_bring_what_is_required() -> None:
    assert told(request={"passthrough": {"model": "m"}}) == []


def test_no_more_is_told_than_anyone_reads() -> None:
    wrong = [{"role": "usr", "content": "hi"}] * 5000
    assert len(of_request(messages=wrong)) == 1000
