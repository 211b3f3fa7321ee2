from __future__ import annotations

import cProfile
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from batchrun.model import FromRow, Node
from batchrun.outputs.structured import (
    MAX_DEPTH,
    MAX_STEPS,
    Check,
    check_for,
    read,
    schema_in,
    written_schema,
)
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


@pytest.mark.parametrize(
    "schema",
    [
        [],
        5,
        "x",
        {"$schema": 5},
        {"$id": "http://[::1", "$ref": "other"},
        {"$ref": "http://[::1"},
        {"patternProperties": {"^(x+x+)+y$": {}}, "additionalProperties": False},
        {"$ref": "#"},
        orjson.loads('{"not":' * 300 + "{}" + "}" * 300),
    ],
)
@pytest.mark.parametrize("text", ['"x"', '{"a": 1}'])
def test_whatever_a_row_brings_as_its_schema_is_a_problem_of_that_row(schema: Any, text: str) -> None:
    value, problem = read(text, checking(schema))
    assert value is None
    assert problem is not None and problem.startswith("schema: ") and len(problem) < 200


@pytest.mark.parametrize(
    ("pattern", "text", "problem"),
    [
        ("^(x+x+)+y$", "x" * 48, f"schema: $: {'x' * 48!r} does not match '^(x+x+)+y$'"),
        ("(a|a)*b", "a" * 5000 + "c", f"schema: $: {'a' * 79 + '…'!r} does not match '(a|a)*b'"),
        ("b+", "abc", None),
        ("(?<=a)b", "xx", None),  # not checked
    ],
)
def test_a_pattern_is_searched_in_linear_time(pattern: str, text: str, problem: str | None) -> None:
    assert read(orjson.dumps(text).decode(), checking({"pattern": pattern}))[1] == problem


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300, 2000])
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")])
def test_a_value_that_is_too_deep_to_be_written_is_no_value(pair: tuple[str, str], depth: int) -> None:
    opening, closing = pair
    text = opening * depth + ("1" if opening != "[" else "") + closing * depth
    assert read(text, checking({"type": ["array", "object"]})) == (None, "unparsable")


def test_a_deep_value_is_written_all_the_same() -> None:
    value, problem = read("[" * MAX_DEPTH + "]" * MAX_DEPTH, checking({"type": "array"}))
    assert problem is None
    assert len(orjson.dumps(value)) == 2 * MAX_DEPTH


DOUBLING = {
    f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n - 1}"}, {"$ref": f"#/$defs/a{n - 1}"}]} for n in range(1, 40)
} | {"a0": {"type": "string"}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#/$defs/a39", "$defs": DOUBLING}, 1),
        ({"items": {"enum": [[n] for n in range(2_000)]}}, [[-1]] * 2_000),
        ({"items": {"enum": ["x" * 100_000]}}, ["y"] * 2_000),
        ({"allOf": [{"minItems": 100_001}] * 1_000}, [0] * 100_000),
    ],
)
def test_a_check_that_would_take_years_is_given_up(schema: Any, value: Any) -> None:
    assert checking(schema)(value) == f"schema: it cannot be checked: it takes more than {MAX_STEPS:,} steps"
    assert checking({"type": "string"})("x") is None


@pytest.mark.parametrize(
    ("value", "unique"),
    [
        ([{"a": n} for n in range(20_000)], True),
        ([1, True, "1", None, [], {}], True),
        ([1, 1.0], False),
        ([{"a": 1, "b": [2.0]}, {"b": [2], "a": 1}], False),
        ("no list", True),
    ],
)
def test_unique_items_are_compared_in_linear_time(value: Any, unique: bool) -> None:
    said = checking({"uniqueItems": True})(value)
    assert said == (None if unique else "schema: $: an item comes twice where each must be unique")


DRAFTS = [f"http://json-schema.org/draft-0{n}/schema#" for n in (3, 4, 6, 7)]
DRAFTS += [f"https://json-schema.org/draft/{year}/schema" for year in ("2019-09", "2020-12")]
OF_UNIQUE: list[dict[str, Any]] = [
    {"enum": [{"a": n} for n in range(4_000)]},
    {"type": [{"title": str(n)} for n in range(4_000)]},
    {"required": [[n] for n in range(4_000)]},
    {"dependencies": {"a": [{"a": n} for n in range(4_000)]}},
    {"dependentRequired": {"a": [{"a": n} for n in range(4_000)]}},
]


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("schema", OF_UNIQUE, ids=lambda schema: next(iter(schema)))
@pytest.mark.parametrize("below", [False, True])
def test_a_schema_is_checked_in_linear_time(draft: str, schema: Any, below: bool) -> None:
    """Comparing each with each takes 8,000,000 comparisons, and calls twice as many."""
    whole: Any = {"$schema": draft, "properties": {"p": schema}} if below else {"$schema": draft, **schema}
    assert calls_of(lambda: check_for(whole)) < 2_000_000


def calls_of(work: Callable[[], object]) -> int:
    profile = cProfile.Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("draft", DRAFTS[1:])
def test_a_schema_that_names_a_key_twice_is_none(draft: str) -> None:
    said = checking({"$schema": draft, "required": ["a", "a"]})({"a": 1})
    assert said == "schema: it is not a JSON Schema: an item comes twice where each must be unique"


@pytest.mark.parametrize("draft", DRAFTS)
def test_a_subschema_that_names_a_draft_is_bounded_all_the_same(draft: str) -> None:
    """jsonschema's own `pattern` needs hours for this one."""
    check = checking({"properties": {"a": {"$schema": draft, "pattern": "^(x+x+)+y$"}}})
    assert check({"a": "x" * 48}) == f"schema: $.a: {'x' * 48!r} does not match '^(x+x+)+y$'"
