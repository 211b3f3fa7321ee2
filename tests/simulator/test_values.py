from __future__ import annotations

from contextlib import suppress
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.simulator.values import Choices, fitting

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]

TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["name", "children"],
}

SCHEMAS: list[dict[str, Any]] = [
    {"const": {"a": [1]}},
    {"enum": ["a", 2, None]},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"type": "string"},
    {"type": "string", "maxLength": 3},
    {"type": "string", "minLength": 60, "maxLength": 70},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "email"},
    {"type": "integer"},
    {"type": "integer", "minimum": -3, "maximum": 2},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "integer", "multipleOf": 7, "minimum": 8, "maximum": 30},
    {"type": "integer", "maximum": -100},
    {"type": "number", "minimum": 0.25, "maximum": 0.75},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    {"type": "number"},
    {"type": "array", "items": {"enum": [1, 2]}},
    {"type": "array", "items": {"type": "string"}, "minItems": 3},
    {"type": "array", "items": {"type": "integer"}, "maxItems": 1},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
    {"type": "object"},
    {"type": "object", "required": ["x"], "additionalProperties": True},
    {"properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False},
    {
        "anyOf": [
            {"type": "integer"},
            {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]},
        ]
    },
    {"oneOf": [{"type": "integer"}, {"type": "null"}]},
    {"allOf": [{"$ref": "#/$defs/a"}, {"required": ["b"]}], "$defs": {"a": {"type": "object"}}},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
        ]
    },
    {"$ref": "#/definitions/one~1two", "definitions": {"one/two": {"enum": ["x"]}}},
    {"$ref": "#/$defs/n", "$defs": {"n": TREE}},
    {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "v": {"type": "integer"}},
        "required": ["next", "v"],
        "additionalProperties": False,
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_values_fit(schema: dict[str, Any]) -> None:
    for seed in range(40):
        jsonschema.validate(
            fitting(schema, Choices(seed), WORDS), schema, cls=jsonschema.Draft202012Validator
        )


def test_choices_vary_with_the_seed_and_with_nothing_else() -> None:
    schema = {"enum": ["a", "b", "c", "d"]}
    chosen = [fitting(schema, Choices(seed), WORDS) for seed in range(100)]
    assert chosen == [fitting(schema, Choices(seed), WORDS) for seed in range(100)]
    assert {str(choice) for choice in chosen} == {"a", "b", "c", "d"}


def test_strings_are_made_of_the_words() -> None:
    text = fitting({"type": "string"}, Choices(3), WORDS)
    assert isinstance(text, str)
    assert text
    assert text in " ".join(WORDS)
    assert fitting({"type": "string"}, Choices(3), []) == "text"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]},
        {"type": "object", "properties": {"x": {"$ref": "#"}, "y": {"$ref": "#"}}, "required": ["x", "y"]},
        {"type": "array", "minItems": 10**9},
    ],
)
def test_a_schema_without_an_end(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no value of this JSON Schema comes to an end"):
        fitting(schema, Choices(1), WORDS)


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"properties": 7}, {"type": "array", "items": 7}])
def test_what_is_no_schema(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="JSON Schema"):
        fitting(schema, Choices(1), WORDS)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["object", "array", "#", "string"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "enum", "anyOf", "allOf", "$ref", "required"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(schema=st.dictionaries(st.sampled_from(["type", "properties", "items", "allOf", "$ref"]), anything))
def test_nonsense_is_a_value_error_at_most(schema: dict[str, Any]) -> None:
    with suppress(ValueError):
        fitting(schema, Choices(1), WORDS)
