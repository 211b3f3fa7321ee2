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
    states: int | None = None
    """At most so many; None: all there are."""


WHOLE = (
    Scenario("two shards, two faults", 1, Bounds(2)),
    Scenario("two shards, a fault, a cancel and a retry", 1, Bounds(1, cancels=1, retries=1)),
    Scenario("two shards, a fault and an edit", 1, Bounds(1, edits=1)),
    Scenario("two shards, a fault, a stranger and a decision", 1, Bounds(1, strangers=1, decisions=1)),
    Scenario("a shard of two, two faults, a stranger and a decision", 2, Bounds(2, strangers=1, decisions=1)),
    Scenario("a shard of two, a fault, a cancel, a retry and an edit", 2, Bounds(1, 1, 1, 1)),
)
"""For `make model`."""

SAMPLE = (
    Scenario("two shards, a fault", 1, Bounds(1)),
    Scenario("a shard of two, a fault, a cancel", 2, Bounds(1, cancels=1)),
    Scenario("a shard of two, a retry and an edit", 2, Bounds(0, retries=1, edits=1)),
)
"""For `make test`."""


def follow(scenario: Scenario) -> Explored:
    first, second = frozenset({0, 1}), frozenset({1, 2})
    with tempfile.TemporaryDirectory(dir=SHM if os.access(SHM, os.W_OK) else None) as folder:
        model = Model(
            Path(folder), (first, second), scenario.size, scenario.bounds, scenario.timing, scenario.lag
        )
        return explore(model, states=scenario.states)


def follow_all(scenarios: Sequence[Scenario], *, processes: int) -> Iterator[tuple[Scenario, Explored]]:
    """In the order of the scenarios."""
    with ProcessPoolExecutor(processes) as pool:
        yield from zip(scenarios, pool.map(follow, scenarios), strict=True)


def row(name: str, found: Explored) -> str:
    return f"| {name} | {found.states:,} | {found.depth} | {found.transitions:,} | {found.ends:,} | {found.seconds:,.0f} |"


HEAD = (
    "| Histories | States | Depth | Transitions | Ends | Seconds |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
)
