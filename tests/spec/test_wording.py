from __future__ import annotations

from typing import Any

import pytest

from batchrun.model import Json
from batchrun.spec.wording import example_of, expected, nearest, not_in_a_spec, not_one_of, shown, wrong_type

ROW = {"type": "object", "properties": {"$row": {"type": "string"}}}
INTEGER = {"type": "integer"}
BOOLEAN = {"type": "boolean"}
STRING = {"type": "string"}
LIST = {"type": "array"}


@pytest.mark.parametrize(
    ("branches", "value", "text", "hint"),
    [
        ([INTEGER], "300", "must be an integer, not the string '300'", "write 300 without quotes"),
        ([INTEGER], "1_000", "must be an integer, not the string '1_000'", "write 1000"),
        ([INTEGER], "1,000,000", "must be an integer, not the string '1,000,000'", "write 1000000"),
        ([INTEGER], "many", "must be an integer, not the string 'many'", ""),
        (
            [INTEGER, ROW],
            "{{ n }}",
            "must be an integer, not the string '{{ n }}'",
            "a template gives a string; {$row: column} gives the row's own value",
        ),
        (
            [INTEGER],
            None,
            "must be an integer, not null",
            "nothing stands behind the colon, or null",
        ),
        (
            [BOOLEAN],
            "no",
            "must be true or false, not the string 'no'",
            "write false: in YAML 1.2 'no' is a string",
        ),
        (
            [BOOLEAN],
            "On",
            "must be true or false, not the string 'On'",
            "write true: in YAML 1.2 'On' is a string",
        ),
        ([STRING], 3, "must be a string, not 3", 'quote it: "3"'),
        ([STRING], True, "must be a string, not true", 'quote it: "true"'),
        ([LIST], "a", "must be a list, not the string 'a'", "a list has '- ' before each entry"),
        ([LIST], {}, "must be a list, not a mapping", "a list has '- ' before each entry"),
        (
            [STRING, LIST, ROW],
            {},
            "must be a string or a list, not a mapping",
            "a list has '- ' before each entry",
        ),
        ([{"type": "number"}], "$5", "must be a number, not the string '$5'", "write the number alone"),
        ([STRING | {"patternErrorMessage": "must be a day"}], 3, "must be a day, not 3", ""),
    ],
)
def test_wrong_types(branches: list[Any], value: Json, text: str, hint: str) -> None:
    assert wrong_type(branches, value) == (text, hint)


def test_what_is_expected() -> None:
    assert expected([STRING, LIST, INTEGER, ROW]) == "a string, a list or an integer"
    assert expected([{"enum": ["a"]}]) == "a string"


def test_values_that_are_not_listed() -> None:
    assert not_one_of(["low", "high"], "hgh") == (
        "must be 'low' or 'high', not the string 'hgh'",
        "did you mean 'high'?",
    )
    assert not_one_of([1], 2) == ("must be 1, not 2", "")
    assert not_one_of(list("abcdefghi"), "z") == (
        "the string 'z' is not known here",
        "one of a, b, c, d, e, f, g, h, i",
    )


def test_long_strings_are_cut() -> None:
    assert shown("x" * 50) == f"the string '{'x' * 40}…'"


@pytest.mark.parametrize(
    ("word", "meant"),
    [("maxTokens", "max_tokens"), ("max-tokens", "max_tokens"), ("sytem", "system"), ("frobnicate", None)],
)
def test_the_nearest_word(word: str, meant: str | None) -> None:
    assert nearest(word, ["max_tokens", "system", "tools"]) == meant


def test_examples_are_yaml() -> None:
    schema = {
        "properties": {
            "path": {"examples": ["tickets.csv"]},
            "content": {"examples": ["{{ body }}"]},
            "tools": {"examples": [[{"name": "x" * 60}]]},
            "type": {"const": "text"},
        }
    }
    assert example_of(schema, "path") == "such as path: tickets.csv"
    assert example_of(schema, "content") == 'such as content: "{{ body }}"'
    assert example_of(schema, "tools") == ""
    assert example_of(schema, "type") == "such as type: text"


@pytest.mark.parametrize("key", ["base_url", "API-Key", "headers", "https_proxy", "verify", "workspace_id"])
def test_what_only_the_environment_decides(key: str) -> None:
    why = not_in_a_spec(key)
    assert why is not None
    assert why[0].startswith(f"'{key}': a spec cannot ")
    assert "environment" in why[1] or key == "headers"
