"""What may happen next, gone through one by one: a step asks at every turn, and is run again for every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """The answers to the questions of one step: those given first, and from then on the first that is offered.

    What is usual may happen at any time. A fault takes one of those that are `left`.
    """

    def __init__(self, left: int, given: Sequence[int] = ()) -> None:
        self.left = left
        self.faults = 0
        self.said: list[str] = []
        """What was out of the ordinary, and what was a free choice: a step's name in a history."""
        self._given = given
        self.taken: list[int] = []
        self.widths: list[int] = []

    def pick(self, question: str, usual: Sequence[str], faults: Sequence[str] = ()) -> str:
        options = [*usual, *(faults if self.faults < self.left else ())]
        place = len(self.taken)
        chosen = self._given[place] if place < len(self._given) else 0
        self.taken.append(chosen)
        self.widths.append(len(options))
        if chosen >= len(usual):
            self.faults += 1
        if chosen:
            self.said.append(f"{question}: {options[chosen]}")
        return options[chosen]

    def following(self) -> list[int] | None:
        """The answers that nobody gave yet, after these; None when all were given."""
        for place in reversed(range(len(self.taken))):
            if self.taken[place] + 1 < self.widths[place]:
                return [*self.taken[:place], self.taken[place] + 1]
        return None


def every(left: int, step: Callable[[Choices], T]) -> Iterator[tuple[Choices, T]]:
    """Run a step once for each way in which it can go."""
    given: list[int] | None = []
    while given is not None:
        choices = Choices(left, given)
        yield choices, step(choices)
        given = choices.following()
