"""What is wrong with a spec, collected over several checks and told once, in file order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from batchrun.errors import MissingTexts, Problem, SpecError
from batchrun.model import Place
from batchrun.requests.params import dotted

Steps: TypeAlias = tuple[str | int, ...]
"""The way from the root of a document to one of its values: keys and indices."""


class Mark(NamedTuple):
    """A position in the text, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """As `errors.Problem`, before it has the file's name; ordered by where it stands."""

    mark: Mark
    message: str
    hint: str = ""
    field: str = ""
    awaited: bool = False
    """A file is not there: it may still come."""


@dataclass(slots=True)
class Faults:
    """A collector. Once something is wrong at `steps`, checks that come later can ask and keep quiet about
    what follows from it: one typo, one error."""

    file: str
    values: Mapping[Steps, Mark] = field(default_factory=dict)
    keys: Mapping[Steps, Mark] = field(default_factory=dict)
    errors: set[Fault] = field(default_factory=set)
    warnings: set[Fault] = field(default_factory=set)
    retired: set[Fault] = field(default_factory=set)
    """What is wrong only with requests that have still to be sent."""
    _broken: set[Steps] = field(default_factory=set)
    _broken_in: dict[Steps, set[str]] = field(default_factory=dict)
    _incomplete: set[Steps] = field(default_factory=set)

    def at_value(self, steps: Steps, text: str, hint: str = "", *, warning: bool = False) -> None:
        """`text` says what is wrong with the value at `steps`: 'must be …'."""
        text = text if steps else f"the spec {text}"
        self._add(steps, Fault(self.mark_of(steps), text, hint, dotted(steps)), warning)

    def at_retired(self, steps: Steps, text: str, hint: str) -> None:
        """The value at `steps` names a model that is not there any more."""
        self.retired.add(Fault(self.mark_of(steps), text, hint, dotted(steps)))

    def no_file(self, steps: Steps, message: str, hint: str) -> None:
        """The value at `steps` names a file that is not there."""
        fault = Fault(self.mark_of(steps), message, hint, dotted(steps), awaited=True)
        self._add(steps, fault, warning=False)

    def at_key(self, steps: Steps, message: str, hint: str = "") -> None:
        """`message` says what is wrong with the key that ends `steps`, and names it."""
        mark = self.keys.get(steps) or self.mark_of(steps)
        self._add(steps, Fault(mark, message, hint, dotted(steps[:-1])), warning=False)

    def missing(self, steps: Steps, hint: str = "") -> None:
        """The key that ends `steps` has to be there; told at the key that holds the mapping."""
        owner = steps[:-1]
        if owner in self._incomplete or self.is_told(steps):
            return
        mark = self.keys.get(owner) or self.mark_of(owner)
        self._add(steps, Fault(mark, f"'{steps[-1]}' is missing", hint, dotted(owner)), warning=False)

    def at_mark(self, mark: Mark, message: str, hint: str, steps: Steps) -> None:
        """For what has a position but no value of its own, such as the second of two equal keys."""
        self.errors.add(Fault(mark, message, hint, dotted(steps)))

    def excuse(self, steps: Steps) -> None:
        """What stands (or should stand) at `steps` follows from a fault already told."""
        self._broken.add(steps)
        if steps:
            self._broken_in.setdefault(steps[:-1], set()).add(str(steps[-1]))

    def excuse_missing(self, steps: Steps) -> None:
        """The mapping at `steps` has keys that could not be read: what seems to be missing may be there."""
        self._incomplete.add(steps)

    def told_keys(self, steps: Steps) -> set[str]:
        """The keys of the mapping at `steps` that something was told of, or that should have been there."""
        return self._broken_in.get(steps, set())

    def is_told(self, steps: Steps) -> bool:
        """Whether `steps`, or something it lies in, is already known to be wrong."""
        return any(steps[:end] in self._broken for end in range(len(steps) + 1))

    def mark_of(self, steps: Steps) -> Mark:
        """Where the value stands, or the nearest thing around it that stands somewhere."""
        while steps and steps not in self.values:
            steps = steps[:-1]
        return self.values.get(steps, Mark(1, 1))

    def place(self, mark: Mark) -> Place:
        return Place(self.file, mark.line, mark.column)

    def raise_errors(self) -> None:
        """Raises SpecError with every error, in file order, when there is one."""
        if self.errors:
            kind = MissingTexts if all(fault.awaited for fault in self.errors) else SpecError
            raise kind(self.problems(self.errors))

    def problems(self, faults: set[Fault]) -> tuple[Problem, ...]:
        """In file order. What stands behind several aliases is told once."""
        found: dict[tuple[Mark, str], Fault] = {}
        for fault in sorted(faults):
            found.setdefault((fault.mark, fault.message), fault)
        return tuple(Problem(f.message, str(self.place(f.mark)), f.hint, f.field) for f in found.values())

    def _add(self, steps: Steps, fault: Fault, warning: bool) -> None:
        if warning:
            self.warnings.add(fault)
        else:
            self.errors.add(fault)
            self.excuse(steps)
