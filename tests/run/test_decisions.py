"""What a person decides, as a program calls it; the command lines stand in commands/."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from batchrun.errors import UsageError
from batchrun.lifecycle.state import Phase, Reason
from batchrun.lifecycle.transitions import FETCH_TRIES
from batchrun.lifecycle.verdicts import Verdict
from batchrun.run.decisions import adopt_batch, cancel_job, resubmit_shard, retry_job
from batchrun.run.jobs import opened
from batchrun.run.target import Target
from tests.conftest import MakeSimulator
from tests.run.test_engine import AFTER_IT_WAS_ACCEPTED, BEFORE_THE_POST, foreign
from tests.simulator.helpers import Client
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
    """It is looked for all the same. What is found by its size may be a stranger's, and runs to its end."""
    bench.serve(seconds=0.5)
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    outcome = cancel_job(bench.path("batch.yaml"), environ=bench.env)
    assert outcome is not None and outcome.verdict is Verdict.RUNNING
    bench.go(code=0)
    assert bench.calls("cancel") == []
    assert {r["status"] for r in bench.records()} == {"succeeded"}


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
    bench.job(rows=6, limits={"batch_requests": 3}, poll={"interval": "1h"})
    bench.run("run", driver=(*AFTER_IT_WAS_ACCEPTED[:1], r"open .*state\.json@6", "KILL"))
    first = bench.ledger()[0]["id"]
    with pytest.raises(UsageError, match=f"^{first} belongs to another shard or job$"):
        adopt_batch(bench.path("batch.yaml"), "0002", first, environ=bench.env)


