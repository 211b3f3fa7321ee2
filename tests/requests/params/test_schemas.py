from __future__ import annotations

import time
from typing import Any

import pytest

from tests.requests.params.told import told

CLOSED = {"type": "object", "additionalProperties": False}


def answer(schema: Any) -> list[str]:
    lines = told(output_config={"format": {"type": "json_schema", "schema": schema}})
    return [line.replace("output_config.format.schema", "", 1) for line in lines]


def strict(schema: Any, *, strict: bool = True) -> list[str]:
    lines = told(tools=[{"name": "t", "input_schema": schema, "strict": strict}])
    return [line.replace("tools.0.input_schema", "", 1) for line in lines]


def holding(**properties: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": properties}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (holding(a={"type": ["string", "null"]}), []),
        (True, []),
        ("object", [": must be a JSON Schema: a mapping"]),
        (holding(a={"type": {}}), [".properties.a.type: {} is not a type of JSON Schema"]),
        ({**CLOSED, "properties": ["a"]}, [".properties: must be a mapping of names to schemas"]),
        ({**CLOSED, "required": "a"}, [".required: must be a list of names"]),
        (
            holding(a={"type": "array", "items": "s"}),
            [".properties.a.items: must be a JSON Schema: a mapping"],
        ),
    ],
)
def test_slips(schema: Any, said: list[str]) -> None:
    assert answer(schema) == said
    assert strict(schema) == said
    assert strict(schema, strict=False) == said


MISSING = "additionalProperties: false is missing"
BOUND = "is not taken in a schema of the answer"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "object"}, [f": {MISSING}"]),
        ({"properties": {}, "type": "object", "additionalProperties": True}, [
            ".additionalProperties: additionalProperties can only be false"
        ]),
        ({**CLOSED, "additionalProperties": {"type": "string"}}, [
            ".additionalProperties: additionalProperties can only be false"
        ]),
        (holding(a={"type": "object"}), [f".properties.a: {MISSING}"]),
        (holding(a={"type": ["object", "null"]}), [f".properties.a: {MISSING}"]),
        (holding(a={"anyOf": [{"type": "null"}, {"type": "object"}]}), [f".properties.a.anyOf.1: {MISSING}"]),
        (holding(a={"type": "array", "items": {"type": "object"}}), [f".properties.a.items: {MISSING}"]),
        ({**CLOSED, "$defs": {"a": {"type": "object"}}}, [f".$defs.a: {MISSING}"]),
        ({**CLOSED, "definitions": {"a": {"type": "object"}}}, [f".definitions.a: {MISSING}"]),
        *[
            (holding(a={"type": kind, key: 3}), [f".properties.a.{key}: {key} {BOUND}"])
            for kind, keys in {
                "integer": ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
                "string": ["minLength", "maxLength"],
                "array": ["maxItems"],
            }.items()
            for key in keys
        ],
        (holding(a={"type": "array", "minItems": 2}), [".properties.a.minItems: minItems can only be 0 or 1, not 2"]),
        (holding(a={"type": "array", "minItems": 1}), []),
        (holding(a={"anyOf": [{"type": "integer", "minimum": 1}]}), [f".properties.a.anyOf.0.minimum: minimum {BOUND}"]),
        ({**CLOSED, "patternProperties": {"^x": {"type": "string"}}}, [f".patternProperties: patternProperties {BOUND}"]),
        (holding(a={"type": "array", "uniqueItems": True}), ["~.properties.a.uniqueItems: uniqueItems may not be taken in a schema of the answer"]),
        (holding(a={"$ref": "other.json"}), [".properties.a.$ref: a $ref can only point into the schema itself"]),
        (holding(minimum={"type": "string"}, maxLength={"type": "string"}), []),  # names, not keys
        (holding(a={"enum": ["x", 1, None]}, b={"const": 3}, c={"type": "string", "format": "date"}), []),
    ],
)  # fmt: skip
def test_the_subset(schema: Any, said: list[str]) -> None:
    assert answer(schema) == said
    assert strict(schema) == said
    assert strict(schema, strict=False) == []


def node(**more: Any) -> dict[str, Any]:
    return {**holding(next={"$ref": "#/$defs/node"}), **more}


@pytest.mark.parametrize(
    ("schema", "at"),
    [
        ({**holding(a={"$ref": "#/$defs/node"}), "$defs": {"node": node()}}, ".$defs.node.properties.next.$ref"),
        (holding(child={"$ref": "#"}), ".properties.child.$ref"),
        (
            {
                **holding(a={"$ref": "#/$defs/a"}),
                "$defs": {"a": holding(b={"$ref": "#/$defs/b"}), "b": holding(a={"$ref": "#/$defs/a"})},
            },
            ".$defs.a.properties.b.$ref",
        ),
        (holding(a=holding(up={"anyOf": [{"$ref": "#/properties/a"}]})), ".properties.a.properties.up.anyOf.0.$ref"),
    ],
)  # fmt: skip
def test_no_schema_is_recursive(schema: Any, at: str) -> None:
    said = answer(schema)
    assert said and said[0].startswith(f"{at}: #")
    assert all(line.endswith("leads back to itself; a schema cannot be recursive") for line in said)
    assert strict(schema) == said


def test_what_is_only_used_twice_is_not_recursive() -> None:
    leaf = {"$ref": "#/$defs/leaf"}
    schema = {
        **holding(a=leaf, b=leaf, c={"$ref": "#/$defs/pair"}),
        "$defs": {"leaf": {"type": "string"}, "pair": holding(x=leaf, y=leaf)},
    }
    assert answer(schema) == []


def test_many_references_take_no_more_than_their_number() -> None:
    def took(count: int) -> float:
        chain = {f"d{n}": holding(x={"$ref": f"#/$defs/d{n + 1}"}) for n in range(count)}
        schema = {"$ref": "#/$defs/d0", "$defs": {**chain, f"d{count}": {"type": "null"}}}
        begin = time.process_time()
        assert answer(schema) == []
        return time.process_time() - begin

    took(100)
    assert took(4_000) < 12 * max(took(1_000), 0.001)
