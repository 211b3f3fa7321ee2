"""The engine, fenced: what a template of a request or of an output column may do, and what it may take.

A template sees the values it is given and nothing else. It cannot include files, and takes from copies: what it
does to a list is gone with the rendering. The engine's fuel bounds its steps and every text it makes. It does not
bound what lists come to that hold one another, nor what Python's own methods make: `bounds` weighs the first in
the template's text, and the second are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from batchrun import jsonbytes
from batchrun.templates.bounds import TooComplex, growth_of
from batchrun.templates.spelling import OURS, ToJson

if TYPE_CHECKING:
    from minijinja import Environment, TemplateError

FUEL = 1_000_000
"""Steps that one rendering may take; a long prompt takes some hundreds. The engine counts a long text as many."""

MAX_TEXT = 64_000_000
"""Characters that one rendering may put out; no request may be as long (api-facts §5)."""

MAX_VALUES = 256_000_000
"""Bytes that the values of one rendering may grow to at a time."""

MAX_INDENT = 1_000
"""Blanks of one step of `tojson`, which the engine does not bound."""

ToText: TypeAlias = Callable[[object], str]


class SandboxError(ValueError):
    """A template that cannot be rendered. `undefined` is the name that it looked for, where it is that."""

    def __init__(self, reason: str, *, undefined: str = "", hint: str = "") -> None:
        super().__init__(reason)
        self.undefined, self.hint = undefined, hint


class Sandbox:
    """One template in which `fault_of` found nothing, ready to render. A `lenient` one takes a name that is not
    there for nothing. `to_text` writes the values that it puts out, `tojson` what that filter makes."""

    def __init__(
        self, source: str, *, to_text: ToText, lenient: bool = False, tojson: ToJson = OURS.tojson
    ) -> None:
        self._to_text, self._left = to_text, 0
        self._growth = growth_of(source, MAX_TEXT)
        self._render = engine(source, self._emit, lenient=lenient, tojson=tojson).render_template

    def fits(self, size: int) -> bool:
        """Whether its values stay within bounds, for a row of `size` bytes."""
        return all(growth.of(size) <= MAX_VALUES for growth in self._growth)

    def render(self, values: Mapping[str, Any], *, whole: str = "") -> str:
        """The text for these values, of which the template gets copies; under the name `whole` it sees all of
        them. Raises SandboxError for whatever goes wrong in it, orjson.JSONEncodeError for a value that JSON does
        not have."""
        own, size = _copied(values)
        if not self.fits(size):
            raise SandboxError(
                f"its values may grow past {MAX_VALUES:,} bytes",
                hint="write texts one behind the other, {{ a }}{{ b }}, instead of joining them in variables",
            )
        return self.render_own({whole: own, **own} if whole else own)

    def render_own(self, values: Mapping[str, Any]) -> str:
        """The same for values that are the template's own to change, or that nobody can, and that fit."""
        from minijinja import TemplateError

        self._left = MAX_TEXT
        try:
            return self._render("t", **values)
        except TemplateError as error:
            raise _in_our_words(error) from None
        except SandboxError:
            raise
        except (
            AttributeError,
            TypeError,
            ValueError,
            LookupError,
        ) as error:  # a method of a list or an object
            raise SandboxError(str(error)) from None

    def _emit(self, value: object) -> str:
        text = self._to_text(value)
        self._left -= len(text)
        if self._left < 0:
            raise SandboxError(f"the text grows past {MAX_TEXT:,} characters")
        return text


def fault_of(source: str) -> SandboxError | None:
    """What is wrong with a template before it is rendered, or None."""
    from minijinja import TemplateError

    if found := _REFUSED.search(source):
        name = found.group(found.lastgroup or 0)
        hint = f"its memory could not be bounded; where it is meant as text, write {{{{ '{name}' }}}}"
        return SandboxError(f"it cannot use `{name}`", hint=hint)
    try:
        growth_of(source, MAX_TEXT)
        engine("").add_template("check", source)
    except TooComplex as error:
        return SandboxError(f"it cannot use {error}")
    except TemplateError as error:
        line = f" (line {error.line} of the text)" if (error.line or 1) > 1 else ""
        return SandboxError(f"{error.detail or error.kind}{line}", hint=_SYNTAX_HINT)
    return None


