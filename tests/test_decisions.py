"""What a person decides, as a program calls it; the command lines stand in commands/."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.decisions import adopt_batch, cancel_job, resubmit_shard, retry_job
from batchrun.errors import UsageError
from batchrun.jobs import Target, opened
from batchrun.state import Phase, Reason
from batchrun.verdicts import Verdict
from tests.conftest import MakeSimulator
from tests.test_engine import AFTER_IT_WAS_ACCEPTED, BEFORE_THE_POST
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    return bench


def test_cancel_while_somebody_else_has_the_job(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.go(wait=False, code=75)
    spec = bench.path("batch.yaml")
    with opened(spec, target=Target(environ=bench.env)):
        assert cancel_job(spec, environ=bench.env) is None
    assert (bench.run_folder() / "cancel").exists()
    outcome = cancel_job(spec, environ=bench.env)
    assert outcome is not None and outcome.state.canceled
    assert not (bench.run_folder() / "cancel").exists()


def test_cancel_with_a_shard_whose_fate_is_open(bench: Bench) -> None:
    """It is looked for all the same, and canceled once it is found."""
    bench.serve(seconds=1000)
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    outcome = cancel_job(bench.path("batch.yaml"), environ=bench.env)
    assert outcome is not None and outcome.verdict is Verdict.RUNNING
    bench.go(code=3)
    assert [c["status"] for c in bench.calls("cancel")] == [200]
    assert {r["status"] for r in bench.records()} == {"canceled"}


def test_cancel_with_a_shard_that_was_never_created(bench: Bench) -> None:
    bench.run("run", driver=BEFORE_THE_POST)
    cancel_job(bench.path("batch.yaml"), environ=bench.env)
    bench.go(code=3)
    assert bench.ledger() == []
    assert {r["status"] for r in bench.records()} == {"canceled"}
    retry_job(bench.path("batch.yaml"), environ=bench.env)
    assert [b["requests"] for b in bench.ledger()] == [3]
    assert {r["status"] for r in bench.records()} == {"succeeded"}


def test_a_job_that_is_done_has_nothing_to_cancel(bench: Bench) -> None:
    bench.go(code=0)
    outcome = cancel_job(bench.path("batch.yaml"), environ=bench.env)
    assert outcome is not None
    assert (outcome.verdict, outcome.state.canceled) == (Verdict.DONE, False)


def test_a_shard_that_is_still_looked_for_can_be_adopted(bench: Bench) -> None:
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    ours = bench.ledger()[0]["id"]
    outcome = adopt_batch(bench.path("batch.yaml"), "0001", ours, environ=bench.env)
    [shard] = outcome.state.shards
    assert (shard.phase, shard.batch and shard.batch.provisional) == (Phase.SUBMITTED, True)
    bench.go(code=0)
    assert len(bench.ledger()) == 1


def test_one_batch_for_two_shards(bench: Bench) -> None:
    bench.job(rows=6, limits={"batch_requests": 3})
    bench.run("run", driver=(*AFTER_IT_WAS_ACCEPTED[:1], r"open .*state\.json@6", "KILL"))
    first = bench.ledger()[0]["id"]
    with pytest.raises(UsageError, match=f"^{first} belongs to another shard or job$"):
        adopt_batch(bench.path("batch.yaml"), "0002", first, environ=bench.env)


def test_what_is_submitted_again_stays_at_stake(bench: Bench) -> None:
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    outcome = resubmit_shard(bench.path("batch.yaml"), "0001", wait=False, environ=bench.env)
    old, new = outcome.state.shards
    assert (old.reason, new.phase) == (Reason.ABANDONED, Phase.SUBMITTED)
    report = outcome.report("batch.yaml", now=0.0)
    assert report.at_stake_usd == pytest.approx(2 * 0.000477)
    bench.go(code=0)


def test_retry_asks_only_for_what_failed(bench: Bench) -> None:
    wrong = {"type": "invalid_request_error", "message": "no"}
    bench.serve(results=[{"match": "word [12]", "type": "errored", "error": wrong}])
    bench.go(code=3)
    bench.serve()
    outcome = retry_job(bench.path("batch.yaml"), environ=bench.env)
    assert outcome.exit_code == 0
    assert [b["requests"] for b in bench.ledger()] == [3, 2]
    assert [s.attempt for s in outcome.state.shards] == [1, 2]
