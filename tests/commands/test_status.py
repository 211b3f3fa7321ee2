from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve(seconds=1000)
    bench.job(rows=3)
    return bench


def look(bench: Bench) -> str:
    """What status shows; it asks nobody, changes nothing and keeps to 80 columns."""
    files, calls = bench.listing(), bench.calls()
    ran = bench.run("status", code=0)
    assert (bench.listing(), bench.calls(), ran.stderr) == (files, calls, "")
    assert max(map(len, ran.stdout.splitlines())) <= 80
    return re.sub(r"msgbatch_01\w+", "msgbatch_…", ran.stdout)


def test_never_run(bench: Bench) -> None:
    assert look(bench) == (
        "batch  not started\n\n"
        "  cost        $0.00 so far (budget $5.00)\n"
        "  output      out/answers.jsonl\n"
        "  next        batchrun run batch.yaml\n"
    )


def test_running_then_done(bench: Bench) -> None:
    now = [time.time()]
    bench.serve(seconds=1000, clock=lambda: now[0])
    bench.go(wait=False, code=75)
    shown = look(bench)
    assert shown.startswith(
        "batch  running\n\n"
        "  SHARD  PHASE       REQUESTS  BATCH\n"
        "  0001   submitted          3  msgbatch_…\n"
        "         in progress, for "
    )
    assert "  cost        $0.00 so far, at most $0.00052 under way (budget $5.00)\n" in shown
    assert shown.endswith("  next        batchrun run batch.yaml\n")
    now[0] += 1000
    bench.go(code=0)
    shown = look(bench)
    assert shown.startswith("batch  done\n\n")
    assert shown.endswith("  cost        $0.000033 at batch price\n  output      out/answers.jsonl\n")
    assert "         3 succeeded, took 16m 40s\n" in shown


def test_held(bench: Bench) -> None:
    bench.serve(faults=[{"on": "create", "status": {"code": 400, "error": {"message": "no such beta"}}}])
    bench.run("run", code=65)
    shown = look(bench)
    assert shown.startswith("batch  refused\n")
    assert shown.endswith("    batchrun retry batch.yaml\n")


def test_json(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    report = bench.run("status", "--json", code=0).json()
    assert (report["job"], report["state"], report["next"]) == ("batch", "running", "batchrun run batch.yaml")
    assert report["output"] == str(bench.output)
    assert report["shards"][0]["counts"]["processing"] == 3
    assert report["needs"] == []


def test_the_sandbox_has_a_status_of_its_own(bench: Bench) -> None:
    bench.run("run", "--sandbox", code=0)
    assert look(bench).startswith("batch  not started\n")
    ran = bench.run("status", "--sandbox", code=0)
    assert ran.stdout.startswith("batch  done  (sandbox: invented answers)\n")
    assert ran.stdout.endswith("  output      out/answers.sandbox.jsonl\n")


def test_no_spec(bench: Bench) -> None:
    ran = bench.run("status", "other.yaml", code=66)
    assert ran.stderr.startswith("error: there is no spec other.yaml\n")
