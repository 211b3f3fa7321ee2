"""What a fault takes: the one grammar of their arguments.

An argument is a mapping, `{code: 529, headers: {…}}`, or the bare value of its first key, `529`. A few take
a mapping of the user's own names; there the mapping is the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from batchrun.model import Json


@dataclass(frozen=True, slots=True)
class Kind:
    """Values of a kind; `words` go on from 'must be'."""

    words: str
    fits: Callable[[Json], bool]


def _whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def one_of(*words: str) -> Kind:
    listed = f"{', '.join(words[:-1])} or {words[-1]}"
    return Kind(listed, lambda value: isinstance(value, str) and value in words)


WHOLE = Kind("a whole number", _whole)
COUNT = Kind("a whole number, 0 or more", lambda value: _whole(value) and value >= 0)  # type: ignore[operator]
POSITIVE = Kind("a whole number, 1 or more", lambda value: _whole(value) and value >= 1)  # type: ignore[operator]
SECONDS = Kind(
    "a number of seconds, 0 or more",
    lambda value: _number(value) and value >= 0,  # type: ignore[operator]
)
SHIFT = Kind("a number of seconds, below 0 for earlier", _number)
YES = Kind("true", lambda value: value is True)
TEXT = Kind("a text", lambda value: isinstance(value, str))
OBJECT = Kind("a mapping", lambda value: isinstance(value, dict))
AMOUNT = Kind(
    "a number of bytes (below 0: so many before the end), half or all",
    lambda value: _whole(value) or value in ("half", "all"),
)
CODE = Kind("a status code, 200 to 599", lambda value: _whole(value) and 200 <= value <= 599)  # type: ignore[operator]
HEADERS = Kind(
    "a mapping of names to texts or numbers",
    lambda value: (
        isinstance(value, dict) and all(isinstance(v, str | int | float | None) for v in value.values())
    ),
)


@dataclass(frozen=True, slots=True)
class Takes:
    """`keys`, of which the first may stand alone as a bare value. `one_of`: of these exactly one must stand.
    `own`: the argument is itself the value of the only key, mapping or not."""

    keys: Mapping[str, Kind]
    one_of: tuple[str, ...] = ()
    own: bool = False

    @property
    def short(self) -> str:
        return next(iter(self.keys))

    def told(self, argument: Json) -> Mapping[str, Any]:
        """The argument as a mapping, whichever way it was written."""
        return argument if isinstance(argument, dict) and not self.own else {self.short: argument}

    def problems(self, argument: Json) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is wrong: where inside the argument, and what it must be."""
        if self.own or not isinstance(argument, dict):
            if not self.keys[self.short].fits(argument):
                yield (), f"must be {self._words()}"
            return
        for key, value in argument.items():
            if key not in self.keys:
                yield (key,), f"must not be here; known are {', '.join(self.keys)}"
            elif not self.keys[key].fits(value):
                yield (key,), f"must be {self.keys[key].words}"
        if self.one_of and sum(key in argument for key in self.one_of) != 1:
            yield (), f"must have exactly one of {', '.join(self.one_of)}"

    def _words(self) -> str:
        words = self.keys[self.short].words
        return (
            words if self.own or len(self.keys) == 1 else f"{words}; or a mapping of {', '.join(self.keys)}"
        )
