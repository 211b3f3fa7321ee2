"""A create whose reply is lost, in workspaces where the list alone would mislead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeSimulator
from tests.faults.cases import LOST
from tests.faults.world import DAY, World
from tests.simulator.helpers import Client
from tests.workbench import HURRIED, Bench

NEVER_LEFT = "create: {reset: {request: all}}"
UNCOUNTED = "any: {on: [list, retrieve], counts: {processing: 0}, times: 0}"
HOUR = 3600


@pytest.fixture
def world(tmp_path: Path, make_simulator: MakeSimulator) -> World:
    return World(tmp_path, make_simulator)


def others(world: World, *sizes: int, clock: float = 0) -> list[str]:
    """Batches of somebody else in the workspace, of so many requests, taken by a server whose clock is off."""
    world.set(f"create: {{skew: {clock}, times: 0}}")
    params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    with Client(world.simulator) as client:
        made = [
            client.create(*({"custom_id": f"stranger-{n}", "params": params} for n in range(size)))
            for size in sizes
        ]
    world.set()
    return [batch["id"] for batch in made]


@pytest.mark.parametrize("ahead", [61, 600, HOUR, DAY, -HOUR])
def test_behind_a_batch_that_is_dated_otherwise(world: World, ahead: float) -> None:
    """Two servers with clocks of their own, or a gateway that reports local time at the end of summer time."""
    others(world, 1, 3, clock=ahead)
    assert world.under(LOST) == "0"
    assert world.accepted() == 1


@pytest.mark.parametrize("behind", [61, HOUR, DAY])
def test_dated_before_all_that_was_there(world: World, behind: float) -> None:
    others(world, 1, 3)
    world.time.now += 5
    assert world.under(f"create: {{skew: -{behind}}}", LOST) == "0"
    assert world.accepted() == 1


@pytest.mark.parametrize("ahead", [600, DAY, -HOUR])
def test_what_never_left_is_sent_again_beside_them(world: World, ahead: float) -> None:
    others(world, 1, 3, clock=ahead)
    assert world.under(NEVER_LEFT) == "0"
    assert world.accepted() == 1


def test_more_batches_than_a_page_are_dated_ahead(world: World) -> None:
    others(world, 3, 3)
    world.time.now += HOUR
    others(world, *[3] * 100, clock=2 * HOUR)
    world.time.now += 120
    assert world.under(LOST) == "0"
    assert world.accepted() == 1


# ---- specs that are in a hurry


@pytest.mark.parametrize(
    "hurry", [{"listings": 1, "over": "1ms"}, {"listings": 2, "over": "1s"}, {"listings": 100, "over": "1ms"}]
)
@pytest.mark.parametrize("lag", [1.5, 5, 9])
def test_a_spec_may_not_be_too_quick_to_pay_twice(
    lag: float, hurry: dict[str, Any], tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    world = World(tmp_path, make_simulator, reconcile=hurry)
    for name in HURRIED:
        del world.bench.env[name]
    assert world.under(LOST, f"list: {{lag: {lag}}}") == "0"
    assert world.accepted() == 1


@pytest.mark.parametrize(("allowed", "least", "most"), [(True, 0, 2), (False, 10, 12)])
def test_the_operator_may_let_it(
    allowed: bool, least: float, most: float, tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    world = World(tmp_path, make_simulator, reconcile={"listings": 1, "over": "1ms"})
    for name in () if allowed else HURRIED:
        del world.bench.env[name]
    assert world.under(NEVER_LEFT) == "0"
    assert world.accepted() == 1
    intent = world.bench.state().shards[0].intent
    assert intent is not None
    assert least <= intent.clean[-1] - intent.clean[0] <= most


def test_a_spec_that_is_too_quick_is_told_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.job(rows=1, reconcile={"listings": 1, "over": "1ms"})
    warning = "is less than 10s, which holds instead: what is listed late would be paid for twice"
    assert warning not in bench.run("validate", code=0).stderr
    for name in HURRIED:
        del bench.env[name]
    assert f"reconcile.over: {warning}" in bench.run("validate", code=0).stderr
    assert warning not in bench.run("run", "--sandbox", code=0).stderr


# ---- counts that are not told


@pytest.mark.parametrize(
    "faults",
    [
        (LOST, UNCOUNTED),
        ("any: {on: [create, list, retrieve], counts: {processing: 0}, times: 0}",),
        (LOST, UNCOUNTED, "list: {lag: 120}"),
    ],
)
def test_a_server_that_counts_when_a_batch_has_ended(world: World, faults: tuple[str, ...]) -> None:
    world.set(*faults)
    for _ in range(3):
        assert world.run(wait=False).code in (0, 75)
        world.time.now += 40
    assert world.under(*(f for f in faults if f != LOST)).endswith("0")
    assert world.accepted() == 1


def test_strangers_that_are_not_counted_yet_are_no_proof(world: World) -> None:
    """What never left is sent again only when they have ended, and were counted."""
    world.set(NEVER_LEFT)
    assert world.run(wait=False).code == 75
    others(world, 1, 2)
    world.set(UNCOUNTED)
    assert world.run().code == 0
    assert world.accepted() == 1
    world.trial.check_done()


def test_ours_among_strangers_that_are_not_counted_yet(world: World) -> None:
    strangers = "create: {strangers: {requests: 2, before: 2, after: 2}}"
    assert world.under(strangers, LOST, UNCOUNTED) == "0"
    assert world.accepted() == 1


def test_batches_that_are_never_counted_are_for_a_person(world: World) -> None:
    """The commands name each that it could be."""
    nothing = "list: {counts: {processing: 0, succeeded: 0}, skip: 1, times: 0}"
    world.set("create: {strangers: {requests: 2, before: 0, after: 1}}", LOST, nothing)
    assert world.run().code == 4
    assert world.held() == ["several"]
    ran = world.bench.run("status", "batch.yaml", code=0)
    for name in (entry["id"] for entry in world.bench.ledger()):
        assert f"    batchrun adopt batch.yaml 0001 {name}\n" in ran.stdout
    assert "    batchrun resubmit batch.yaml 0001 --accept-duplicate-cost\n" in ran.stdout
    world.set()
    world.bench.run("adopt", "batch.yaml", "0001", world.bench.ledger()[0]["id"])
    assert world.run().code == 0
    assert world.accepted() == 1


# ---- lists that are not whole


def test_a_list_that_shows_a_part_and_says_it_is_all(world: World) -> None:
    """It lacks what was there before: that ours is not on it proves nothing."""
    others(world, 5)
    world.set(LOST, "list: {newest: 1, skip: 1}")
    assert [world.run().code for _ in range(2)] == [75, 75]
    detail = world.bench.state().shards[0].detail
    assert (
        detail
        == f"the list of batches is not whole: it lacks {world.bench.ledger()[0]['id']}, which is there"
    )
    world.set()
    assert world.run().code == 0
    assert world.accepted() == 1


def test_what_was_there_is_deleted_while_ours_is_looked_for(world: World) -> None:
    there = others(world, 5, 6)
    world.set(NEVER_LEFT)
    assert world.run(wait=False).code == 75
    world.time.now += HOUR
    with Client(world.simulator) as client:
        for batch_id in there:
            client.batch(batch_id)
            assert client.delete(batch_id).status_code == 200
    world.set()
    assert world.run().code == 0
    assert world.accepted() == 1
    world.trial.check_done()
