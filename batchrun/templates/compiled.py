"""Templates over a row: strings of the spec, with `{{ column }}` and minijinja's logic.

A template that takes the engine runs in its `sandbox`. Row data is only ever a value; it is never compiled.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from batchrun.errors import DataError, Problem
from batchrun.model import Json, Template
from batchrun.templates.sandbox import MAX_TEXT, Sandbox, SandboxError, engine, fault_of
from batchrun.templates.simple import straight
from batchrun.templates.spelling import OURS, Spelling

_PLAIN = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_MARKERS = ("{{", "{%", "{#")
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "loop", "self", "row"})

Values = Mapping[str, Json]


def to_text(value: object, spelling: Spelling = OURS) -> str:
    """How a value stands in a prompt: text as it is, all else as JSON; whole numbers without `.0`, as the
    template engine knows no others. Raises orjson.JSONEncodeError for what JSON does not have."""
    if isinstance(value, str):
        return value
    if type(value) is float and value.is_integer() and abs(value) <= _INT64:
        value = min(int(value), _INT64 - 1)
    return spelling.dumps(value).decode()


_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to render. `parts` alternate between text and column names where that is all
    the template holds (the fast path); `logic` renders everything else."""

    template: Template
    parts: tuple[str, ...] | None
    logic: Logic | None = None
    spelling: Spelling = OURS

    @property
    def constant(self) -> str | None:
        """The text, where the template has no placeholder at all."""
        return self.parts[0] if self.parts is not None and len(self.parts) == 1 else None

    def render(self, values: Values) -> str:
        """The text for one row. Raises DataError for an undefined name, a failing expression, or a value that
        JSON does not have."""
        try:
            return self.logic(values) if self.logic is not None else self._plain(values)
        except orjson.JSONEncodeError as error:
            raise DataError(f"template: {error}", where=str(self.template.place)) from None

    def _plain(self, values: Values) -> str:
        parts = list(self.parts or ())
        for i in range(1, len(parts), 2):
            try:
                parts[i] = to_text(values[parts[i]], self.spelling)
            except KeyError:
                raise undefined(parts[i], values, self.template) from None
        return "".join(parts)


def compile_template(template: Template, spelling: Spelling = OURS) -> Compiled:
    """Raises DataError with the place when the syntax is wrong."""
    source = template.source
    if not any(marker in source for marker in _MARKERS):
        return Compiled(template, (source,), spelling=spelling)
    parts = tuple(_PLAIN.split(source))
    plain = not any(m in text for text in parts[::2] for m in _MARKERS) and _WORDS.isdisjoint(parts[1::2])
    if plain:
        return Compiled(template, parts, spelling=spelling)
    if problem := check_syntax(template):
        raise DataError(problem.message, where=problem.where, hint=problem.hint)
    return Compiled(template, None, Logic(template, spelling), spelling)


def check_syntax(template: Template) -> Problem | None:
    """What is wrong with the template's syntax, or None."""
    fault = fault_of(template.source)
    return Problem(f"template: {fault}", str(template.place), fault.hint) if fault else None


def undefined(name: str, values: Collection[str], template: Template) -> DataError:
    """The error for a name that the row does not have, with the columns there are."""
    near = difflib.get_close_matches(name, list(values), n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    shown = ", ".join(list(values)[:20]) + (", …" if len(values) > 20 else "")
    return DataError(
        f"'{name}' is not a column of the input", where=str(template.place), hint=f"{hint}columns: {shown}"
    )


class Logic:
    """A template that takes the engine."""

    def __init__(self, template: Template, spelling: Spelling = OURS) -> None:
        self._template = template
        write = partial(to_text, spelling=spelling)
        self._sandbox = Sandbox(template.source, to_text=write, tojson=spelling.tojson)
        self._straight = straight(template.source)
        self._looped = engine(self._loop(), fuel=None)

    def _loop(self) -> str:
        """The template of a straight one that renders it for `rows`: the engine is called once for all of them."""
        names = ", ".join(sorted(self._straight.columns)) if self._straight else ""
        return f"{{% for {names}, in rows %}}{self._template.source}\0{{% endfor %}}" if names else ""

    def sees(self, column: str) -> bool:
        """Whether the template may take something from a column."""
        return column in self._template.source or "row" in self._template.source

    def many(self, columns: Mapping[str, Sequence[str]], size: int) -> str | None:
        """The texts for many rows of text, a NUL behind each. None where one row has something wrong, or may have:
        `__call__` says.

        `columns` holds all that the template `sees`, `size` is not less than the characters of all the rows. All
        texts are held at a time, and may not come to more than those of one rendering.
        """
        if not self._sandbox.fits(size):
            return None
        try:
            known = self._straight
            if (
                known
                and known.columns
                and known.columns <= columns.keys()
                and known.copies * size <= MAX_TEXT
            ):
                rows = list(zip(*(columns[name] for name in sorted(known.columns)), strict=True))
                return self._looped.render_template("t", rows=rows)
            return self._one_by_one(columns)
        except Exception:  # whatever it is, the row by itself has it again
            return None

    def _one_by_one(self, columns: Mapping[str, Sequence[str]]) -> str | None:
        render, whole = self._sandbox.render_own, "row" in self._template.source
        left, found = MAX_TEXT, []
        for cells in zip(*columns.values(), strict=True):
            row = dict(zip(columns, cells, strict=True))
            text = render({"row": row, **row} if whole else row)
            found.append(text)
            if (left := left - len(text)) < 0:
                return None
        return "\0".join((*found, ""))

    def __call__(self, values: Values) -> str:
        try:
            return self._sandbox.render(values, whole="row")
        except SandboxError as error:
            if error.undefined:
                raise undefined(error.undefined, values, self._template) from None
            raise DataError(f"template: {error}", where=str(self._template.place), hint=error.hint) from None
