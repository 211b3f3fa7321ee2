"""Templates over a row: strings of the spec, with `{{ column }}` and minijinja's logic.

Sandboxed by construction: a template sees the row's values and nothing else, cannot include files,
and runs with bounded fuel. Row data is only ever a value; it is never compiled.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import orjson

from batchrun.errors import DataError, Problem
from batchrun.model import Json, Template

if TYPE_CHECKING:
    from minijinja import Environment, TemplateError

FUEL = 1_000_000
"""Instructions one rendering may take; a long prompt takes some hundreds."""

MAX_TEXT = 64_000_000
"""Characters that the values of one rendering may come to; no request may be as long (batches-api §5)."""

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
    logic: Callable[[Values], str] | None = None

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
    return Compiled(template, None, _Logic(template))


def check_syntax(template: Template) -> Problem | None:
    """What is wrong with the template's syntax, or None."""
    from minijinja import TemplateError

    try:
        _environment({}).add_template("check", template.source)
    except TemplateError as error:
        line = f" (line {error.line} of the text)" if (error.line or 1) > 1 else ""
        return Problem(f"template: {error.detail or error.kind}{line}", str(template.place), _SYNTAX_HINT)
    return None


_SYNTAX_HINT = "write {{ column }} for a value; {% raw %}…{% endraw %} keeps braces as they are"


def undefined(name: str, values: Collection[str], template: Template) -> DataError:
    """The error for a name that the row does not have, with the columns there are."""
    near = difflib.get_close_matches(name, list(values), n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    shown = ", ".join(list(values)[:20]) + (", …" if len(values) > 20 else "")
    return DataError(
        f"'{name}' is not a column of the input", where=str(template.place), hint=f"{hint}columns: {shown}"
    )


def _environment(templates: Mapping[str, str], emit: Callable[[object], str] = to_text) -> Environment:
    from minijinja import Environment

    return Environment(
        templates=dict(templates),
        undefined_behavior="strict",
        keep_trailing_newline=True,
        auto_escape_callback=lambda _name: False,
        finalizer=emit,
        fuel=FUEL,
    )


class _Logic:
    """A template that takes the engine. What one rendering may do is bounded: by its steps, and by the text
    of its values."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._environment = _environment({"t": template.source}, self._emit)
        self._left = 0

    def __call__(self, values: Values) -> str:
        from minijinja import TemplateError

        self._left, own = MAX_TEXT, _own(values)
        try:
            return self._environment.render_template("t", **{"row": own, **own})
        except TemplateError as error:
            raise _failure(error, values, self._template) from None
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


def _own(values: Values) -> Values:
    """The values, lists and objects as copies: a template can change those (`append`), but not the row."""
    if not any(isinstance(v, (list, dict)) for v in values.values()):
        return values
    return cast(Values, orjson.loads(orjson.dumps(values)))


def _failure(error: TemplateError, values: Values, template: Template) -> DataError:
    if error.kind == "UndefinedError" and (name := _NAME.match(error.detail or "")):
        column = name["quoted"] or name["dotted"] or name["name"]
        if name["name"] == column or name["name"] == "row":
            return undefined(column, values, template)
        return DataError(f"template: {error.detail}", where=str(template.place))
    reason = _REASONS.get(error.kind) or error.detail or error.kind
    return DataError(f"template: {reason}", where=str(template.place))


_NAME = re.compile(r"`(?P<name>\w+)(?:\[['\"](?P<quoted>.*)['\"]\]|\.(?P<dotted>.*))?` is undefined")
_REASONS = {"OutOfFuel": f"it takes more than {FUEL:,} steps", "BadInclude": "it cannot use other templates"}
