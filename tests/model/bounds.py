"""How far every history is followed: what may happen in each, and what they come to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from batchrun.model import Timing
from tests.model.explore import Explored, explore
from tests.model.machine import TIMING, Bounds, Model

SHM = Path("/dev/shm")


@dataclass(frozen=True)
class Scenario:
    """`size`: how many of the two requests one shard holds; an edit takes one away, and asks another."""

    name: str
    size: int
    bounds: Bounds
    timing: Timing = TIMING
    lag: int = 1
    depth: int | None = None
    """At most so many steps; None: all there are."""


WHOLE = (
    Scenario("two shards: a fault, a stranger, a decision", 1, Bounds(1, strangers=1, decisions=1)),
    Scenario("a shard of two: a fault, an edit, a stranger", 2, Bounds(1, edits=1, strangers=1)),
    Scenario("two shards: two faults", 1, Bounds(2)),
    Scenario("a shard of two: two faults, a stranger, a decision", 2, Bounds(2, strangers=1, decisions=1)),
    Scenario("a shard of two: three faults", 2, Bounds(3), depth=22),
    Scenario("two shards: a fault, an edit", 1, Bounds(1, edits=1)),
    Scenario("two shards: a cancel, a retry, an edit", 1, Bounds(0, 1, 1, 1), depth=22),
    Scenario("two shards: a fault, a cancel, a retry", 1, Bounds(1, cancels=1, retries=1), depth=20),
    Scenario("a shard of two: a fault, a cancel, a retry, an edit", 2, Bounds(1, 1, 1, 1), depth=14),
)
"""For `make model`."""

SAMPLE = (
    Scenario("two shards: a fault", 1, Bounds(1)),
    Scenario("a shard of two: a fault, a cancel", 2, Bounds(1, cancels=1), depth=20),
    Scenario("a shard of two: a fault, an edit, a stranger", 2, Bounds(1, edits=1, strangers=1), depth=10),
    Scenario("a shard of two: a cancel, a retry, an edit", 2, Bounds(0, 1, 1, 1), depth=12),
)
"""For `make test`."""


def follow(scenario: Scenario) -> Explored:
    first, second = frozenset({0, 1}), frozenset({1, 2})
    with tempfile.TemporaryDirectory(dir=SHM if os.access(SHM, os.W_OK) else None) as folder:
        model = Model(
            Path(folder), (first, second), scenario.size, scenario.bounds, scenario.timing, scenario.lag
        )
        return explore(model, depth=scenario.depth)


def follow_all(scenarios: Sequence[Scenario], *, processes: int) -> Iterator[tuple[Scenario, Explored]]:
    """In the order of the scenarios."""
    with ProcessPoolExecutor(processes) as pool:
        yield from zip(scenarios, pool.map(follow, scenarios), strict=True)


HEAD = (
    "| Histories | Depth | States | Not gone beyond | Transitions | Ends | Seconds |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def row(name: str, found: Explored) -> str:
    counts = (found.depth, found.states, found.open, found.transitions, found.ends)
    return f"| {name} | {' | '.join(f'{n:,}' for n in counts)} | {found.seconds:,.0f} |"