def test_what_is_submitted_again_stays_at_stake(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    outcome = resubmit_shard(bench.path("batch.yaml"), "0001", wait=False, environ=bench.env)
    old, new = outcome.state.shards
    assert (old.reason, new.phase) == (Reason.ABANDONED, Phase.SUBMITTED)
    report = outcome.report("batch.yaml", now=0.0)
    assert report.at_stake_usd == pytest.approx(2 * 0.000519)


def test_retry_asks_only_for_what_failed(bench: Bench) -> None:
    wrong = {"type": "billing_error", "message": "no"}
    bench.serve(results=[{"match": "word [12]", "type": "errored", "error": wrong}])
    bench.go(code=3)
    bench.serve()
    outcome = retry_job(bench.path("batch.yaml"), environ=bench.env)
    assert outcome.exit_code == 0
    assert [b["requests"] for b in bench.ledger()] == [3, 2]
    assert [s.attempt for s in outcome.state.shards] == [1, 2]


# ---- cancel, and what it must not touch


def test_a_canceled_job_stays_so_while_it_asks_for_the_same(bench: Bench) -> None:
    """Another layout of the output, other ids, another order of rows: no request is new."""
    bench.run("run", driver=BEFORE_THE_POST)
    cancel_job(bench.path("batch.yaml"), environ=bench.env)
    bench.go(code=3)
    bench.job(output={"include": "input"})
    bench.write("rows.csv", "id,text\nx3,word 3\nx1,word 1\nx2,word 2\n")
    bench.go(code=3)
    assert bench.ledger() == []
    assert [r["id"] for r in bench.records()] == ["x3", "x1", "x2"]
    bench.rows(4)
    bench.go(code=0)
    assert [b["requests"] for b in bench.ledger()] == [4]


def test_a_batch_that_may_be_a_strangers_is_not_canceled(bench: Bench) -> None:
    later = [0.0]
    bench.serve(seconds=1000, clock=lambda: time.time() + later[0])
    bench.run("run", driver=BEFORE_THE_POST)
    theirs = foreign(bench)
    bench.go(wait=False, code=75)
    ran = bench.run("cancel", "batch.yaml", code=0)
    assert ran.stderr.endswith(
        f"decide: {theirs} may be the batch of shard 0001, or a\n"
        "stranger's: it is not canceled. Its results will tell:\n"
        "    batchrun run batch.yaml\n"
    )
    bench.go(wait=False, code=75)
    assert bench.calls("cancel") == []
    assert bench.state().canceled
    later[0] = 2000.0
    bench.go(code=3)
    assert [b["requests"] for b in bench.ledger()] == [3]
    assert {r["status"] for r in bench.records()} == {"canceled"}


# ---- what rows no longer ask for


@pytest.mark.parametrize("ask", ["run", "resubmit"])
def test_requests_that_were_edited_away_are_not_sent_again(ask: str, bench: Bench) -> None:
    bench.serve(faults=[{"on": "create", "reset": "after_body"}])
    bench.job(reconcile={"over": "0.4s"})
    bench.go(wait=False, code=75)
    bench.write("rows.csv", "id,text\nr1,word 1\nr2,something else\n")
    spec = bench.path("batch.yaml")
    if ask == "resubmit":
        resubmit_shard(spec, "0001", environ=bench.env)
    bench.go(code=0)
    assert sorted(b["requests"] for b in bench.ledger()) == [1, 1]
    assert bench.state().shards[0].reason in (Reason.REPLACED, Reason.ABANDONED)


def test_nothing_is_left_to_send_again(bench: Bench) -> None:
    bench.serve(faults=[{"on": "create", "reset": "after_body"}])
    bench.go(wait=False, code=75)
    bench.job(request={"max_tokens": 60})
    ran = bench.run("run", code=0)
    assert "shard 0001: no row asks for it now; it is not submitted again\n" in ran.stderr
    assert [b["requests"] for b in bench.ledger()] == [3]


def test_a_held_shard_that_no_row_needs_holds_nothing_up(bench: Bench) -> None:
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    foreign(bench)
    bench.go(code=4)
    bench.job(request={"max_tokens": 60})
    bench.go(code=0)
    assert {r["status"] for r in bench.records()} == {"succeeded"}
    assert [s.phase for s in bench.state().shards] == [Phase.HELD, Phase.FETCHED]
    bench.job()
    bench.go(code=4)


# ---- adopting


def test_the_batch_that_the_api_gave_us_is_not_given_away(bench: Bench) -> None:
    bench.serve(faults=[{"on": "results", "cut": -50, "times": FETCH_TRIES}])
    while bench.go(wait=False).exit_code == 75:
        continue
    ours, theirs = bench.ledger()[0]["id"], foreign(bench)
    with pytest.raises(UsageError) as refused:
        adopt_batch(bench.path("batch.yaml"), "0001", theirs, environ=bench.env)
    assert str(refused.value) == f"{ours} is the batch of shard 0001: the API said so when it was submitted"
    assert (
        refused.value.hint == "fetch it again with `batchrun retry`, or submit again with `batchrun resubmit`"
    )


def test_crossed_adoptions_pay_once(bench: Bench) -> None:
    spec = bench.job(rows=2, limits={"batch_requests": 1})
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    theirs = [foreign(bench, 1)]
    bench.run("run", driver=(*AFTER_IT_WAS_ACCEPTED[:1], r"open .*state\.json@3", "KILL"))
    theirs += [foreign(bench, 1)]
    bench.go(code=4)
    first, _, second, _ = (b["id"] for b in bench.ledger())
    assert [s.phase for s in bench.state().shards] == [Phase.HELD, Phase.HELD]
    with Client(bench.serve()) as client:
        assert [client.delete(batch).status_code for batch in theirs] == [200, 200]
    adopt_batch(spec, "0001", second, environ=bench.env)
    adopt_batch(spec, "0002", first, environ=bench.env)
    ran = bench.run("run", code=0)
    assert f"first the results of {first} have to tell whether it is the batch of shard 0002\n" in ran.stderr
    assert len(bench.ledger()) == 4


def test_a_deleted_batch_is_submitted_again_when_a_person_says_so(bench: Bench) -> None:
    bench.serve(seconds=1000)
    spec = bench.job()
    bench.go(wait=False, code=75)
    with pytest.raises(UsageError, match=r"^shard '0001' is not held$"):
        resubmit_shard(spec, "0001", environ=bench.env)
    bench.serve(faults=[{"on": "retrieve", "not_found": True, "times": 0}])
    ran = bench.run("run", "--no-wait", code=75)
    bench.serve()
    lost = bench.ledger()[0]["id"]
    assert ran.stderr.endswith(
        f"decide: the API knows no {lost} (shard 0001). Look\n"
        "once more; or, if it was deleted, submit again and pay twice:\n"
        "    batchrun run batch.yaml\n"
        "    batchrun resubmit batch.yaml 0001 --accept-duplicate-cost\n"
    )
    assert resubmit_shard(spec, "0001", environ=bench.env).exit_code == 0
    assert [b["requests"] for b in bench.ledger()] == [3, 3]


def test_a_state_from_before_a_retry_does_not_pass_for_done(bench: Bench) -> None:
    """The answer stands as that state left it; but more was sent since, and is still to be fetched."""
    wrong = {"type": "billing_error", "message": "no"}
    bench.serve(results=[{"match": "word 1", "type": "errored", "error": wrong}])
    bench.job(rows=2)
    bench.go(code=3)
    state = bench.run_folder() / "state.json"
    before = state.read_bytes()
    bench.serve(seconds=1000)
    bench.run("retry", "batch.yaml", "--no-wait", code=75)
    state.write_bytes(before)
    assert "the state is older than what was submitted" in bench.run("run", code=78).stderr
    assert len(bench.ledger()) == 2
