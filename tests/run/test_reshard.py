from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchrun.lifecycle import transitions
from batchrun.lifecycle.state import Phase, Reason, RunState
from batchrun.run.jobs import opened
from batchrun.run.reshard import resend, retry_rows, sources
from batchrun.run.target import Target
from batchrun.rundir.shards import custom_ids, keys_in
from tests.conftest import MakeSimulator
from tests.workbench import Bench

OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve(results=[{"match": "word [25]", "type": "errored", "error": OVERLOADED}])
    bench.job(rows=5, limits={"batch_requests": 3}, retry={"max_attempts": 1})
    bench.go(code=3)
    return bench


def test_the_same_requests_under_a_new_nonce(bench: Bench) -> None:
    with opened(bench.path("batch.yaml"), target=Target(environ=bench.env)) as engine:
        shard = engine.state.shards[0]
        done = resend(shard, engine.job, engine.state, engine.store)
        [new] = done.shards
        assert (new.id, new.requests, new.attempt, new.phase) == ("0003", 3, 1, Phase.PLANNED)
        old_file, new_file = engine.store.shard(shard.id), engine.store.shard(new.id)
        assert keys_in([old_file]) == keys_in([new_file])
        assert not set(custom_ids(old_file)) & set(custom_ids(new_file))
        assert (new.bytes, new.estimate) == (shard.bytes, shard.estimate)


def test_two_halves_of_what_was_too_large(bench: Bench) -> None:
    with opened(bench.path("batch.yaml"), target=Target(environ=bench.env)) as engine:
        shard = replace(engine.state.shards[0], reason=Reason.TOO_LARGE, betas=("a-beta",))
        done = resend(shard, engine.job, engine.state, engine.store)
        assert [(s.id, s.requests) for s in done.shards] == [("0003", 2), ("0004", 1)]
        assert {s.betas for s in done.shards} == {("a-beta",)}
        assert done.shards[0].nonce != done.shards[1].nonce


def retried(state: RunState, bench: Bench, *, every: bool = False) -> list[tuple[str, int, int]]:
    with opened(bench.path("batch.yaml"), target=Target(environ=bench.env)) as engine:
        found = retry_rows(state.shards, engine.job, state, engine.store, every=every)
        assert found.shard_ids == tuple(s.id for s in state.shards)
        return [(s.id, s.requests, s.attempt) for s in found.shards]


def test_rows_worth_another_attempt(bench: Bench) -> None:
    assert retried(bench.state(), bench) == [("0003", 2, 2)]


def test_rows_that_are_gone_are_not_tried_again(bench: Bench) -> None:
    bench.rows(4)
    bench.go(code=3)
    assert retried(bench.state(), bench) == [("0003", 1, 2)]


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.SUBMITTING])
def test_rows_that_stand_in_another_shard_are_not_tried_again(bench: Bench, phase: Phase) -> None:
    """Also where that one is still to be sent: `retry` twice must not ask twice."""
    state = bench.state()
    with opened(bench.path("batch.yaml"), target=Target(environ=bench.env)) as engine:
        again = retry_rows(state.shards[:1], engine.job, state, engine.store)
        state = transitions.apply(state, again)
        sent = [replace(s, phase=phase) if s.phase is Phase.PLANNED else s for s in state.shards]
        state = replace(state, shards=tuple(sent))
        found = retry_rows(state.shards[:2], engine.job, state, engine.store)
        assert [s.requests for s in found.shards] == [1]


def test_rows_stay_apart_where_their_batches_differ(bench: Bench) -> None:
    state = bench.state()
    first, second = state.shards
    for other in (replace(second, betas=("a-beta",)), replace(second, attempt=2)):
        with opened(bench.path("batch.yaml"), target=Target(environ=bench.env)) as engine:
            found = retry_rows((first, other), engine.job, state, engine.store)
        assert [(s.id, s.requests) for s in found.shards] == [("0003", 1), ("0004", 1)]
        assert [s.attempt for s in found.shards] == [2, other.attempt + 1]
        assert [s.betas for s in found.shards] == [(), other.betas]


def test_a_later_attempt_has_its_own_say(bench: Bench) -> None:
    bench.job(limits={"batch_requests": 3}, retry={"max_attempts": 2})
    bench.go(code=3)
    state = bench.state()
    assert [s.attempt for s in state.shards] == [1, 1, 2]
    assert retried(state, bench, every=True) == [("0004", 2, 3)]


def test_sources_are_the_fetched_shards_in_order(bench: Bench) -> None:
    state = bench.state()
    with opened(bench.path("batch.yaml"), target=Target(environ=bench.env)) as engine:
        found = sources(state, engine.store)
    assert [s.nonce for s in found] == [s.nonce for s in state.shards]
    assert all(s.results.is_file() for s in found)
    unfetched = replace(state, shards=(replace(state.shards[0], phase=Phase.ENDED), state.shards[1]))
    assert len(sources(unfetched, engine.store)) == 1
