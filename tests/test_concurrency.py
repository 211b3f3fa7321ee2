"""Many at once: processes of one job, of two jobs in a folder, threads of one client."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchrun import BatchesClient
from batchrun.errors import ApiError
from batchrun.simulator import Simulator
from tests.conftest import MakeSimulator
from tests.simulator.helpers import entry
from tests.trials.invariants import Trial
from tests.trials.tally import Tally
from tests.workbench import PATIENCE, Bench, Ran

HOUR = 3600.0


class Api:
    """The bench's simulator by a clock that is moved by hand: a batch takes an hour of it."""

    def __init__(self, bench: Bench) -> None:
        self.hours = 0
        bench.serve(seconds=HOUR, clock=lambda: time.time() + self.hours * HOUR)

    def an_hour_passes(self) -> None:
        self.hours += 1


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    return Bench(tmp_path, make_simulator)


def ended(bench: Bench, processes: list[subprocess.Popen[str]]) -> list[Ran]:
    return [bench.finish(process) for process in processes]


def all_but_one_leave(bench: Bench, runs: int) -> list[Ran]:
    """So many `batchrun run` of one job at the same moment. One works, and waits for a batch that takes an hour;
    the others leave while it does."""
    api = Api(bench)
    bench.job(rows=3)
    processes = [bench.start("run") for _ in range(runs)]
    deadline = time.monotonic() + PATIENCE
    while sum(process.poll() is None for process in processes) > 1:
        assert time.monotonic() < deadline, "some wait for each other"
        time.sleep(0.01)
    [winner] = [process for process in processes if process.poll() is None]
    bench.until(winner, lambda: len(bench.ledger()) == 1)
    losers = ended(bench, [process for process in processes if process is not winner])
    api.an_hour_passes()
    bench.finish(winner, code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [3]
    return losers


@pytest.mark.parametrize("runs", [5, pytest.param(50, marks=pytest.mark.campaign)])
def test_one_works_and_the_others_leave_at_once(runs: int, bench: Bench, tally: Tally) -> None:
    with tally("simultaneous runs of one job") as campaign:
        losers = all_but_one_leave(bench, runs)
        for loser in losers:
            with campaign.trial():
                assert loser.code == 75
                assert "error: another process is working on the job 'batch'" in loser.stderr
                assert "hint: it goes on there; run it again later" in loser.stderr
        assert len(losers) == runs - 1
    trial = Trial(bench.folder, bench.api, key=bench.env["ANTHROPIC_API_KEY"])
    trial.check()
    trial.check_done()


def test_a_job_that_is_done_is_done_for_all(bench: Bench) -> None:
    """None of them finds it locked by the others."""
    bench.serve()
    bench.job(rows=3)
    bench.go(code=0)
    assert {ran.code for ran in ended(bench, [bench.start("run") for _ in range(8)])} == {0}
    assert len(bench.ledger()) == 1


def test_a_wrong_spec_is_wrong_for_all(bench: Bench) -> None:
    """Or somebody else is just looking at it; and none of them leaves anything behind."""
    bench.job(rows=3, output={"path": "out/answers.docx"})
    found = {ran.code for ran in ended(bench, [bench.start("run") for _ in range(8)])}
    assert {65} <= found <= {65, 75}
    assert not list(bench.path(".batchrun").glob("*"))


def test_a_kill_needs_no_unlock(bench: Bench) -> None:
    api = Api(bench)
    bench.job(rows=3)
    running = bench.start("run")
    bench.until(running, lambda: len(bench.ledger()) == 1)
    running.kill()
    again = bench.run("run", "--no-wait", code=75)
    assert "another process" not in again.stderr
    bench.finish(running, code=-9)
    api.an_hour_passes()
    bench.go(code=0)
    assert len(bench.ledger()) == 1


def test_two_jobs_of_one_folder(bench: Bench) -> None:
    bench.serve(seconds=0.2)
    bench.job(rows=3)
    bench.job("other.yaml", output={"path": "out/other.jsonl"}, limits={"batch_requests": 2})
    first, second = bench.start("run"), bench.start("run", "other.yaml")
    bench.finish(first, code=0)
    bench.finish(second, code=0)
    assert sorted(batch["requests"] for batch in bench.ledger()) == [1, 2, 3]
    for job, output in (("batch", "out/answers.jsonl"), ("other", "out/other.jsonl")):
        key = bench.env["ANTHROPIC_API_KEY"]
        trial = Trial(bench.folder, bench.api, key=key, job=job, output=output, paid_twice=1)
        trial.check()
        trial.check_done()


def test_everything_at_once(bench: Bench) -> None:
    """Those who look are never in the way of the run, and see a state that is whole; whoever wants to change
    something is told to come back, and a cancel reaches the run."""
    Api(bench)
    bench.job(rows=6, limits={"batch_requests": 2})
    running = bench.start("run")
    bench.until(running, lambda: len(bench.ledger()) == 3)
    looking = [bench.start(*args) for args in (["status", "--json"], ["plan", "--json"])]
    changing = [bench.start(verb, "batch.yaml") for verb in ("run", "retry")]
    looked, changed = ended(bench, looking), ended(bench, changing)
    assert [ran.code for ran in changed] == [75, 75]
    assert {ran.code for ran in looked} <= {0, 75}
    assert {ran.json()["job"] for ran in looked} == {"batch"}
    assert bench.run("cancel", code=75).stderr.startswith("another process is running this job")
    bench.finish(running, code=3)
    trial = Trial(bench.folder, bench.api, key=bench.env["ANTHROPIC_API_KEY"])
    trial.check()
    trial.check_done()
    assert {record["status"] for record in bench.records()} == {"canceled"}


# ---- threads -----------------------------------------------------------------------------------


@pytest.fixture
def client(simulator: Simulator) -> Iterator[BatchesClient]:
    with BatchesClient("a-key", base_url=simulator.url, environ={}) as client:
        yield client


def one_after_the_other(client: BatchesClient, thread: int) -> int:
    """All calls, about batches of this thread's own; how many."""
    texts = {f"t{thread}-{n}": f"Thread {thread} says {n}." for n in range(3)}
    for _ in range(4):
        batch = client.create([entry(name, text) for name, text in texts.items()])
        assert batch.request_counts.total == 3
        assert client.get(batch.id).id == batch.id
        assert client.wait_for_completion(batch.id).id == batch.id
        assert batch.id in {b.id for b in client.iterate(limit=7)}
        results = list(client.results(batch.id))
        assert {r.custom_id for r in results} == set(texts)
        for result in results:
            assert result.message is not None
            assert texts[result.custom_id] in str(result.message["content"])
        assert client.count_tokens(entry("x", "word " * (thread + 1) * 10)["params"]) > thread * 10
        with pytest.raises(ApiError, match="has already ended"):
            client.cancel(batch.id)
        client.delete(batch.id)
        with pytest.raises(ApiError):
            client.delete(batch.id)
    return 4 * 9


def test_threads_share_a_client(client: BatchesClient, tally: Tally) -> None:
    with tally("calls of threads that share a client") as campaign, ThreadPoolExecutor(12) as pool:
        for calls in pool.map(lambda n: one_after_the_other(client, n), range(12)):
            campaign.trials += calls
    assert client.list().data == ()
