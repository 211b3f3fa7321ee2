"""Signals before every effect of a run: one, or a second one on its heels."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.trials.rig import Attempt, Rig, Staged, in_memory
from tests.trials.scenarios import SCENARIOS, Scenario
from tests.trials.tally import Tally
from tests.workbench import Ran

NEVER = 1_000_000
SAMPLED = 5
STRUCK = [("INT",), ("TERM",), ("HUP",), ("INT", "INT"), ("TERM", "INT"), ("HUP", "TERM")]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with in_memory() as rig:
        yield rig


def effects(rig: Rig, staged: Staged) -> int:
    with rig.trial(staged) as attempt:
        ran, count = rig.struck(attempt, *staged.scenario.struck, effect=NEVER)
        assert ran.code == 0, ran
    return count


def told(ran: Ran, signals: tuple[str, ...]) -> None:
    """It was done already; or it says what happened and how to go on, once; or the signal came before or after
    anything could be lost, and had its usual effect."""
    numbers = [signal.Signals[f"SIG{name}"] for name in signals]
    assert ran.code in (0, 3, *(128 + n for n in numbers), *(-n for n in numbers)), ran
    assert ran.stderr.count("error: ") <= 1, ran
    if "error: " in ran.stderr:
        assert "; the state is saved, and submitted batches go on\n" in ran.stderr
        assert "hint: carry on: batchrun run batch.yaml\n" in ran.stderr


def interrupt(rig: Rig, attempt: Attempt, staged: Staged, effect: int, signals: tuple[str, ...]) -> None:
    ran, _ = rig.struck(attempt, *staged.scenario.struck, effect=effect, signals=signals)
    attempt.check(ran)
    told(ran, signals)
    rig.again(attempt)


@pytest.mark.parametrize("signals", STRUCK, ids="-".join)
def test_signals_at_some_moments(signals: tuple[str, ...], rig: Rig, tally: Tally) -> None:
    staged = rig.stage(SCENARIOS[0])
    count = effects(rig, staged)
    first = STRUCK.index(signals)  # each at moments of its own
    with tally(f"SIG{' and SIG'.join(signals)} before an effect, a sample") as campaign:
        for number in range(SAMPLED):
            effect = 1 + (number * len(STRUCK) + first) * count // (SAMPLED * len(STRUCK))
            with campaign.trial(f"effect {effect}"), rig.trial(staged) as attempt:
                interrupt(rig, attempt, staged, effect, signals)


@pytest.mark.campaign
@pytest.mark.parametrize("signals", STRUCK, ids="-".join)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_signals_at_every_moment(
    scenario: Scenario, signals: tuple[str, ...], rig: Rig, tally: Tally
) -> None:
    staged = rig.stage(scenario)
    with tally(f"SIG{' and SIG'.join(signals)} before every effect") as campaign:
        for effect in range(1, effects(rig, staged) + 1):
            with campaign.trial(f"{scenario.name}, effect {effect}"), rig.trial(staged) as attempt:
                interrupt(rig, attempt, staged, effect, signals)
