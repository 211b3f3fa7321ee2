"""Templates over a row: strings of the spec, with `{{ column }}` and minijinja's logic.

Sandboxed by construction: a template sees the row's values and nothing else, cannot include files,
and runs with bounded fuel. Fuel alone bounds no memory: 27 turns that double a text make a gigabyte. So no turn
of a loop can hand anything to the next: there is no `namespace`, no list to append to, and nothing that calls
itself. A template grows by what is written out in it, which `templates.bounds` bounds, and filters that make much of little
say no first. Row data is only ever a value; it is never compiled.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from batchrun.errors import DataError, Problem
from batchrun.model import Json, Template
from batchrun.templates.bounds import FUEL, TooComplex, fuel_for, growth_of
from batchrun.templates.filters import BOUNDED, refusing
from batchrun.templates.simple import straight

if TYPE_CHECKING:
    from minijinja import Environment, TemplateError

MAX_TEXT = 64_000_000
"""Characters that the values of one rendering may come to; no request may be as long (batches-api §5)."""

MAX_VALUES = 256_000_000
"""Bytes that the values of one rendering may grow to at a time."""

_PLAIN = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_MARKERS = ("{{", "{%", "{#")
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "loop", "self", "row"})

Values = Mapping[str, Json]


def to_text(value: object) -> str:
    """How a value stands in a prompt: text as it is, all else as JSON; whole numbers without `.0`, as the
    template engine knows no others. Raises orjson.JSONEncodeError for what JSON does not have."""
    if isinstance(value, str):
        return value
    if type(value) is float and value.is_integer() and abs(value) <= _INT64:
        value = min(int(value), _INT64 - 1)
    return orjson.dumps(value).decode()


_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to render. `parts` alternate between text and column names where that is all
    the template holds (the fast path); `logic` renders everything else."""

    template: Template
    parts: tuple[str, ...] | None
    logic: Logic | None = None

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
                parts[i] = to_text(values[parts[i]])
            except KeyError:
                raise undefined(parts[i], values, self.template) from None
        return "".join(parts)


def compile_template(template: Template) -> Compiled:
    """Raises DataError with the place when the syntax is wrong."""
    source = template.source
    if not any(marker in source for marker in _MARKERS):
        return Compiled(template, (source,))
    parts = tuple(_PLAIN.split(source))
    plain = not any(m in text for text in parts[::2] for m in _MARKERS) and _WORDS.isdisjoint(parts[1::2])
    if plain:
        return Compiled(template, parts)
    if problem := check_syntax(template):
        raise DataError(problem.message, where=problem.where, hint=problem.hint)
    return Compiled(template, None, Logic(template))


def check_syntax(template: Template) -> Problem | None:
    """What is wrong with the template's syntax, or None."""
    from minijinja import TemplateError

    if name := refused(template.source):
        return Problem(f"template: it cannot use `{name}`", str(template.place), refused_hint(name))
    try:
        growth_of(template.source, MAX_TEXT)
    except TooComplex as error:
        return Problem(f"template: it cannot use {error}", str(template.place))
    try:
        _environment({}).add_template("check", template.source)
    except TemplateError as error:
        line = f" (line {error.line} of the text)" if (error.line or 1) > 1 else ""
        return Problem(f"template: {error.detail or error.kind}{line}", str(template.place), _SYNTAX_HINT)
    return None


_REFUSED = re.compile(
    r"\{%[-+]?\s*(?P<tag>macro|block|call|extends|include|import|from)\b"
    r"|\b(?P<word>recursive)\s*[-+]?%\}"
    # `'{:>1000000000}'.format(x)`; the filter of this name and `namespace` fail in `_environment`.
    r"|\.\s*(?P<method>format)\s*\("
)
"""What calls itself, or what makes much of little. Looked for in the plain text too: to tell text from code
takes the engine's own lexer, and a template may be written to mislead any other."""


def refused(source: str) -> str | None:
    """What the template uses and may not, as far as its text shows."""
    found = _REFUSED.search(source)
    return found and found.group(found.lastgroup or 0)


def refused_hint(name: str) -> str:
    return f"its memory could not be bounded; where it is meant as text, write {{{{ '{name}' }}}}"


_SYNTAX_HINT = "write {{ column }} for a value; {% raw %}…{% endraw %} keeps braces as they are"


