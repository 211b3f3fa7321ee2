from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    return bench


def test_rows_that_would_not_be_tried_again_by_themselves(bench: Bench) -> None:
    wrong = {"type": "billing_error", "message": "no"}
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": wrong, "times": 1}])
    bench.go(code=3)
    ran = bench.run("retry", "batch.yaml", code=0)
    assert ran.stderr.startswith("1 row to be tried again\nshard 0002: submitting 1 request, 186 B\n")
    assert [b["requests"] for b in bench.ledger()] == [3, 1]
    assert [r["status"] for r in bench.records()] == ["succeeded"] * 3


def test_rows_of_many_shards_make_one_batch(bench: Bench) -> None:
    wrong = {"type": "billing_error", "message": "no"}
    bench.serve(results=[{"match": "word", "type": "errored", "error": wrong, "times": 5}])
    bench.job(rows=5, limits={"batch_requests": 1})
    bench.go(code=3)
    bench.job(limits={"batch_requests": 3})
    bench.run("retry", "batch.yaml", code=0)
    assert [b["requests"] for b in bench.ledger()] == [1, 1, 1, 1, 1, 3, 2]
    assert [r["id"] for r in bench.records()] == ["r1", "r2", "r3", "r4", "r5"]


def test_nothing_failed(bench: Bench) -> None:
    bench.go(code=0)
    answer, calls = bench.output.read_bytes(), bench.calls()
    bench.run("retry", "batch.yaml", code=0)
    assert bench.calls() == calls
    assert bench.output.read_bytes() == answer


def test_a_refused_shard_is_sent_as_it_is(bench: Bench) -> None:
    bench.serve(faults=[{"on": "create", "status": 400}])
    bench.run("run", code=65)
    bench.run("retry", "batch.yaml", code=0)
    assert len(bench.ledger()) == 1


def test_without_waiting(bench: Bench) -> None:
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": {"type": "billing_error"}}])
    bench.go(code=3)
    bench.job(poll={"interval": "1h"})
    ran = bench.run("retry", "batch.yaml", "--no-wait", "--json", code=75)
    assert ran.json()["state"] == "running"
    bench.go(code=3)
    assert [b["requests"] for b in bench.ledger()] == [3, 1]


def test_what_the_api_called_invalid_is_not_asked_again(bench: Bench) -> None:
    """The same bytes get the same refusal: what would help is said instead, by every line that says what to do."""
    wrong = {"type": "invalid_request_error", "message": "messages: text content blocks must be non-empty"}
    bench.serve(results=[{"match": "", "type": "errored", "error": wrong, "times": 0}])
    told = "change the spec or the data (row r1), then batchrun run batch.yaml"
    ran = bench.run("run", code=3)
    assert ran.stderr.endswith(f"  next        {told}\n")
    assert bench.run("run", code=3).stderr.endswith(f"hint: {told}\n")
    ran = bench.run("retry", "batch.yaml", code=3)
    assert ran.stderr.endswith(f"  next        {told}\n")
    assert len(bench.ledger()) == 1
    status = bench.run("status", "--json", code=0).json()
    assert (status["next"], status["advice"]) == ("", told)
    plan = bench.run("plan", "--json", code=0).json()
    assert plan["warnings"] == [
        "the API called 3 rows invalid; only a change of the spec or the data cures them (row r1)"
    ]


def test_what_may_pass_is_asked_again_without_what_is_invalid(bench: Bench) -> None:
    wrong, poor = ({"type": kind, "message": "no"} for kind in ("not_found_error", "billing_error"))
    bench.serve(
        results=[
            {"match": "word 1", "type": "errored", "error": wrong, "times": 0},
            {"match": "word 2", "type": "errored", "error": poor, "times": 1},
        ]
    )
    ran = bench.run("run", code=3)
    assert (
        "  next        batchrun retry batch.yaml\n  next        change the spec or the data (row r1),"
        in ran.stderr
    )
    assert "; another request asks the 1 row that is answered anew, too ($" in ran.stderr
    bench.run("retry", "batch.yaml", code=3)
    assert [batch["requests"] for batch in bench.ledger()] == [3, 1]
    assert [record["status"] for record in bench.records()] == ["errored", "succeeded", "succeeded"]
