"""What templates have in place of the engine's own filters that make much of little: the same, with a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minijinja import Environment

MAX_MADE = 64_000_000
"""Characters that one filter may make, as many as one rendering may come to."""

MAX_INDENT = 1_000
MAX_GROUP = 1_000_000


def refusing(name: str) -> Callable[..., object]:
    def refuse(*_: object, **__: object) -> object:
        raise ValueError(f"it cannot use `{name}`: its memory could not be bounded")

    return refuse


@cache
def _engine() -> Environment:
    """The engine with its own filters."""
    from minijinja import Environment

    return Environment(undefined_behavior="strict", auto_escape_callback=lambda _name: False)


def _own(name: str, value: object, arguments: tuple[object, ...], named: Mapping[str, object]) -> object:
    """What the engine's own filter makes of `value`."""
    given = {f"a{n}": argument for n, argument in enumerate(arguments)} | {
        f"k_{k}": v for k, v in named.items()
    }
    words = [*(f"a{n}" for n in range(len(arguments))), *(f"{k}=k_{k}" for k in named)]
    return _engine().eval_expr(f"value|{name}({', '.join(words)})", value=value, **given)


def _bounded(
    name: str,
    made: Callable[..., int],
    most: int = MAX_MADE,
    fault: str = "would make more than {:,} characters",
) -> Callable[..., object]:
    """The filter `name`, where what `made` says of its arguments is not more than `most`."""

    def apply(value: object, *arguments: object, **named: object) -> object:
        if made(value, *arguments, **named) > most:
            raise ValueError(f"`{name}` {fault.format(most)}")
        return _own(name, value, arguments, named)

    return apply


def _whole(*values: object) -> int:
    """The largest of the numbers among `values`."""
    return max((v for v in values if isinstance(v, int)), default=0)


def _numbers(_value: object, *arguments: object, **named: object) -> int:
    return _whole(*arguments, *named.values())


def _indented(value: object, *arguments: object, **named: object) -> int:
    text = value if isinstance(value, str) else ""
    return len(text) + (text.count("\n") + 1) * _whole(*arguments, *named.values())


def _replaced(value: object, old: object = "", new: object = "", **_: object) -> int:
    text, into = str(value), str(new)
    return len(text) + text.count(str(old)) * len(into)


def _joined(value: object, separator: object = "", *_: object, **__: object) -> int:
    if isinstance(value, str):
        return len(value) * (1 + len(str(separator)))
    parts = value if isinstance(value, (list, tuple)) else ()
    return sum(len(part) if isinstance(part, str) else 8 for part in parts) + len(parts) * len(str(separator))


_LARGE = "takes no number larger than {:,}"

BOUNDED: dict[str, Any] = {
    "globals": {"namespace": refusing("namespace"), "debug": refusing("debug")},
    "filters": {
        "format": refusing("format"),
        "indent": _bounded("indent", _indented),
        "join": _bounded("join", _joined),
        "replace": _bounded("replace", _replaced),
        "tojson": _bounded("tojson", _numbers, MAX_INDENT, _LARGE),
        "batch": _bounded("batch", _numbers, MAX_GROUP, _LARGE),
        "slice": _bounded("slice", _numbers, MAX_GROUP, _LARGE),
    },
}
"""Options of every environment."""