def undefined(name: str, values: Collection[str], template: Template) -> DataError:
    """The error for a name that the row does not have, with the columns there are."""
    near = difflib.get_close_matches(name, list(values), n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    shown = ", ".join(list(values)[:20]) + (", …" if len(values) > 20 else "")
    return DataError(
        f"'{name}' is not a column of the input", where=str(template.place), hint=f"{hint}columns: {shown}"
    )


def _environment(
    templates: Mapping[str, str],
    emit: Callable[[object], str] | None = to_text,
    fuel: int | None = FUEL,
) -> Environment:
    from minijinja import Environment

    return Environment(
        templates=dict(templates),
        undefined_behavior="strict",
        keep_trailing_newline=True,
        auto_escape_callback=lambda _name: False,
        finalizer=emit,
        fuel=fuel,
        **BOUNDED,
    )


class Logic:
    """A template that takes the engine. What one rendering may do is bounded: by its steps, and by the text
    of its values."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._fuel = fuel_for(template.source, MAX_TEXT)
        self._environment = _environment({"t": template.source}, self._emit, self._fuel)
        self._growth = growth_of(template.source, MAX_TEXT)
        self._left = 0
        self._straight = straight(template.source)
        self._looped = _environment({"t": self._loop()}, emit=None, fuel=None)

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
        if any(growth.of(size) > MAX_VALUES for growth in self._growth):
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
        render, whole = self._environment.render_template, "row" in self._template.source
        left, found = MAX_TEXT, []
        for cells in zip(*columns.values(), strict=True):
            self._left = MAX_TEXT
            row = dict(zip(columns, cells, strict=True))
            text = render("t", **{"row": row, **row}) if whole else render("t", **row)
            found.append(text)
            if (left := left - len(text)) < 0:
                return None
        return "\0".join((*found, ""))

    def __call__(self, values: Values) -> str:
        from minijinja import TemplateError

        self._left, (own, size) = MAX_TEXT, _own(values)
        if any(growth.of(size) > MAX_VALUES for growth in self._growth):
            raise DataError(
                f"template: its values may grow past {MAX_VALUES:,} bytes",
                where=str(self._template.place),
                hint="write texts one behind the other, {{ a }}{{ b }}, instead of joining them in variables",
            )
        try:
            return self._environment.render_template("t", **{"row": own, **own})
        except TemplateError as error:
            raise _failure(error, values, self._template, self._fuel) from None
        except (
            AttributeError,
            TypeError,
            ValueError,
            LookupError,
        ) as error:  # a method of a list or an object
            raise DataError(f"template: {error}", where=str(self._template.place)) from None

    def _emit(self, value: object) -> str:
        text = to_text(value)
        self._left -= len(text)
        if self._left < 0:
            raise DataError(
                f"template: the text grows past {MAX_TEXT:,} characters", where=str(self._template.place)
            )
        return text


def _own(values: Values) -> tuple[Values, int]:
    """The values, and how large they are. Lists and objects are copies: a template can take from those (`pop`),
    but not from the row."""
    size, nested = 0, False
    for value in values.values():
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, (list, dict)):
            nested = True
    if not nested:
        return values, size
    copy = orjson.dumps(values)
    return {name: _shrinking(value) for name, value in orjson.loads(copy).items()}, len(copy)


def _shrinking(value: Json) -> Any:
    if isinstance(value, list):
        return _List(map(_shrinking, value))
    return _Dict({k: _shrinking(v) for k, v in value.items()}) if isinstance(value, dict) else value


def _without(kind: type, thing: str, *methods: str) -> Any:
    """A type of the same name, which is shown where a method is missing."""
    return type(kind.__name__, (kind,), dict.fromkeys(methods, refusing(f"a method that adds to {thing}")))


_List = _without(list, "a list", "append", "extend", "insert")
_Dict = _without(dict, "an object", "update", "setdefault")


def _failure(error: TemplateError, values: Values, template: Template, fuel: int) -> DataError:
    if error.kind == "UndefinedError" and (name := _NAME.match(error.detail or "")):
        column = name["quoted"] or name["dotted"] or name["name"]
        if name["name"] == column or name["name"] == "row":
            return undefined(column, values, template)
        return DataError(f"template: {error.detail}", where=str(template.place))
    reason = _REASONS.get(error.kind) or error.detail or error.kind
    if error.kind == "OutOfFuel":
        why = ", which is the most for a long text in a loop" if fuel < FUEL else ""
        reason = f"it takes more than {fuel:,} steps{why}"
    return DataError(f"template: {reason}", where=str(template.place))


_NAME = re.compile(r"`(?P<name>\w+)(?:\[['\"](?P<quoted>.*)['\"]\]|\.(?P<dotted>.*))?` is undefined")
_REASONS = {"BadInclude": "it cannot use other templates"}
