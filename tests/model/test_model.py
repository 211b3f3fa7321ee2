"""A sample of every history, and the explorer itself: it finds what is broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchrun.lifecycle.state import Phase
from tests.model.api import TICK
from tests.model.bounds import SAMPLE, Scenario, follow
from tests.model.choices import Choices, every
from tests.model.explore import explore
from tests.model.machine import TIMING, Bounds, Model, ModelEngine, World
from tests.model.promises import broken_between
from tests.model.times import Canon
from tests.states import NOW, active, state


@pytest.mark.parametrize("scenario", SAMPLE, ids=lambda s: s.name)
def test_no_history_breaks_a_promise(scenario: Scenario) -> None:
    found = follow(scenario)
    assert not found.faults, found.faults[0]
    assert found.states > 100
    assert found.ends > 10
    assert found.open < found.states / 2


def test_every_choice_is_made_once() -> None:
    def step(choices: Choices) -> tuple[str, ...]:
        first = choices.pick("first", ["a", "b"], ["fault"])
        return (first, choices.pick("second", ["c"], ["other fault"])) if first != "b" else (first,)

    assert [said for _, said in every(1, step)] == [
        ("a", "c"), ("a", "other fault"), ("b",), ("fault", "c"),
    ]  # fmt: skip


def test_a_listing_later_than_all_that_is_waited_for_is_found() -> None:
    """The server's promise that is relied upon: without it the tool pays twice, and the explorer says so."""
    late = Scenario("late", 1, Bounds(1), lag=3)
    [fault] = follow(late).faults
    assert "accepted, and no shard says so" in fault.what
    assert fault.history[0] == "Submit; create: reply lost, listed late"


def test_a_policy_that_is_too_hasty_is_found() -> None:
    """One listing proves nothing where the next may show the batch."""
    hasty = Scenario("hasty", 1, Bounds(1), timing=replace(TIMING, reconcile_listings=1, reconcile_over=0.0))
    [fault] = follow(hasty).faults
    assert "accepted, and no shard says so" in fault.what


class Timeless(Model):
    """Where the clock stands still."""

    def _later(self, world: World, seconds: float) -> World:
        return world


class Forgetful(Model):
    """Where a crash takes back what was saved, as a disk without fsync does."""

    def _again(self, engine: ModelEngine, world: World) -> None:
        engine.store.save(replace(world.state, shards=()))


@pytest.mark.parametrize(
    ("kind", "what"),
    [(Timeless, "nothing leads on to an end"), (Forgetful, "accepted, and no shard says so")],
)
def test_what_is_broken_on_purpose_is_found(kind: type[Model], what: str, tmp_path: Path) -> None:
    rows = (frozenset({0, 1}),)
    [fault, *_] = explore(kind(tmp_path / "model", rows, 1, Bounds(1))).faults
    assert what in fault.what


def test_a_step_that_takes_back_or_goes_on_against_the_will_is_seen() -> None:
    done = World(state(active(Phase.FETCHED)), Bounds(0))
    lost = replace(done, state=state(active(Phase.ENDED)))
    canceled = replace(lost, state=replace(lost.state, canceled=True))
    assert not list(broken_between(lost, done))
    assert list(broken_between(done, lost)) == ["shard 0001 was fetched, and is not any more"]
    assert list(broken_between(canceled, replace(canceled, posted=("n",)))) == ["a canceled job submits"]


def test_time_is_relative() -> None:
    canon = Canon()
    shard = active(Phase.SUBMITTED, due=NOW + TICK)
    [later] = canon.aged(state(shard), TICK).shards
    assert later.due == NOW
    assert later.batch is not None
    assert later.batch.created_at.timestamp() == NOW - TICK
    [again] = canon.aged(canon.aged(state(shard)), TICK).shards
    assert again is later
