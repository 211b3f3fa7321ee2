"""A slice of the fuzzer with a fixed seed; `make crash` runs a long one, `make fuzz` any other."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.mutate import MAX_SIZE, mutated
from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, case_number
from tests.trials.tally import Tally

SLICE, LONG = 50, 10_000


@pytest.mark.parametrize("target", TARGETS)
def test_only_typed_errors(target: str) -> None:
    assert fuzz(target, seed=1, first=0, count=SLICE) == []


@pytest.mark.campaign
@pytest.mark.parametrize("target", TARGETS)
def test_only_typed_errors_for_long(target: str, tally: Tally) -> None:
    with tally(f"Fuzzed {target}: only typed errors, in bounded time and memory") as campaign:
        for first in range(0, LONG, 500):
            found = {one.number: one.fault for one in fuzz(target, seed=2, first=first, count=500)}
            for number in range(first, first + 500):
                with campaign.trial(f"case {number}"):
                    assert number not in found, found[number]


def test_a_case_is_the_same_each_time() -> None:
    assert case_number("spec", 1, 7) == case_number("spec", 1, 7) != case_number("spec", 1, 8)


def test_mutations_stay_small() -> None:
    random = Random(1)
    assert all(len(mutated(b"a: b\n", [b"x" * 50_000], random)) <= MAX_SIZE for _ in range(500))
