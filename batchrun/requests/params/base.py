"""What the rules about `params` share: values known per row only, a problem, and the call looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from batchrun.cost.models import Facts

STRICT_VERSION = "2026-10-21"
"""The `anthropic-version` that took away the parameters named in api-facts §1.1."""


def dotted(steps: tuple[str | int, ...]) -> str:
    """`messages[0].role`, as people write a path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


class Dynamic:
    """A value that is only known per row. `tail` is the end of a text that no row changes."""

    __slots__ = ("tail",)

    def __init__(self, tail: str = "") -> None:
        self.tail = tail

    def __repr__(self) -> str:
        return "DYNAMIC"


DYNAMIC: Final = Dynamic()
"""One of which nothing is known."""

Steps: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ParamProblem:
    """`message` says something of the value at `path`, and reads well behind it: 'must be at least 1'."""

    path: Steps
    message: str
    hint: str = ""
    warning: bool = False
    retired: bool = False
    """The model is not there any more: an error for what would be sent, and no more than a warning for the rest."""


@dataclass(frozen=True, slots=True)
class Call:
    """The request as a whole, which single rules look at. `facts` is None for an unknown model."""

    params: Mapping[str, object]
    facts: Facts | None
    api_version: str
    betas: Sequence[str]
    today: date | None

    @property
    def model(self) -> str:
        """The model's name as it was written."""
        return str(self.params.get("model"))


def missing(key: str) -> ParamProblem:
    return ParamProblem((key,), "is missing", "every request needs model, max_tokens and messages")
