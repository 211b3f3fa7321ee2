"""The situations in which a run is struck, and how each comes about (docs/reliability.md).

A scenario is brought about once, by undisturbed runs or by one that dies at a chosen line, and copied for every
trial. The simulator's clock moves by itself a little with every look at it, so that batches end and listings lie
apart without anybody waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import batchrun
from tests.trials.forks import Moment

TICK = 0.4
"""Seconds by which each look moves the simulator's clock; a call looks about five times."""

PACKAGE = Path(batchrun.__file__).parent
RUN = ("run", "--json")
PLAIN = ("run",)
"""Takes the job's lock before the command line is parsed (`fastpath.quick`)."""

OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}


@dataclass(frozen=True)
class Scenario:
    """`before`: the commands that lead to it, each with the line at which it dies, or None; a number says how
    many rows there are from then on. `struck`: the command that the trial disturbs. `seconds`: how long a batch
    takes. `results`: what becomes of requests, as in a scenario file. `early`: strike before anything is touched,
    too, also while modules are imported; that is the same everywhere. `last`: strike at the last time a line runs, too."""

    name: str
    rows: int = 3
    before: Sequence[tuple[Sequence[str], Moment | None] | int] = ()
    struck: Sequence[str] = RUN
    seconds: float = 0.0
    results: Sequence[Mapping[str, Any]] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)
    early: bool = False
    last: bool = False


def before(file: str, text: str) -> Moment:
    """The moment before the one line of `file` that contains `text`."""
    lines = (PACKAGE / file).read_text().splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if text in line]
    return Moment(file, number)


NO_WAIT = ("run", "--no-wait")
SEEN = before("run/engine.py", "yield events.Polled(shard.id, polled.batch")
SHARDS = {"limits": {"batch_requests": 2, "max_cost_usd": 5}}

SCENARIOS = (
    Scenario("one shard", struck=PLAIN, early=True),
    Scenario("three shards", rows=6, spec=SHARDS, last=True),
    Scenario("resume polling", before=[(NO_WAIT, None)], struck=PLAIN, seconds=12),
    Scenario("download", before=[(RUN, SEEN)], rows=4, spec=SHARDS),
    Scenario(
        "retry of failed rows",
        before=[(RUN, before("run/engine.py", "yield retry_rows("))],
        results=[{"match": "word 2", "type": "errored", "error": OVERLOADED, "times": 1}],
    ),
    Scenario("cancel", before=[(NO_WAIT, None)], struck=("cancel", "--json"), seconds=40),
    Scenario("adoption", before=[(RUN, before("run/engine.py", "yield events.SubmitAccepted("))]),
    Scenario(
        "a POST that never left", before=[(RUN, before("run/engine.py", "batch = self.provider.create("))]
    ),
    Scenario("incremental rerun", before=[(RUN, None), 5]),
)
