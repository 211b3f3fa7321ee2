from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from batchrun.model import FromRow, Node
from batchrun.outputs.structured import Check, check_for, read, schema_in, written_schema
from tests.jobs import PLACE, asking_for, node

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["bug", "idea"]}, "score": {"type": "integer"}},
    "required": ["label"],
    "additionalProperties": False,
}


def checking(schema: Any) -> Check:
    check = check_for(schema)
    assert check is not None
    return check


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, (True, None)),
        ({"output_config": node({"effort": "low"})}, (True, None)),
        ({"output_config": node({"format": {"type": "text"}})}, (True, None)),
        (asking_for(node(SCHEMA)), (True, SCHEMA)),
        (asking_for(node({"const": "{{ label }}"})), (False, None)),
        (asking_for(FromRow("schema", PLACE)), (False, None)),
        (None, (False, None)),
    ],
)
def test_the_spec_says_the_schema_or_the_row_does(
    request_: Mapping[str, Node] | None, expected: tuple[bool, Any]
) -> None:
    assert written_schema(request_) == expected


def test_a_request_line_says_its_schema() -> None:
    assert schema_in({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}) == SCHEMA
    assert schema_in({}) is None
    assert check_for(None) is None


@pytest.mark.parametrize(
    ("text", "value", "problem"),
    [
        ('{"label":"bug"}', {"label": "bug"}, None),
        (' {"label":"idea","score":3}\n', {"label": "idea", "score": 3}, None),
        ("Sure! Here it is.", None, "unparsable"),
        ('{"label":"bu', None, "unparsable"),
        ("", None, "unparsable"),
        ('{"label":NaN}', None, "unparsable"),
        ('{"label":"wish"}', None, "schema: $.label: 'wish' is not one of ['bug', 'idea']"),
        ('{"label":"bug","score":"3"}', None, "schema: $.score: '3' is not of type 'integer'"),
        ("{}", None, "schema: $: 'label' is a required property"),
        ("[]", None, "schema: $: [] is not of type 'object'"),
    ],
)
def test_answers_are_read_and_held_against_the_schema(text: str, value: Any, problem: str | None) -> None:
    assert read(text, checking(SCHEMA)) == (value, problem)


def test_a_long_or_hostile_value_is_shown_short_and_plain() -> None:
    _, problem = read(orjson.dumps({"label": "\x1b[2J" + "x" * 1000}).decode(), checking(SCHEMA))
    assert problem is not None and len(problem) < 200 and "\x1b" not in problem


@pytest.mark.parametrize(
    ("schema", "start"),
    [
        ({"$ref": "https://example.org/schema.json"}, "schema: it cannot be checked: "),
        ({"$ref": "#/nowhere"}, "schema: it cannot be checked: "),
        ({"type": "objekt"}, "schema: it is not a JSON Schema: 'objekt' is not valid under any of"),
        ({"pattern": "("}, "schema: it "),
    ],
)
def test_a_schema_that_cannot_be_used_says_so_and_is_never_fetched(schema: Any, start: str) -> None:
    value, problem = read('"x"', checking(schema))
    assert value is None
    assert problem is not None and problem.startswith(start)
