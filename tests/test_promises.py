"""The three promises, held against a process that dies (design.md, opening)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench, stable

# VmHWM and not ru_maxrss: that one still counts the test's own memory, from before the exec.
MEASURED = """\
import re, sys
from pathlib import Path
from batchrun.cli import run
code = run(sys.argv[1:])
status = Path("/proc/self/status").read_text()
Path("peak").write_text(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
sys.exit(code)
"""
DYING = str(Path(__file__).parent / "dying.py")

# Effects of a run in order (see dying.py): what the moment is, the effect that the process dies before.
MOMENTS = {
    "before there is a state": r"rename .*state\.json@1",
    "while rows are expanded": r"rename .*shards/\.0002@1",
    "before the shards are in the state": r"rename .*state\.json@2",
    "before the baseline is asked for": r"send GET .*limit=100@1",
    "before the intent is saved": r"rename .*state\.json@3",
    "before the shard is marked as sent": r"open .*0001\.sent@1",
    "before the mark is durable": r"sync .*shards@3",
    "after the intent is saved": r"send POST@1",
    "in the middle of the POST": r"send \]\}@1",
    "after the batch was accepted": r"open .*state\.json@4",
    "after the second batch was accepted": r"open .*state\.json@6",
    "before the first poll": r"send GET .*batches/msgbatch_\w+$@1",
    "before the results are asked for": r"send GET .*/results@1",
    "before the results are renamed": r"rename .*results/0001@1",
    "after the results are renamed": r"sync .*results@1",
    "before the second results are saved": r"sync .*results@2",
    "before the last batch is sent": r"send POST@3",
    "after the last batch was accepted": r"send GET .*batches/msgbatch_\w+$@3",
    "before the answer is begun": r"mkdir out@1",
    "before the answer is renamed": r"rename out/@1",
    "after the answer is renamed": r"sync out@1",
    "before the answer is in the state": r"rename .*\.part$@23",
}


def three_shards(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=6, limits={"batch_requests": 2}, output={"include": "input"})
    return bench


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The records of a run that nothing disturbs: `three_shards` in the sandbox."""
    bench = Bench(tmp_path_factory.mktemp("undisturbed"))
    bench.job(rows=6, limits={"batch_requests": 2}, output={"include": "input"})
    bench.run("run", "--sandbox", code=0)
    return list(stable(bench.records("out/answers.sandbox.jsonl")))


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_killed_at_any_moment(
    moment: str, tmp_path: Path, make_simulator: MakeSimulator, undisturbed: list[object]
) -> None:
    bench = three_shards(tmp_path, make_simulator)
    killed = bench.run("run", driver=(DYING, moment, "KILL"))
    assert killed.code == -9
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [2, 2, 2]
    assert stable(bench.records()) == undisturbed
    assert [name for name in bench.listing() if name.endswith(".part")] == []
    assert {shard.phase for shard in bench.state().shards if shard.reason is None} == {"fetched"}


@pytest.mark.parametrize(
    "moment, name, code",
    [
        ("while rows are expanded", "INT", 130),
        ("after the intent is saved", "INT", 130),
        ("in the middle of the POST", "TERM", 143),
        ("after the batch was accepted", "TERM", 143),
        ("before the first poll", "INT", 130),
        ("before the results are renamed", "TERM", 143),
        ("before the answer is renamed", "INT", 130),
    ],
)
def test_interrupted_at_any_moment(
    moment: str,
    name: str,
    code: int,
    tmp_path: Path,
    make_simulator: MakeSimulator,
    undisturbed: list[object],
) -> None:
    bench = three_shards(tmp_path, make_simulator)
    left = bench.run("run", driver=(DYING, MOMENTS[moment], name), code=code)
    assert left.stderr.endswith(
        f"error: interrupted by SIG{name}; the state is saved, and submitted batches go on\n"
        "hint: carry on: batchrun run batch.yaml\n"
        "hint: stop it for good: batchrun cancel batch.yaml\n"
    )
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [2, 2, 2]
    assert stable(bench.records()) == undisturbed


def test_killed_again_and_again(
    tmp_path: Path, make_simulator: MakeSimulator, undisturbed: list[object]
) -> None:
    bench = three_shards(tmp_path, make_simulator)
    for moment in ("send POST@1", r"open .*state\.json@6", r"rename .*results/@1", "rename out/@1"):
        assert bench.run("run", driver=(DYING, moment, "KILL")).code == -9
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [2, 2, 2]
    assert stable(bench.records()) == undisturbed


# ---- running it again --------------------------------------------------------------------------


def test_a_finished_job_asks_nothing_and_touches_nothing(
    tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    bench = three_shards(tmp_path, make_simulator)
    bench.go(code=0)
    calls, files = bench.calls(), bench.listing()
    del bench.env["ANTHROPIC_API_KEY"]
    again = bench.run("run", code=0)
    assert again.stderr == ("batch: nothing to do; 6 of 6 rows succeeded; out/answers.jsonl is up to date\n")
    assert bench.calls() == calls
    assert bench.listing() == files


def test_ten_rows_more_are_ten_requests_more(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=1000)
    bench.go(code=0)
    bench.rows(1010)
    ran = bench.run("run", code=0)
    assert ran.stderr.startswith("1,010 rows: 10 new requests in 1 shard, 1,000 already asked\n")
    assert [batch["requests"] for batch in bench.ledger()] == [1000, 10]
    records = bench.records()
    assert [r["id"] for r in records] == [f"r{n}" for n in range(1, 1011)]
    assert {r["status"] for r in records} == {"succeeded"}


def test_data_that_was_edited_and_put_back_costs_nothing(
    tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    bench = three_shards(tmp_path, make_simulator)
    bench.go(code=0)
    calls, answer = bench.calls(), bench.output.read_bytes()
    written = bench.output.stat().st_mtime_ns
    data = bench.path("rows.csv")
    text = data.read_text()
    data.write_text("id,text\nr1,word 1\n")
    bench.go(code=0)
    assert len(bench.records()) == 1
    data.write_text(text)
    bench.go(code=0)
    assert bench.output.read_bytes() == answer
    os.utime(data)
    touched = bench.run("run", code=0)
    assert touched.stderr.endswith("; out/answers.jsonl is up to date\n")
    assert bench.calls() == calls
    assert (
        written
        < bench.output.stat().st_mtime_ns
        < bench.path(".batchrun/batch/state.json").stat().st_mtime_ns
    )


def test_twenty_thousand_rows_stay_small(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=20_000)
    bench.finish(bench.start("run", driver=("-c", MEASURED)), code=0)
    assert int(bench.path("peak").read_text()) < 300 * 1024  # kB
    assert len(bench.records()) == 20_000
    assert [batch["requests"] for batch in bench.ledger()] == [20_000]
