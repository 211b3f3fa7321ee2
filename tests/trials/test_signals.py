"""Signals before every effect of a run, and in its sleeps: one, or a second one on its heels."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.trials.forks import Strike
from tests.trials.remote import json_lines
from tests.trials.rig import Attempt, Rig, Staged, in_memory
from tests.trials.scenarios import NO_WAIT, PLAIN, RUN, SCENARIOS, Scenario
from tests.trials.tally import Tally
from tests.workbench import Ran

SAMPLED = 4
HARMLESS = "PIPE"
STRUCK = [
    ("INT",),
    ("TERM",),
    ("HUP",),
    ("INT", "INT"),
    ("TERM", "INT"),
    ("HUP", "TERM"),
    ("PIPE", "PIPE"),
    ("TERM", "PIPE"),
]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with in_memory() as rig:
        yield rig


def told(ran: Ran, signals: tuple[str, ...]) -> None:
    """It was done already; or it says what happened and how to go on, once; or the signal came before or after
    anything could be lost, and had its usual effect."""
    signals = tuple(name for name in signals if name != HARMLESS)
    numbers = [signal.Signals[f"SIG{name}"] for name in signals]
    assert ran.code in (0, 3, *(128 + n for n in numbers), *(-n for n in numbers)), ran
    assert ran.stderr.count("error: ") <= 1, ran
    if "error: " in ran.stderr:
        assert signals, ran
        assert "; the state is saved, and submitted batches go on\n" in ran.stderr
        assert "hint: carry on: batchrun run batch.yaml\n" in ran.stderr


def interrupt(rig: Rig, attempt: Attempt, staged: Staged, effect: int, signals: tuple[str, ...]) -> None:
    ran, _ = rig.struck(attempt, *staged.scenario.struck, strike=Strike(effect, signals=signals))
    attempt.check(ran)
    told(ran, signals)
    rig.again(attempt)


def sampled(effects: int, kind: int, kinds: int) -> list[int]:
    """Some of the effects, others for each kind."""
    return [1 + (number * kinds + kind) * effects // (SAMPLED * kinds) for number in range(SAMPLED)]


@pytest.mark.parametrize("signals", STRUCK, ids="-".join)
def test_signals_at_some_moments(signals: tuple[str, ...], rig: Rig, tally: Tally) -> None:
    staged = rig.stage(SCENARIOS[0])
    with tally(f"SIG{' and SIG'.join(signals)} before an effect, a sample") as campaign:
        for effect in sampled(rig.effects(staged), STRUCK.index(signals), len(STRUCK)):
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
        for effect in range(1, rig.effects(staged) + 1):
            with campaign.trial(f"{scenario.name}, effect {effect}"), rig.trial(staged) as attempt:
                interrupt(rig, attempt, staged, effect, signals)


# ---- between two polls -----------------------------------------------------------------------------

POLLING = Scenario("long polling", before=[(NO_WAIT, None)], seconds=12, spec={"poll": {"interval": "300ms"}})
NAPS = range(1, 4)


def polls(attempt: Attempt) -> int:
    return [call["call"] for call in json_lines(attempt.api / "calls.jsonl")].count("retrieve")


def interrupt_nap(rig: Rig, attempt: Attempt, nap: int, signals: tuple[str, ...]) -> None:
    """It leaves at once; nothing is asked of the API any more."""
    before = polls(attempt)
    ran, _ = rig.struck(attempt, *POLLING.struck, strike=Strike(nap=nap, signals=signals))
    attempt.check(ran)
    told(ran, signals)
    if signals[0] == HARMLESS:
        assert ran.code == 0, ran
    else:
        assert ran.code in (128 + signal.Signals[f"SIG{name}"] for name in signals), ran
        assert polls(attempt) - before == nap
    rig.again(attempt)


@pytest.mark.parametrize("signals", [("INT",), ("TERM", "INT"), ("PIPE",)], ids="-".join)
def test_signals_between_two_polls(signals: tuple[str, ...], rig: Rig, tally: Tally) -> None:
    staged = rig.stage(POLLING)
    with (
        tally(f"SIG{' and SIG'.join(signals)} between two polls, a sample") as campaign,
        campaign.trial("nap 2"),
        rig.trial(staged) as attempt,
    ):
        interrupt_nap(rig, attempt, 2, signals)


@pytest.mark.campaign
@pytest.mark.parametrize("signals", [("PIPE",), *STRUCK], ids="-".join)
def test_signals_between_any_two_polls(signals: tuple[str, ...], rig: Rig, tally: Tally) -> None:
    staged = rig.stage(POLLING)
    with tally(f"SIG{' and SIG'.join(signals)} between two polls") as campaign:
        for nap in NAPS:
            with campaign.trial(f"nap {nap}"), rig.trial(staged) as attempt:
                interrupt_nap(rig, attempt, nap, signals)


# ---- streams that nobody reads any more ------------------------------------------------------------

DEAF = [(1,), (2,), (1, 2)]
NAMES = {1: "stdout", 2: "stderr"}


def hang_up(rig: Rig, attempt: Attempt, staged: Staged, effect: int, deaf: tuple[int, ...]) -> None:
    """The job goes on to its end; that its answer could not be told, the exit code tells."""
    ran, _ = rig.struck(attempt, *staged.scenario.struck, strike=Strike(effect, deaf=deaf))
    attempt.check(ran)
    assert ran.code in ((0, 3, 128 + signal.SIGPIPE) if 1 in deaf else (0, 3)), ran
    if staged.scenario.struck in (PLAIN, RUN):
        attempt.check_done()
    rig.again(attempt)


def named(deaf: tuple[int, ...]) -> str:
    return " and ".join(NAMES[stream] for stream in deaf)


@pytest.mark.parametrize("deaf", DEAF, ids=named)
def test_nobody_reads_at_some_moments(deaf: tuple[int, ...], rig: Rig, tally: Tally) -> None:
    staged = rig.stage(SCENARIOS[0])
    with tally(f"nobody reads {named(deaf)} any more, a sample") as campaign:
        for effect in sampled(rig.effects(staged), DEAF.index(deaf), len(DEAF)):
            with campaign.trial(f"effect {effect}"), rig.trial(staged) as attempt:
                hang_up(rig, attempt, staged, effect, deaf)


@pytest.mark.campaign
@pytest.mark.parametrize("deaf", DEAF, ids=named)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_nobody_reads_at_any_moment(
    scenario: Scenario, deaf: tuple[int, ...], rig: Rig, tally: Tally
) -> None:
    staged = rig.stage(scenario)
    with tally(f"nobody reads {named(deaf)} any more, before every effect") as campaign:
        for effect in range(1, rig.effects(staged) + 1):
            with campaign.trial(f"{scenario.name}, effect {effect}"), rig.trial(staged) as attempt:
                hang_up(rig, attempt, staged, effect, deaf)
