"""The checker itself: a run that nothing disturbed passes, and each broken promise is seen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.conftest import MakeSimulator
from tests.trials.canary import CANARY
from tests.trials.invariants import Broken, Trial
from tests.workbench import Bench, Ran

FINE = Ran(0, "", "")


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.env["ANTHROPIC_API_KEY"] = CANARY
    bench.serve()
    bench.job(rows=4, limits={"batch_requests": 2})
    return bench


@pytest.fixture
def trial(bench: Bench) -> Trial:
    """After a whole run, checked."""
    trial = Trial(bench.folder, bench.api)
    bench.go(code=0)
    trial.check()
    trial.check_done()
    return trial


def test_undisturbed_and_with_more_rows(bench: Bench) -> None:
    trial = Trial(bench.folder, bench.api)
    trial.check()  # nothing there is fine, too
    trial.carry_on(lambda: bench.run("run", "--json"), json=True)
    bench.rows(7)
    trial.carry_on(lambda: bench.run("run"))
    bench.rows(2, start=3)
    trial.carry_on(lambda: bench.run("run"))


def test_failed_rows_and_their_next_attempt(bench: Bench) -> None:
    bench.serve(
        results=[{"match": "word 1", "type": "expired", "times": 1}, {"match": "word 3", "type": "expired"}]
    )
    trial = Trial(bench.folder, bench.api)
    trial.carry_on(lambda: bench.run("run"))
    assert [r["status"] for r in bench.records()].count("expired") == 1


def test_it_has_three_runs(trial: Trial) -> None:
    with pytest.raises(Broken, match=r"not one of \[0, 3\] within 3 runs, but \[75, 75, 75\]"):
        trial.carry_on(lambda: Ran(75, "", ""))


def test_streams(trial: Trial) -> None:
    for ran, fault in [
        (Ran(1, "", "error: a bug"), "a bug, exit code 1"),
        (Ran(-9, "", "Traceback (most recent call last)"), "a bug, exit code -9"),
        (Ran(0, f"{CANARY}", ""), "the key is in stdout"),
        (Ran(0, "", f"{CANARY}"), "the key is in stderr"),
        (Ran(0, "{", ""), "stdout is no JSON"),
    ]:
        with pytest.raises(Broken, match=fault):
            trial.check(ran, json=True)


def _drop_state(bench: Bench) -> None:
    (bench.run_folder() / "state.json").unlink()


def _older_state(bench: Bench) -> None:
    file = bench.run_folder() / "state.json"
    value = orjson.loads(file.read_bytes())
    del value["checksum"]
    file.write_bytes(orjson.dumps(value | {"revision": 3}))


def _cut(name: str) -> Callable[[Bench], None]:
    def cut(bench: Bench) -> None:
        path = bench.path(name)
        path.write_bytes(path.read_bytes()[:-5])

    return cut


def _forget(bench: Bench) -> None:
    ledger = bench.api / "ledger.jsonl"
    forgotten = {"id": "msgbatch_x", "first_custom_id": f"{'0' * 32}-{'f' * 16}"}
    ledger.write_bytes(ledger.read_bytes() + orjson.dumps(forgotten) + b"\n")


def _again(bench: Bench) -> None:
    """As if the first batch had been accepted twice."""
    ledger = bench.api / "ledger.jsonl"
    first = orjson.loads(ledger.read_bytes().splitlines()[0])
    second = first | {"id": "msgbatch_second"}
    ledger.write_bytes(ledger.read_bytes() + orjson.dumps(second) + b"\n")
    shutil.copytree(bench.api / "batches" / first["id"], bench.api / "batches" / "msgbatch_second")


@pytest.mark.parametrize(
    "spoil, fault",
    [
        (_drop_state, "the state went back from revision"),
        (_older_state, "the state went back from revision"),
        (_cut(".batchrun/batch/state.json"), "a state file that cannot be read"),
        (_cut("out/answers.jsonl"), "answers.jsonl:4 is not whole"),
        (_cut(".batchrun/batch/results/0002.jsonl"), "0002.jsonl:2 is not whole"),
        (_cut(".batchrun/batch/shards/0001.jsonl"), "shard 0001 is not the body"),
        (lambda bench: bench.path(".batchrun/batch/shards/0001.jsonl").unlink(), "a shard without a file: 0001"),
        (lambda bench: bench.path(".batchrun/batch/results/0001.jsonl").unlink(), "its results are not there"),
        (lambda bench: bench.write("log", f"x-api-key: {CANARY}"), "the key is in .*log"),
        (_forget, "sent, and no state says so: msgbatch_x"),
        (_again, r"accepted 2 times[^\n]*\nthe request \w+ is paid for 2 times"),
    ],
)  # fmt: skip
def test_after_any_process(bench: Bench, trial: Trial, spoil: Callable[[Bench], None], fault: str) -> None:
    spoil(bench)
    with pytest.raises(Broken, match=fault):
        trial.check(FINE)


def _swap(bench: Bench) -> None:
    lines = bench.output.read_bytes().splitlines(keepends=True)
    bench.output.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))


def _swap_answers(bench: Bench) -> None:
    first, second, *rest = bench.records()
    first["text"], second["text"] = second["text"], first["text"]
    bench.output.write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in (first, second, *rest)))


def _lose_an_answer(bench: Bench) -> None:
    first, *rest = bench.records()
    first |= {"status": "canceled", "text": None, "custom_id": None, "batch_id": None}
    bench.output.write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in (first, *rest)))


@pytest.mark.parametrize(
    "spoil, fault",
    [
        (lambda bench: bench.write("out/.answers.jsonl.1.part", ""), "left behind: .*part"),
        (_swap, r"record 2 \(r2\) stands where row r1 belongs"),
        (_swap_answers, "row r1: .* is not the answer that was paid for"),
        (_lose_an_answer, "row r1: .* is not the answer that was paid for"),
        (lambda bench: bench.output.unlink(), "0 records, not 4"),
        (lambda bench: bench.rows(5), "4 rows were expanded, not 5"),
        (lambda bench: bench.write("rows.csv", "id,text\n" + "r1,other\n" * 4), "was asked 'Say word 1'"),
    ],
)
def test_when_it_is_done(bench: Bench, trial: Trial, spoil: Callable[[Bench], None], fault: str) -> None:
    spoil(bench)
    with pytest.raises(Broken, match=fault):
        trial.check_done()
