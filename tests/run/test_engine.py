"""The engine against the API over HTTP: outcomes that are unknown, refused, put off; rows that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchrun import run_job
from batchrun.errors import Interrupted
from batchrun.lifecycle.observer import harmless
from batchrun.lifecycle.transitions import FETCH_TRIES
from tests.conftest import MakeSimulator
from tests.dying import __file__ as DYING
from tests.simulator.helpers import Client, entry
from tests.workbench import Bench

BEFORE_THE_POST = (DYING, "send POST@1", "KILL")
AFTER_IT_WAS_ACCEPTED = (DYING, r"open .*state\.json@4", "KILL")
LOST = {"on": "create", "accept_then": "reset"}


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    return bench


def foreign(bench: Bench, requests: int = 3) -> str:
    """A batch that somebody else creates in the same workspace."""
    assert bench.simulator is not None
    with Client(bench.simulator) as client:
        batch = client.create(*(entry(f"theirs-{n}") for n in range(requests)))
    return str(batch["id"])


# ---- unknown outcomes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", ["reset", 500, 503, {"code": 200, "body": {"id": "?"}}, {"code": 200, "body": "<html>"}]
)
def test_accepted_and_the_reply_is_lost(bench: Bench, reply: Any) -> None:
    bench.serve(faults=[{"on": "create", "accept_then": reply}])
    ran = bench.run("run", code=0)
    assert "shard 0001: may have been submitted (" in ran.stderr
    assert f"shard 0001: found as {bench.ledger()[0]['id']}; its results will prove it\n" in ran.stderr
    assert len(bench.ledger()) == 1
    [shard] = bench.state().shards
    assert shard.batch is not None and not shard.batch.provisional


@pytest.mark.parametrize("fault", [{"reset": "after_body"}, {"reset": "before_body"}, {"status": 500}])
def test_nothing_was_created(bench: Bench, fault: dict[str, Any]) -> None:
    bench.serve(faults=[{"on": "create", **fault}])
    ran = bench.run("run", code=0)
    assert (
        "shard 0001: no batch of it exists: submitting it again\nshard 0001: its requests now stand in 0002\n"
        in ran.stderr
    )
    assert len(bench.ledger()) == 1
    first, second = bench.state().shards
    assert (first.phase, first.reason, second.phase) == ("refused", "replaced", "fetched")
    assert first.nonce != second.nonce
    assert first.intent is not None and len(first.intent.clean) >= 2
    assert bench.ledger()[0]["first_custom_id"].endswith(second.nonce)


def test_the_list_lags(bench: Bench) -> None:
    bench.serve(faults=[LOST, {"on": "list", "lag": 1}])
    bench.job(reconcile={"over": "3s", "listings": 7})
    ran = bench.run("run", code=0)
    assert "shard 0001: no batch that could be it; looking again before sending anything\n" in ran.stderr
    assert f"shard 0001: found as {bench.ledger()[0]['id']}" in ran.stderr
    assert len(bench.ledger()) == 1


def test_the_list_fails(bench: Bench) -> None:
    bench.serve(faults=[LOST, {"on": "list", "status": 400, "skip": 1}])
    ran = bench.run("run", code=65)
    assert ran.stderr.count("submitting") == 1
    bench.go(code=0)
    assert len(bench.ledger()) == 1


def test_a_foreign_batch_is_disproved_by_its_results(bench: Bench) -> None:
    bench.run("run", driver=BEFORE_THE_POST)
    theirs = foreign(bench)
    ran = bench.run("run", code=0)
    assert ran.stderr.startswith(
        f"shard 0001: found as {theirs}; its results will prove it\n"
        "shard 0001: the batch is not ours: none of its 3 results has an id of this shard (the first is theirs-"
    )
    assert "shard 0001: no batch of it exists: submitting it again\n" in ran.stderr
    assert [b["requests"] for b in bench.ledger()] == [3, 3]  # theirs and ours
    assert {r["status"] for r in bench.records()} == {"succeeded"}


def test_batches_of_another_size_and_of_other_jobs_are_no_candidates(bench: Bench) -> None:
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    bench.job("other.yaml", output={"path": "out/other.jsonl"})
    bench.go("other.yaml", code=0)
    foreign(bench, 2)
    ran = bench.run("run", code=0)
    assert f"found as {bench.ledger()[0]['id']}" in ran.stderr
    assert [b["requests"] for b in bench.ledger()] == [3, 3, 2]


def test_two_candidates_are_for_a_person(bench: Bench) -> None:
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    ours, theirs = bench.ledger()[0]["id"], foreign(bench)
    for _ in range(2):
        ran = bench.run("run", code=4)
        assert ran.stderr.endswith(
            "decide: shard 0001 may have been submitted, and 2 batches could be it. Name it,\n"
            "or submit again and perhaps pay twice:\n"
            f"    batchrun adopt batch.yaml 0001 {theirs}\n"
            f"    batchrun adopt batch.yaml 0001 {ours}\n"
            "    batchrun resubmit batch.yaml 0001 --accept-duplicate-cost\n"
        )
    assert len(bench.ledger()) == 2


def test_another_key_cannot_know(bench: Bench) -> None:
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    ran = bench.run("run", code=4, ANTHROPIC_API_KEY="sk-ant-api-OTHER")
    assert ran.stderr.startswith(
        "shard 0001: held: another key or workspace than the one it was submitted with\n"
    )
    assert ran.stderr.endswith(
        "    batchrun run batch.yaml\n"
        "    batchrun adopt batch.yaml 0001 BATCH_ID\n"
        "    batchrun resubmit batch.yaml 0001 --accept-duplicate-cost\n"
    )
    bench.go(code=0)
    assert len(bench.ledger()) == 1


# ---- refused, and put off ----------------------------------------------------------------------


def test_too_large_is_cut_in_two(bench: Bench) -> None:
    page = {"code": 413, "body": "<html>too large</html>", "headers": {"content-type": "text/html"}}
    bench.serve(faults=[{"on": "create", "status": page}])
    ran = bench.run("run", code=0)
    assert "shard 0001: its requests now stand in 0002, 0003\n" in ran.stderr
    assert [b["requests"] for b in bench.ledger()] == [2, 1]


def test_refused_until_a_person_has_looked(bench: Bench) -> None:
    wrong = {"code": 400, "error": {"type": "invalid_request_error", "message": "betas: unknown"}}
    bench.serve(faults=[{"on": "create", "status": wrong}])
    ran = bench.run("run", code=65)
    assert "shard 0001: refused, nothing was submitted: betas: unknown\n" in ran.stderr
    decide = (
        "decide: the API refused shard 0001, nothing was submitted: betas: unknown. Mend\n"
        "the spec and run it again, or send it as it is:\n"
        "    batchrun retry batch.yaml\n"
    )
    assert ran.stderr.endswith(decide)
    again = bench.run("run", code=65)
    assert again.stderr.endswith(decide)
    assert len(bench.calls("create")) == 1


def test_an_edited_spec_is_sent_anew(bench: Bench) -> None:
    bench.serve(faults=[{"on": "create", "status": 400}])
    bench.run("run", code=65)
    bench.job(request={"max_tokens": 60})
    bench.go(code=0)
    assert len(bench.ledger()) == 1


@pytest.mark.parametrize(
    "answer", [429, {"code": 429, "headers": {"retry-after": 1}}, 529], ids=["429", "retry-after", "529"]
)
def test_put_off(bench: Bench, answer: Any) -> None:
    bench.serve(faults=[{"on": "create", "status": answer, "times": 0}])
    ran = bench.run("run", "--no-wait", code=75)
    assert "shard 0001: not submitted yet: Scripted by the scenario\n" in ran.stderr
    assert "batch  not started\n" in ran.stderr
    assert bench.ledger() == []
    bench.serve()
    bench.go(code=0)
    assert len(bench.ledger()) == 1


@pytest.mark.parametrize("moment", [r"remove .*0001\.sent@1", r"open .*state\.json@4"])
def test_dying_while_a_shard_is_put_off(bench: Bench, moment: str) -> None:
    """Around the removal of its mark: the job goes on, and the shard is sent once."""
    bench.serve(faults=[{"on": "create", "status": 429}])
    assert bench.run("run", driver=(DYING, moment, "KILL")).code == -9
    bench.serve()
    bench.run("run", code=0)
    assert len(bench.ledger()) == 1
    marks = sorted(path.stem for path in (bench.run_folder() / "shards").glob("*.sent"))
    assert marks == [shard.id for shard in bench.state().shards if shard.batch]


def test_a_full_queue_waits_for_earlier_batches(bench: Bench) -> None:
    bench.serve(faults=[{"queue": {"limit": 4, "retry_after": 1}}], seconds=0.5)
    bench.job(rows=6, limits={"batch_requests": 3})
    bench.go(code=0)
    assert [b["requests"] for b in bench.ledger()] == [3, 3]


def test_no_more_in_flight_than_allowed(bench: Bench) -> None:
    bench.serve(seconds=0.3)
    bench.job(rows=6, limits={"batch_requests": 2, "max_in_flight": 4})
    bench.go(code=0)
    order = [c["call"] for c in bench.calls("create", "results")]
    assert order[:2] == ["create", "create"]
    assert order.index("results") == 2


def test_a_batch_that_cannot_be_seen_for_a_while(bench: Bench) -> None:
    """It is waited out, and told once."""
    bench.go(wait=False, code=75)
    bench.serve(faults=[{"on": "retrieve", "not_found": True, "times": 3}])
    ran = bench.run("run", code=0)
    batch_id = bench.ledger()[0]["id"]
    words = f"shard 0001: cannot be looked at now: Message Batch {batch_id} not found.\n"
    assert ran.stderr.startswith(words)
    assert ran.stderr.count(words) == 1
    assert len(bench.calls("retrieve")) == 4


# ---- results -----------------------------------------------------------------------------------


def test_results_that_never_come_whole(bench: Bench) -> None:
    bench.serve(faults=[{"on": "results", "cut": -50, "times": FETCH_TRIES}], seconds=0)
    runs = range(FETCH_TRIES + 1)
    codes = [run_job(bench.path("batch.yaml"), environ=bench.env, wait=False).exit_code for _ in runs]
    assert (codes[0], codes[-1]) == (75, 4)
    ran = bench.run("run", "--no-wait", code=4)
    assert "never came complete: the results are not complete: " in ran.stderr.replace("\n", " ")
    assert ran.stderr.endswith(
        "    batchrun retry batch.yaml\n    batchrun resubmit batch.yaml 0001 --accept-duplicate-cost\n"
    )
    assert (bench.run_folder() / "results" / "0001.part").exists()
    bench.run("retry", "batch.yaml", code=0)
    assert len(bench.ledger()) == 1
    assert not (bench.run_folder() / "results" / "0001.part").exists()


# ---- failed rows -------------------------------------------------------------------------------


def overloaded(**rule: Any) -> dict[str, Any]:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    return {"match": "word 2", "type": "errored", "error": error, **rule}


def test_an_overloaded_row_is_tried_again(bench: Bench) -> None:
    bench.serve(results=[overloaded(times=1)])
    bench.job(rows=3)
    ran = bench.run("run", code=0)
    assert "1 row to be tried again\nshard 0002: submitting 1 request, 186 B\n" in ran.stderr
    assert [b["requests"] for b in bench.ledger()] == [3, 1]


def test_an_expired_row_is_tried_again(bench: Bench) -> None:
    bench.serve(results=[{"match": "word 2", "type": "expired", "times": 1}])
    bench.job(rows=3)
    bench.go(code=0)
    assert [b["requests"] for b in bench.ledger()] == [3, 1]


def test_attempts_are_bounded(bench: Bench) -> None:
    bench.serve(results=[overloaded()])
    bench.job(rows=3, retry={"max_attempts": 2})
    bench.go(code=3)
    assert [b["requests"] for b in bench.ledger()] == [3, 1]
    assert bench.records()[1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    bench.go(code=3)
    assert len(bench.ledger()) == 2


def test_the_budget_holds_for_retries(bench: Bench) -> None:
    bench.serve(results=[overloaded(times=1)])
    bench.job(rows=3, retry={"max_attempts": 1})
    bench.go(code=3)
    bench.job(limits={"max_cost_usd": 0.0001}, retry={"max_attempts": 2})
    bench.run("retry", "batch.yaml", code=4)
    assert [b["requests"] for b in bench.ledger()] == [3]
    bench.job(limits={"max_cost_usd": 1}, retry={"max_attempts": 2})
    bench.go(code=0)
    assert [b["requests"] for b in bench.ledger()] == [3, 1]


# ---- who watches -------------------------------------------------------------------------------


def test_what_an_observer_raises_is_dropped_but_a_signal_is_heard() -> None:
    for error in (OSError("no space"), ValueError("closed"), RuntimeError("a bug")):
        with harmless():
            raise error
    with pytest.raises(Interrupted), harmless():
        raise Interrupted("stopped", signal=2)