def names_of(source: str) -> list[str]:
    """The names that a template takes from its values."""
    return list(engine(source).undeclared_variables_in_template("t"))


def engine(
    source: str,
    to_text: ToText | None = None,
    *,
    lenient: bool = False,
    fuel: int | None = FUEL,
    tojson: ToJson = OURS.tojson,
) -> Environment:
    """The engine with the template `t`, whose syntax it looks at when it renders it."""
    from minijinja import Environment

    return Environment(
        templates={"t": source},
        undefined_behavior="chainable" if lenient else "strict",
        keep_trailing_newline=not lenient,
        auto_escape_callback=lambda _name: False,
        finalizer=to_text,
        fuel=fuel,
        globals={"namespace": _refusing("namespace"), "debug": _refusing("debug")},
        filters={"format": _refusing("format"), "tojson": _bounded(tojson)},
    )


_REFUSED = re.compile(
    r"\{%[-+]?\s*(?P<tag>macro|block|call|extends|include|import|from)\b"
    r"|\b(?P<word>recursive)\s*[-+]?%\}"
    # `'{:>1000000000}'.format(x)`; the filter of this name and `namespace` fail when they are called.
    r"|\.\s*(?P<method>format)\s*\("
)
"""What calls itself, or makes much of little. Looked for in the plain text too: to tell text from code
takes the engine's own lexer, and a template may be written to mislead any other."""

_SYNTAX_HINT = "write {{ column }} for a value; {% raw %}…{% endraw %} keeps braces as they are"


def _refusing(name: str) -> Callable[..., object]:
    def refuse(*_: object, **__: object) -> object:
        raise SandboxError(f"it cannot use `{name}`: its memory could not be bounded")

    return refuse


def _bounded(tojson: ToJson) -> Callable[..., object]:
    """The filter `tojson`, whose indent the engine does not bound. What is no JSON is the engine's own to say."""
    from minijinja import safe

    def apply(value: object, indent: object = None) -> object:
        if isinstance(indent, int) and indent > MAX_INDENT:
            raise SandboxError(f"`tojson` takes no number larger than {MAX_INDENT:,}")
        if (text := tojson(value, indent)) is not None:
            return safe(text)
        given = "" if indent is None else "(indent)"
        return _plain_engine().eval_expr(f"value|tojson{given}", value=value, indent=indent)

    return apply


@cache
def _plain_engine() -> Environment:
    from minijinja import Environment

    return Environment(undefined_behavior="strict", auto_escape_callback=lambda _name: False)


# ---- the template's own values -------------------------------------------------------------------


def _copied(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    """The values, and how large they are. Lists and objects are copies, from which a template can take (`pop`),
    and to which it can add nothing."""
    size, nested = 0, False
    for value in values.values():
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, (list, dict)):
            nested = True
    if not nested:
        return values, size
    copy = jsonbytes.dumps(values)
    return {name: _shrinking(value) for name, value in orjson.loads(copy).items()}, len(copy)


def _shrinking(value: Any) -> Any:
    if isinstance(value, list):
        return _List(map(_shrinking, value))
    return _Dict({k: _shrinking(v) for k, v in value.items()}) if isinstance(value, dict) else value


def _without(kind: type, thing: str, *methods: str) -> Any:
    """A type of the same name, which is shown where a method is missing."""
    return type(kind.__name__, (kind,), dict.fromkeys(methods, _refusing(f"a method that adds to {thing}")))


_List = _without(list, "a list", "append", "extend", "insert")
_Dict = _without(dict, "an object", "update", "setdefault")


# ---- what went wrong -----------------------------------------------------------------------------


def _in_our_words(error: TemplateError) -> SandboxError:
    if error.kind == "OutOfFuel":
        return SandboxError(f"it takes more than {FUEL:,} steps", hint="a long text counts as many")
    if error.kind == "UndefinedError" and (name := _NAME.match(error.detail or "")):
        column = name["quoted"] or name["dotted"] or name["name"]
        known = name["name"] == column or name["name"] == "row"
        return SandboxError(str(error.detail), undefined=column if known else "")
    return SandboxError(_REASONS.get(error.kind) or error.detail or error.kind)


_NAME = re.compile(r"`(?P<name>\w+)(?:\[['\"](?P<quoted>.*)['\"]\]|\.(?P<dotted>.*))?` is undefined")
_REASONS = {"BadInclude": "it cannot use other templates"}
