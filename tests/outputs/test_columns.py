from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from batchrun.errors import DataError, Problem
from batchrun.model import OutputFormat, OutputSpec, Place, Template
from batchrun.outputs.columns import InputColumn, cell, check, chosen, csv_line, input_columns, ours, placed
from batchrun.outputs.records import FIELDS

PLACE = Place("job.yaml", 9, 12)


def template(source: str) -> Template:
    return Template(source, PLACE)


def value(source: str, **record: Any) -> Any:
    ((_, getter),) = chosen({"column": template(source)})
    return getter({"row": 3, "status": "succeeded", "problem": None, **record})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ json.label }}", "bug"),
        ("{{json.score}}", 3),
        ("{{ json.tags }}", ["a", "b"]),
        ("{{ json }}", {"label": "bug", "score": 3, "tags": ["a", "b"]}),
        ("{{ json.nothing.deeper }}", None),
        ("{{ text }}", None),
        ("label: {{ json.label }}", "label: bug"),
        ("{{ json.label | upper }}", "BUG"),
        ("{{ json.tags | join('+') }}", "a+b"),
        ("{{ json.tags[1] }}", "b"),
        ("{{ json.score + 1 }}", "4"),
        ("[{{ json.nothing.deeper }}]", "[]"),
        ("[{{ text }}]", "[]"),
        ("{% if json.score > 2 %}high{% else %}low{% endif %}", "high"),
        ("constant", "constant"),
        ("<{{ json.label }}>", "<bug>"),
    ],
)
def test_a_column_is_a_template_over_the_record(source: str, expected: Any) -> None:
    assert value(source, json={"label": "bug", "score": 3, "tags": ["a", "b"]}, text=None) == expected


def test_an_expression_that_fails_on_a_failed_row_is_empty() -> None:
    source = "{{ json.score + 1 }}"
    assert value(source, json=None, status="errored") is None
    assert value(source, json=None, problem="truncated") is None


def test_an_expression_that_fails_on_a_good_row_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        value("{{ json.tags + 1 }}", json={"tags": ["a"]})
    assert str(caught.value).startswith("row 3: column 'column': ")
    assert caught.value.where == "job.yaml:9:12"
    assert caught.value.hint == "the answers are kept: correct the column and run it again"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for i in range(9999) %}{{ text }}{% endfor %}", "it takes more than 1,000,000 steps"),
        ("{% for i in range(99999) %}" + "x" * 640 + "{% endfor %}", "it takes more than 1,000,000 steps"),
    ],
)
def test_a_column_does_not_fill_the_memory(source: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        value(source, text="x" * 10_000)
    assert str(caught.value) == f"row 3: column 'column': {reason}"


@pytest.mark.parametrize(
    ("source", "include", "problem"),
    [
        ("{{ json.label }}", False, None),
        ("{{ input.subject }}", True, None),
        ("{% set x = json.a %}{{ x }}", False, None),
        (
            "{{ input.subject }}",
            False,
            Problem(
                "the row's own columns are not in the output",
                "job.yaml:9:12",
                "add `include: input` to `output`",
                "c",
            ),
        ),
        (
            "{{ jsn.label }}",
            False,
            Problem(
                "'jsn' is not a field of the output",
                "job.yaml:9:12",
                "did you mean 'json'? fields: " + ", ".join(FIELDS),
                "c",
            ),
        ),
        (
            "{{ subject }}",
            False,
            Problem(
                "'subject' is not a field of the output",
                "job.yaml:9:12",
                "fields: " + ", ".join(FIELDS),
                "c",
            ),
        ),
    ],
)
def test_columns_are_checked_before_anything_is_sent(
    source: str, include: bool, problem: Problem | None
) -> None:
    output = OutputSpec(Path("o.csv"), OutputFormat.CSV, include, {"c": template(source)})
    assert check(output) == ([] if problem is None else [problem])


def test_a_column_with_broken_syntax() -> None:
    output = OutputSpec(Path("o.csv"), OutputFormat.CSV, False, {"c": template("{{ json. }}")})
    (problem,) = check(output)
    assert problem.message.startswith("unexpected ")
    assert problem.where == "job.yaml:9:12"


def test_our_columns_show_failures() -> None:
    record = {"id": "a", "row": 1, "sample": 2, "status": "errored", "text": None, "problem": None}
    error = {"type": "api_error", "message": "no"}
    assert [(name, get({**record, "error": error})) for name, get in ours(2)] == [
        ("id", "a"),
        ("row", 1),
        ("sample", 2),
        ("status", "errored"),
        ("text", None),
        ("problem", None),
        ("error", "api_error: no"),
    ]
    assert [name for name, _ in ours(1)] == ["id", "row", "status", "text", "problem", "error"]


def test_input_columns_are_those_of_all_rows_with_their_one_type() -> None:
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": "x", "n": None, "f": 1},
        {"b": "y", "c": [1], "a": 2, "f": 1.5},
        {"d": True, "c": "text", "a": None, "m": 1, "big": 1 << 63},
        {"m": "x"},
        {"m": 1},
    ]
    assert input_columns(rows) == [
        InputColumn("a", int),
        InputColumn("b", str),
        InputColumn("n", str),
        InputColumn("f", float),
        InputColumn("c", str),
        InputColumn("d", bool),
        InputColumn("m", str),
        InputColumn("big", str),
    ]


def test_input_columns_never_take_our_names() -> None:
    columns = [InputColumn(name, str) for name in ("id", "input_id", "subject")]
    named = list(placed(columns, ["id", "status"]))
    assert [name for name, _, _ in named] == ["input_id", "input_input_id", "subject"]
    record = {"input": {"id": "x", "input_id": "y"}}
    assert [get(record) for _, get, _ in named] == ["x", "y", None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("a", "a"),
        (3, "3"),
        (0.5, "0.5"),
        (True, "true"),
        ([1, "é"], '[1,"é"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_cells_are_text_or_json(value: Any, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", '"\'\r=1"'),
        ("\n=1", '"\'\n=1"'),
        ("\n \n@x", '"\'\n \n@x"'),
        ("\nx=1", '"\nx=1"'),
        ("＝1+1", "'＝1+1"),
        ("＋1", "'＋1"),
        ("－x", "'－x"),
        ("＠x", "'＠x"),
        ("- a list", "'- a list"),
        ('=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'),
        ("-5", "-5"),
        ("+3.2e1", "+3.2e1"),
        ("-.5", "-.5"),
        ("-5.", "-5."),
        ("-5-5", "'-5-5"),
        ("-5\n", '"\'-5\n"'),
        (-5, "-5"),
        (-1e-9, "-1e-9"),
        (1e300, "1e+300"),
        ([-2.5e16], "[-2.5e+16]"),
        ("a=b", "a=b"),
        ("", ""),
        (None, ""),
        ("a,b", '"a,b"'),
        ('say "hi"', '"say ""hi"""'),
        ("a\nb", '"a\nb"'),
        ("a\rb", '"a\rb"'),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_no_cell_is_a_formula(value: Any, text: str) -> None:
    assert csv_line([value, "z"]) == f"{text},z\n".encode()


def test_a_csv_reader_gets_back_what_went_in() -> None:
    values = ["a", 'q"q', "x,y", "l\nl", "r\rr", "", "ü", "it's"]
    line = csv_line(values).decode()
    assert next(csv.reader(io.StringIO(line, newline=""))) == values


def test_a_line_with_one_empty_cell_is_not_blank() -> None:
    assert csv_line([None]) == b'""\n'
    assert csv_line([None, None]) == b",\n"
