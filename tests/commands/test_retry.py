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
    wrong = {"type": "invalid_request_error", "message": "no"}
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": wrong, "times": 1}])
    bench.go(code=3)
    ran = bench.run("retry", "batch.yaml", code=0)
    assert ran.stderr.startswith("1 row to be tried again\nshard 0002: submitting 1 request, 186 B\n")
    assert [b["requests"] for b in bench.ledger()] == [3, 1]
    assert [r["status"] for r in bench.records()] == ["succeeded"] * 3


def test_rows_of_many_shards_make_one_batch(bench: Bench) -> None:
    wrong = {"type": "invalid_request_error", "message": "no"}
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
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": {"type": "not_found_error"}}])
    bench.go(code=3)
    bench.job(poll={"interval": "1h"})
    ran = bench.run("retry", "batch.yaml", "--no-wait", "--json", code=75)
    assert ran.json()["state"] == "running"
    bench.go(code=3)
    assert [b["requests"] for b in bench.ledger()] == [3, 1]
