from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import SpecError
from batchrun.model import Json, Place
from batchrun.spec.faults import Steps
from batchrun.spec.yamldoc import Document, read


def doc(text: str) -> Document:
    return read(text.encode(), "job.yaml")


def told(text: str) -> list[str]:
    faults = doc(text).faults
    return [
        f"{p.where.removeprefix('job.yaml:')} {p.field}: {p.message}" for p in faults.problems(faults.errors)
    ]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("2026-10-21", "2026-10-21"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("0b11", "0b11"),
        ("1e3x", "1e3x"),
        ("=", "="),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("", None),
        ("~", None),
        ("Null", None),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("+3", 3),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("18446744073709551615", 2**64 - 1),
        ("'12'", "12"),
        ('"true"', "true"),
        ('"\\ud83d\\ude00"', "😀"),
        ("|\n    two\n    lines\n", "two\nlines\n"),
    ],
)
def test_scalars_mean_what_the_core_schema_says(scalar: str, value: Json) -> None:
    read = doc(f"key: {scalar}\n").value
    assert read == {"key": value}
    assert isinstance(read, dict)
    assert type(read["key"]) is type(value)


@pytest.mark.parametrize(
    "number", ["-9223372036854775809", "18446744073709551616", "9" * 5000, "0x1" + "0" * 20]
)
def test_integers_that_json_writers_refuse(number: str) -> None:
    assert told(f"key: {number}\n") == [f"1:6 key: {number[:40]} does not fit in 64 bits"]


def test_json_is_yaml() -> None:
    assert doc('{"a": [1, {"b": "c\\/d"}], "e":null}').value == {"a": [1, {"b": "c/d"}], "e": None}


def test_aliases_stand_for_their_values() -> None:
    assert doc("a: &a [1, 2]\nb: *a\n").value == {"a": [1, 2], "b": [1, 2]}


def test_aliases_that_multiply() -> None:
    bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for name, inner in ("ba", "cb", "dc", "ed", "fe"):
        bomb += f"{name}: &{name} [{', '.join([f'*{inner}'] * 10)}]\n"
    with pytest.raises(SpecError) as caught:
        doc(bomb)
    assert caught.value.problems[0].message == "aliases stand for more than 10,000 values"


def test_aliases_that_go_deep() -> None:
    chain = "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 80))
    with pytest.raises(SpecError) as caught:
        doc(chain)
    assert caught.value.problems[0].message == "nested more than 64 levels deep"


def test_an_empty_spec() -> None:
    with pytest.raises(SpecError) as caught:
        doc("# nothing yet\n")
    [problem] = caught.value.problems
    assert (problem.where, problem.message) == ("job.yaml:1:1", "the spec is empty")
    assert problem.hint == "`batchrun init` writes one to start from"


def test_all_is_told_in_the_order_of_the_file() -> None:
    assert told("b: .nan\na: !!str x\nb: 2\n<<: {c: 1}\nd:\n  ? {x: y}\n  : 1\n  true: 2\n") == [
        "1:4 b: .nan is not a number that JSON can hold",
        "2:4 a: cannot have the tag !!str",
        "3:1 : duplicate key 'b'; it already stands on line 1",
        "4:1 : merge keys (<<) are not supported",
        "6:3 d: a template without quotes",
        "8:3 d: the key true is not a string",
    ]


def test_a_fault_below_an_alias_is_told_once() -> None:
    assert told("a: &a [.inf]\nb: *a\nc: *a\n") == ["1:8 a[0]: .inf is not a number that JSON can hold"]


@pytest.mark.parametrize(
    ("text", "steps", "place"),
    [
        ("a: plain\n", ("a",), Place("job.yaml", 1, 4)),
        ("a: 'quoted'\n", ("a",), Place("job.yaml", 1, 5)),
        ("a:\n  - |\n    block\n", ("a", 0), Place("job.yaml", 3, 5)),
        ("a:\n  - plain\n", ("a", 0), Place("job.yaml", 2, 5)),
    ],
)
def test_where_the_text_of_a_string_begins(text: str, steps: Steps, place: Place) -> None:
    assert doc(text).text_place(steps) == place


def test_where_keys_and_values_stand() -> None:
    faults = doc("a:\n  b: [1, 2]\n").faults
    assert (faults.keys[("a", "b")], faults.values[("a", "b", 1)]) == ((2, 3), (2, 10))


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_a_spec_error(text: str) -> None:
    try:
        read(text.encode("utf-8", "replace"), "job.yaml")
    except SpecError as error:
        assert error.problems
