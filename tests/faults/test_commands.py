"""A sample of the faults, met by the command line in real time; and what takes more than a table's row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchrun.simulator import Scenario
from tests.conftest import FAST, MakeSimulator
from tests.faults.world import World
from tests.simulator.helpers import Client
from tests.trials.canary import CANARY
from tests.trials.invariants import Trial
from tests.workbench import Bench


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("list: {refuse: 0.3}", [0]),
        ("create: {accept_then: {code: 502, form: html}}", [0]),
        ("any: {status: 401, times: 2}", [77, 77, 0]),
        ("create: {status: {code: 402, error: {message: Pay first}}}", [4, 0]),
    ],
)
def test_on_the_command_line(
    fault: str, codes: list[int], tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.env["ANTHROPIC_API_KEY"] = CANARY
    simulator = bench.serve()
    simulator.change(replace(FAST, scenario=Scenario().with_faults([fault], source="fault")))
    bench.job(rows=3)
    trial = Trial(bench.folder, bench.api)
    found: list[int] = []
    while not found or (found[-1] not in (0, 3) and len(found) < 3):
        ran = bench.run("run", "--json")
        trial.check(ran, json=True)
        found.append(ran.code)
    assert found == codes
    trial.check_done()
    assert len(bench.ledger()) == 1


@pytest.fixture
def world(tmp_path: Path, make_simulator: MakeSimulator) -> World:
    return World(tmp_path, make_simulator)


def test_a_strangers_batch_where_ours_was_lost(world: World) -> None:
    """It is taken for ours until its results disprove it; then ours is proven lost, and sent again."""
    world.set("create: {reset: {request: all}}")
    assert world.run(wait=False).code == 75
    params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    with Client(world.simulator) as client:
        client.create(*({"custom_id": f"stranger-{n}", "params": params} for n in range(3)))
    world.set()
    assert world.run().code == 0
    world.trial.check_done()
    assert world.accepted() == 1


def test_a_batch_that_somebody_deleted(world: World) -> None:
    """It is looked for as long as it could still be working, then a person is asked; nothing is sent again."""
    assert world.run(wait=False).code == 75
    world.time.now += 600
    batch_id = world.bench.ledger()[0]["id"]
    with Client(world.simulator) as client:
        client.batch(batch_id)
        assert client.delete(batch_id).status_code == 200
    world.time.until += 30 * 86_400
    codes = []
    for _ in range(3):
        codes.append(world.run().code)
        world.time.now += 13 * 3600
    assert codes == [75, 75, 4]
    assert world.held() == ["not_found"]
    assert world.run().code == 4  # it looks once more
    assert world.accepted() == 1


def test_a_batch_that_comes_back_after_it_was_given_up(world: World) -> None:
    world.time.until += 30 * 86_400
    world.set("any: {not_found: true, times: 0}")
    for _ in range(3):
        world.run()
        world.time.now += 13 * 3600
    assert world.held() == ["not_found"]
    world.set()
    assert world.run().code == 0
    world.trial.check_done()
    assert world.accepted() == 1


def test_results_that_a_proxy_hides_are_a_persons_affair_while_there_is_time(world: World) -> None:
    """Nobody serves them, and a page in their place says nothing about them: a week is long enough to wait."""
    assert world.run(wait=False).code == 75
    world.time.now += 600
    start = world.time.now
    world.time.until += 30 * 86_400
    world.set("results: {status: {code: 503, form: html}, times: 0}")
    while (code := world.run(wait=False).code) == 75:
        world.time.now += 6 * 3600
    assert (code, world.held()) == (4, ["results"])
    assert 7 * 86_400 <= world.time.now - start <= 8 * 86_400
    world.time.now += 86_400
    assert world.run(wait=False).code == 4  # it looks once more
    world.set()
    assert world.run().code == 0
    world.trial.check_done()
    assert world.accepted() == 1


def test_a_spec_edited_while_its_batch_runs(world: World) -> None:
    """Both are paid for: what was asked first ends as it ends, what is asked now is answered."""
    assert world.run(wait=False).code == 75
    text: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell {{ text }}"}]}
    world.bench.job(request=text, poll={"interval": "60s"}, reconcile=None)
    assert world.run().code == 0
    assert world.accepted() == 2
    assert [r["text"] for r in world.bench.records()] == [f"Tell word {n}" for n in (1, 2, 3)]
    phases = {shard.phase for shard in world.bench.state().shards}
    assert phases == {"fetched"}


@pytest.mark.parametrize(
    "fault", ["status: 529", "status: 401", "reset: {reply: 0}", "garble: html", "not_found: true"]
)
def test_a_cancel_that_fails(fault: str, world: World) -> None:
    """The wish stays, and the next run or cancel sees to it."""
    assert world.run(wait=False).code == 75
    world.set(f"cancel: {{{fault}}}")
    world.cancel()
    assert world.bench.state().canceled
    ran = world.run()
    if ran.code == 77:
        ran = world.run()
    assert ran.code == 3
    world.trial.check(ran)
    world.trial.check_done()
    assert world.accepted() == 1
    assert {r["status"] for r in world.bench.records()} == {"canceled"}
