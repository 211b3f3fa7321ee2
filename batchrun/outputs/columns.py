"""The columns of a table: `output.columns`, or ours; and what a cell of a CSV file may hold."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from batchrun import jsonbytes
from batchrun.errors import DataError, Problem
from batchrun.model import Json, OutputSpec, Template
from batchrun.outputs.records import FIELDS, Record
from batchrun.templates.sandbox import Sandbox, SandboxError, fault_of, names_of

Getter: TypeAlias = Callable[[Record], Any]
Column: TypeAlias = tuple[str, Getter]

_PATH = re.compile(r"\s*\{\{\s*([A-Za-z_]\w*(?:\.\w+)*)\s*\}\}\s*")


# ---- the user's columns ------------------------------------------------------------------------


def check(output: OutputSpec) -> list[Problem]:
    """What is wrong with the columns, before anything is sent; `field` names the column."""
    found = (_problem(name, template, output) for name, template in output.columns.items())
    return [problem for problem in found if problem is not None]


def _problem(name: str, template: Template, output: OutputSpec) -> Problem | None:
    place = str(template.place)
    if fault := fault_of(template.source):
        return Problem(str(fault), place, fault.hint, name)
    names = names_of(template.source)
    if "input" in names and not output.include_input:
        return Problem(
            "the row's own columns are not in the output", place, "add `include: input` to `output`", name
        )
    if unknown := sorted(set(names) - set(FIELDS)):
        near = difflib.get_close_matches(unknown[0], FIELDS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return Problem(
            f"'{unknown[0]}' is not a field of the output",
            place,
            f"{hint}fields: {', '.join(FIELDS)}",
            name,
        )
    return None


def chosen(columns: Mapping[str, Template]) -> list[Column]:
    """`output.columns`, compiled. A mere path, `{{ json.label }}`, gives its value, all else text."""
    return [(name, _getter(name, template)) for name, template in columns.items()]


def _getter(name: str, template: Template) -> Getter:
    if path := _PATH.fullmatch(template.source):
        return _walker(path[1].split("."))
    return _rendering(name, template)


def _walker(steps: list[str]) -> Getter:
    def walk(record: Record) -> Any:
        value: Any = record
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    return walk


def _rendering(name: str, template: Template) -> Getter:
    """Lenient where the request's templates are strict: a failed row has no `json` to look into."""
    sandbox = Sandbox(template.source, to_text=cell, lenient=True)
    fields = [field for field in names_of(template.source) if field in FIELDS]

    def render(record: Record) -> str | None:
        try:
            return sandbox.render({field: record[field] for field in fields if field in record})
        except (SandboxError, orjson.JSONEncodeError) as error:
            # Without an answer there may be nothing to render; the status says so.
            if record["status"] != "succeeded" or record["problem"]:
                return None
            raise DataError(
                f"row {record['row']}: column '{name}': {error}",
                where=str(template.place),
                hint="the answers are kept: correct the column and run it again",
            ) from None

    return render


# ---- our columns -------------------------------------------------------------------------------


def ours(samples: int) -> list[Column]:
    """The columns of a CSV file that asks for none: what a reader needs to see, failures included."""
    names = ["id", "row", *(["sample"] if samples > 1 else []), "status", "text", "problem"]
    return [*((name, _walker([name])) for name in names), ("error", _error_text)]


def _error_text(record: Record) -> str | None:
    error = record["error"]
    return f"{error['type']}: {error['message']}" if error else None


# ---- the row's own columns ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputColumn:
    """`kind` is the one type that all its values have: str, int, float or bool; None where they differ."""

    name: str
    kind: type | None


def input_columns(rows: Iterable[Mapping[str, Json]]) -> list[InputColumn]:
    """Every column that any row has, in order of appearance: a table's header comes before its rows."""
    kinds: dict[str, type | None] = {}
    for row in rows:
        for name, value in row.items():
            kinds[name] = _merged(kinds.get(name, type(None)), value)
    return [InputColumn(name, kind if kind in (int, float, bool) else str) for name, kind in kinds.items()]


def _merged(kind: type | None, value: Json) -> type | None:
    found = str if type(value) is int and not -(1 << 63) <= value < 1 << 63 else type(value)
    if value is None or kind is found:
        return kind
    if kind is type(None):
        return found
    return float if {kind, found} == {int, float} else None


def placed(columns: Sequence[InputColumn], taken: Iterable[str]) -> Iterator[tuple[str, Getter, InputColumn]]:
    """The row's columns under names that clash with none of ours."""
    used = set(taken)
    for column in columns:
        name = column.name
        while name in used:
            name = f"input_{name}"
        used.add(name)
        yield name, _input_getter(column.name), column


def _input_getter(name: str) -> Getter:
    return lambda record: record["input"].get(name)


# ---- cells -------------------------------------------------------------------------------------

_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]|\n\s*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_QUOTED = re.compile(r'[",\r\n]')


def cell(value: Any) -> str:
    """A value as text: nothing for null, JSON for lists and objects."""
    if isinstance(value, str):
        return value
    return "" if value is None else jsonbytes.dumps(value).decode()


def csv_line(values: Iterable[Any]) -> bytes:
    """One line of a CSV file (RFC 4180, but LF), safe to open in a spreadsheet.

    A cell that a spreadsheet would run as a formula gets an apostrophe in front. Numbers stay as they are.
    """
    # Readers skip blank lines, so the only cell of a line is never quite empty.
    return ((",".join(map(_csv_cell, values)) or '""') + "\n").encode()


def _csv_cell(value: Any) -> str:
    text = cell(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
