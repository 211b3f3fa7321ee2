from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve(seconds=1000)
    bench.job(rows=10)
    return bench


def statuses(bench: Bench) -> dict[str, int]:
    found = [r["status"] for r in bench.records()]
    return {status: found.count(status) for status in sorted(set(found))}


def test_a_job_that_was_never_run(bench: Bench) -> None:
    files = bench.listing()
    ran = bench.run("cancel", code=0)
    assert ran.stderr.startswith("batch  not started\n")
    assert bench.listing() == files
    assert bench.calls() == []


def test_what_is_under_way(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    ran = bench.run("cancel", code=0)
    assert ran.stderr.startswith("shard 0001: canceling\nbatch  canceling\n")
    assert ran.stderr.endswith("  next        batchrun run batch.yaml\n")
    again = bench.run("cancel", code=0)
    assert again.stderr.startswith("batch  canceling\n")
    assert len(bench.calls("cancel")) == 1
    done = bench.run("run", code=3)
    assert "  failed      10 canceled\n" in done.stderr
    assert statuses(bench) == {"canceled": 10}
    assert len(bench.ledger()) == 1  # rows that a person canceled are not sent again


def test_answers_that_exist_are_kept_and_retry_gets_the_rest(bench: Bench) -> None:
    now = [time.time()]
    bench.serve(seconds=10, clock=lambda: now[0])
    bench.go(wait=False, code=75)
    now[0] += 6
    bench.run("cancel", code=0)
    bench.go(code=3)
    assert statuses(bench) == {"canceled": 4, "succeeded": 6}
    bench.serve(clock=lambda: now[0])
    ran = bench.run("retry", "batch.yaml", code=0)
    assert ran.stderr.startswith("4 rows to be tried again\n")
    assert statuses(bench) == {"succeeded": 10}
    assert [b["requests"] for b in bench.ledger()] == [10, 4]


def test_while_another_process_runs_it(bench: Bench) -> None:
    running = bench.start("run")
    bench.until(running, lambda: bool(bench.calls("retrieve")))
    ran = bench.run("cancel", code=75)
    assert ran.stderr == "another process is running this job; it was asked to cancel it\n"
    done = bench.finish(running, code=3)
    assert "shard 0001: canceling\n" in done.stderr
    assert statuses(bench) == {"canceled": 10}
    assert not (bench.run_folder() / "cancel").exists()


def test_before_anything_was_sent(bench: Bench) -> None:
    """There is nothing to cancel, so a later run is not held to it."""
    bench.job(limits=None)
    bench.run("run", code=4)
    assert "not started" in bench.run("cancel", code=0).stderr
    for command in ("run", "retry"):  # a first spend is one, whatever the command
        held = bench.run(command, "batch.yaml", code=4)
        assert "this would be the job's first spend; nothing was submitted" in held.stderr
    assert bench.calls() == []
    bench.serve()
    bench.run("run", "--yes", code=0)
    assert statuses(bench) == {"succeeded": 10}


def test_a_wish_that_came_too_late_cancels_nothing_new(bench: Bench) -> None:
    bench.serve()
    bench.go(code=0)
    (bench.run_folder() / "cancel").touch()
    bench.rows(11)
    bench.go(code=0)
    assert statuses(bench) == {"succeeded": 11}
    assert not (bench.run_folder() / "cancel").exists()


def test_a_wish_that_nobody_heard_is_heard_by_the_next_run(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    (bench.run_folder() / "cancel").touch()
    ran = bench.run("run", code=3)
    assert ran.stderr.startswith("shard 0001: canceling\n")
    assert statuses(bench) == {"canceled": 10}


def test_a_batch_that_cannot_be_reached(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    bench.serve(faults=[{"on": "cancel", "not_found": True}], seconds=1000)
    ran = bench.run("cancel", code=75)
    batch_id = bench.ledger()[0]["id"]
    assert ran.stderr.endswith(
        f"error: shard 0001 could not be canceled: Message Batch {batch_id} not found.\n"
        "hint: cancel it again; a run would cancel it, too\n"
    )
    bench.go(code=3)
    assert statuses(bench) == {"canceled": 10}


def test_json(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    assert bench.run("cancel", "--json", code=0).json()["state"] == "canceling"
