"""Every state that can be reached, breadth first: what is broken there, and from where nothing leads to an end."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from batchrun.lifecycle.state import RunState
from tests.model.machine import Model, Step, World
from tests.model.promises import at_an_end, broken, broken_between, survives_saving


@dataclass(frozen=True)
class Fault:
    """What does not hold, and the shortest way there."""

    what: str
    history: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {number}. {name}" for number, name in enumerate(self.history, 1))
        return f"{self.what}, after\n{steps}"


@dataclass
class Explored:
    states: int = 0
    transitions: int = 0
    depth: int = 0
    ends: int = 0
    seconds: float = 0.0
    open: int = 0
    """States at the bound of depth: what follows them was not looked at."""
    faults: list[Fault] = field(default_factory=list)


@dataclass
class _Graph:
    """The states by number: where each came from, and the ordinary steps between them."""

    model: Model
    numbers: dict[bytes, int] = field(default_factory=dict)
    came_from: list[tuple[int, str]] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    before: list[list[int]] = field(default_factory=list)
    """From where an ordinary step leads here."""
    ends: list[int] = field(default_factory=list)
    open: list[int] = field(default_factory=list)

    def add(self, world: World, parent: int, name: str) -> tuple[int, bool]:
        key = _digest(self.model, world)
        number = self.numbers.setdefault(key, len(self.numbers))
        if number < len(self.came_from):
            return number, False
        self.came_from.append((parent, name))
        self.depth.append(self.depth[parent] + 1 if parent >= 0 else 0)
        self.before.append([])
        return number, True

    def history(self, number: int) -> tuple[str, ...]:
        names = []
        while number > 0:
            number, name = self.came_from[number]
            names.append(name)
        return tuple(reversed(names))

    def stranded(self) -> Iterator[int]:
        """The states from which no ordinary steps lead to an end, or past the bound."""
        reached = bytearray(len(self.came_from))
        rest = [*self.ends, *self.open]
        while rest:
            number = rest.pop()
            if not reached[number]:
                reached[number] = 1
                rest += self.before[number]
        return (number for number, there in enumerate(reached) if not there)


def _digest(model: Model, world: World) -> bytes:
    state = world.state
    others = (world.left, world.remotes, sorted(world.files), world.edits, world.accepted, world.posted)
    whole = (model.canon.numbers(state), _rest(state), others)
    return hashlib.blake2b(repr(whole).encode(), digest_size=16).digest()


def _rest(state: RunState) -> tuple[object, ...]:
    """What differs from state to state beside the shards."""
    rows = state.expansion and state.expansion.rows_sha256
    there = [value is not None for value in (state.collected, state.written, state.writing)]
    return (state.canceled, rows, *there, len(state.prices))


def explore(model: Model, *, depth: int | None = None, faults: int = 1) -> Explored:
    """All that can be reached from the model's first state in so many steps, until so many `faults` are found."""
    found, graph, began = Explored(), _Graph(model), time.monotonic()
    judge = _Judge(model)
    first = model.first()
    graph.add(first, -1, "")
    rest = deque([(0, first)])
    while rest and len(found.faults) < faults:
        number, world = rest.popleft()
        if at_an_end(world, model.policy):
            graph.ends.append(number)
        if graph.depth[number] == depth:
            graph.open.append(number)
            continue
        for step in _steps(graph, number, world, found):
            found.transitions += 1
            there, new = graph.add(step.world, number, step.name)
            if step.usual:
                graph.before[there].append(number)
            wrong = list(broken_between(world, step.world))
            found.faults += [Fault(text, (*graph.history(number), step.name)) for text in wrong]
            if new:
                found.faults += [Fault(text, graph.history(there)) for text in judge.faults(step.world)]
                rest.append((there, step.world))
    if not found.faults:
        nowhere = [Fault("nothing leads on to an end", graph.history(n)) for n in graph.stranded()]
        found.faults += nowhere[:faults]
    found.states, found.depth, found.ends = len(graph.came_from), max(graph.depth), len(graph.ends)
    found.open = len(graph.open)
    found.seconds = time.monotonic() - began
    return found


def _steps(graph: _Graph, number: int, world: World, found: Explored) -> Iterator[Step]:
    try:
        yield from graph.model.steps(world)
    except AssertionError as error:
        found.faults.append(Fault(str(error), graph.history(number)))


class _Judge:
    """Looks at every state; and that it survives being saved, wherever a part of it was not seen before."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._saved: set[object] = set()

    def faults(self, world: World) -> Iterator[str]:
        yield from broken(world, self._model.policy, self._model.rows[world.edits])
        parts = {*self._model.canon.numbers(world.state), _rest(world.state)}
        if not parts <= self._saved:
            self._saved |= parts
            if not survives_saving(world):
                yield "the state is not the same once it is saved"
