from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchrun.reports.plan import PlanReport
from batchrun.run.planning import plan
from batchrun.rundir.store import Store
from batchrun.spec import load
from tests.conftest import MakeSimulator
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    return bench


def planned(bench: Bench, **options: Any) -> PlanReport:
    job = load(bench.path("batch.yaml")).job
    return plan(job, Store(job.root, job.name), **options)


def test_a_first_run(bench: Bench) -> None:
    report = planned(bench)
    assert (report.rows, report.requests, report.new, report.reused) == (3, 3, 3, 0)
    assert report.reasons == ("the job was never run",)
    assert [(s.requests, s.bytes) for s in report.shards] == [(3, 530)]
    assert (report.spent_usd, report.max_cost_usd, report.over_budget) == (0.0, 5.0, False)
    assert ".batchrun" not in bench.listing()


def test_what_it_measures_is_what_is_sent(bench: Bench) -> None:
    bench.job(limits={"batch_requests": 2})
    report = planned(bench)
    bench.go(code=0)
    assert [(s.requests, s.bytes) for s in report.shards] == [
        (b["requests"], b["bytes"]) for b in bench.ledger()
    ]


def test_why_requests_are_new(bench: Bench) -> None:
    bench.go(code=0)
    assert planned(bench).reasons == ()
    bench.rows(5)
    assert planned(bench).reasons == ("2 rows were added",)
    bench.write("rows.csv", "id,text\nr1,word 1\nr2,another word\nr4,word 4\n")
    assert planned(bench).reasons == ("1 row was added", "1 row changed or was never sent")
    bench.rows(3)
    bench.job(request={"max_tokens": 60, "system": "Be brief."})
    assert planned(bench).reasons == ("the request changed: max_tokens, system",)
    bench.rows(4)
    assert planned(bench).reasons == ("the request changed: max_tokens, system", "1 row was added")
    bench.rows(3)
    bench.job(samples=2)
    report = planned(bench)
    assert report.reasons == ("samples went from 1 to 2",)
    assert (report.new, report.reused) == (3, 3)


def test_nothing_was_sent_yet(bench: Bench) -> None:
    bench.job(limits={"max_cost_usd": 0.0001})
    bench.go(code=4)
    report = planned(bench)
    assert report.reasons == ("nothing was submitted yet",)
    assert report.over_budget


def test_repeats_are_asked_once(bench: Bench) -> None:
    bench.write("rows.csv", "id,text\na,same\nb,same\nc,other\n")
    report = planned(bench)
    assert (report.rows, report.requests, report.duplicates) == (3, 2, 1)


def test_rows_that_will_be_tried_again_come_on_top(bench: Bench) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": error}])
    bench.job(retry={"max_attempts": 1})
    bench.go(code=3)
    bench.job(retry={"max_attempts": 2})
    report = planned(bench, warnings=["beta is old"])
    assert report.warnings == ("beta is old", "1 failed row is worth another attempt, which comes on top")


def test_rows_that_failed_for_good_are_left_to_retry(bench: Bench) -> None:
    wrong = {"type": "billing_error", "message": "no"}
    bench.serve(results=[{"match": "word [23]", "type": "errored", "error": wrong}])
    bench.go(code=3)
    left = ("2 rows failed; `batchrun retry` asks them again",)
    assert planned(bench).warnings == left
    bench.rows(4)
    assert planned(bench).warnings == left
    bench.job(request={"max_tokens": 60})
    assert planned(bench).warnings == ()  # all rows are asked anew


def test_what_is_under_way_is_not_yet_spent(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.go(wait=False, code=75)
    report = planned(bench)
    assert report.spent_usd == 0.0
    assert report.at_stake_usd == pytest.approx(0.000519)


def test_exact_counts_a_sample(bench: Bench) -> None:
    bench.rows(100)
    asked: list[object] = []

    def count(params: object) -> int:
        asked.append(params)
        return 7

    report = planned(bench, exact=10, count_tokens=count)
    assert report.exact is not None
    assert (report.exact.requests, report.exact.mean) == (10, 7.0)
    assert len(asked) == len({str(a) for a in asked}) == 10
    again = planned(bench, exact=10, count_tokens=count)
    assert asked[:10] == asked[10:]  # the same sample each time
    assert again.exact == report.exact
