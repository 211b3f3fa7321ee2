"""SIGKILL just before any line of the package that a run executes, in every scenario."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.trials.forks import Line, Moment
from tests.trials.rig import Attempt, Rig, Staged, in_memory
from tests.trials.scenarios import SCENARIOS, Scenario
from tests.trials.tally import Tally

SLICES = 4
SAMPLED = 7
"""Kills for each scenario in `make test`."""

OFTEN, EVERY = 3, 16
"""What a rerun finds is the same after most kills. The first OFTEN times it is rerun, then EVERY so many times."""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with in_memory() as rig:
        yield rig


@dataclass(frozen=True)
class Kill:
    """`cold`: by a process that has imported nothing of ours. `early`: before it touches anything."""

    moment: Moment
    cold: bool
    early: bool


def kills(rig: Rig, staged: Staged) -> list[Kill]:
    """The first time that a line runs after something was touched; by the scenario, also the first time at all,
    and the last time."""
    scenario = staged.scenario
    warm = rig.lines(staged)
    found = [Kill(moment, False, early) for line in warm for moment, early in hits(line, scenario)]
    if scenario.early:  # also what runs only in a process that imports
        inside = {(line.file, line.number) for line in warm}
        cold = [line for line in rig.lines(staged, cold=True) if (line.file, line.number) not in inside]
        found += [Kill(moment, True, early) for line in cold for moment, early in hits(line, scenario)]
    return found


def hits(line: Line, scenario: Scenario) -> list[tuple[Moment, bool]]:
    numbers = {line.before + 1} if line.before < line.count else set()
    numbers |= {1} if scenario.early else set()
    numbers |= {line.count} if scenario.last else set()
    return [(Moment(line.file, line.number, hit), hit <= line.before) for hit in sorted(numbers)]


def strike(rig: Rig, attempt: Attempt, staged: Staged, kill: Kill) -> bool:
    """Whether the process came to that line; else it went on to its end, which is fine, too."""
    ran = rig.run(attempt, *staged.scenario.struck, at=kill.moment, cold=kill.cold)
    attempt.check(ran, json=True)
    return ran.code == -9


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_killed_at_some_lines(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    late = [kill for kill in kills(rig, staged) if not kill.early]
    with tally(f"SIGKILL at a line, a sample: {scenario.name}") as campaign:
        for number in range(SAMPLED):
            kill = late[len(late) * number // SAMPLED]
            with campaign.trial(str(kill.moment)), rig.trial(staged) as attempt:
                strike(rig, attempt, staged, kill)
                rig.again(attempt)


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_killed_at_every_line(scenario: Scenario, part: int, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    mine = [kill for kill in kills(rig, staged) if zlib.crc32(str(kill.moment).encode()) % SLICES == part]
    missed, found = 0, Counter[object]()
    with tally(f"SIGKILL at every line: {scenario.name}") as campaign:
        for kill in mine:
            with campaign.trial(str(kill.moment)), rig.trial(staged) as attempt:
                before = attempt.listing()
                if not strike(rig, attempt, staged, kill):
                    missed += 1
                elif kill.early:
                    assert attempt.listing() == before
                    continue
                shape = attempt.shape()
                found[shape] += 1
                if found[shape] <= OFTEN or found[shape] % EVERY == 0:
                    rig.again(attempt)
    assert missed < len(mine) / 20, f"{missed} of {len(mine)} lines were not reached"
