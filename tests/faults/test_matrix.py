"""The matrix of faults × calls: each cell a whole job in played time, held against the promises."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.faults.cases import CALLS, OTHERS, Case, answers
from tests.faults.world import World
from tests.trials.tally import Tally

SLICES = 8


def attempt(case: Case, folder: Path, make_simulator: MakeSimulator) -> None:
    folder.mkdir(exist_ok=True)
    world = World(folder, make_simulator)
    try:
        end = world.under(*case.faults)
        assert (end, world.accepted()) == (case.end, case.accepted), f"{case.name}: {case.faults}"
    finally:
        world.close()


SAMPLE = [
    *chain(*(list(answers(call))[2 * place :: 4 * len(CALLS)] for place, call in enumerate(CALLS))),
    *(case for case in OTHERS[::3] if "gigabyte" not in case.name and "without end" not in case.name),
]
"""Every answer about once, each at another call, and a third of the others."""


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_sample(case: Case, tmp_path: Path, make_simulator: MakeSimulator) -> None:
    attempt(case, tmp_path, make_simulator)


def campaign(
    name: str, cases: Sequence[Case], tally: Tally, folder: Path, make_simulator: MakeSimulator
) -> None:
    with tally(name) as trials:
        for number, case in enumerate(cases):
            with trials.trial(case.name):
                attempt(case, folder / str(number), make_simulator)


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("call", CALLS)
def test_every_answer(
    call: str, part: int, tally: Tally, tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    cases = list(answers(call))[part::SLICES]
    campaign(f"faults: answers to {call}", cases, tally, tmp_path, make_simulator)


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(SLICES))
def test_everything_else(part: int, tally: Tally, tmp_path: Path, make_simulator: MakeSimulator) -> None:
    campaign(
        "faults: what is accepted, shown and served", OTHERS[part::SLICES], tally, tmp_path, make_simulator
    )


def test_names_are_unique() -> None:
    names = [case.name for case in chain(OTHERS, *(answers(call) for call in CALLS))]
    assert len(names) == len(set(names)) > 800
