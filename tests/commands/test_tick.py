"""One pass over many jobs, as cron makes it."""

from __future__ import annotations

import time

import orjson
import pytest

from batchrun.watch.notes import Notes
from tests.conftest import MakeSimulator
from tests.workbench import PATIENCE, Bench, Ran

SETTLE = ("--settle", "50ms")


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("tick"), make_simulator)
    bench.serve()
    bench.rows(3)
    return bench


def tick_until(bench: Bench, code: int, *args: str) -> Ran:
    """Tick, as cron would, until the exit code is not 75 any more: then it must be `code`."""
    deadline = time.monotonic() + PATIENCE
    while (ran := bench.run("tick", *args, *SETTLE)).code == 75 and time.monotonic() < deadline:
        pass
    assert ran.code == code, ran
    return ran


def test_from_a_spec_to_an_answer_in_a_few_ticks(bench: Bench) -> None:
    bench.job("labels.yaml", poll={"interval": "500ms"})
    first = bench.run("tick", ".", *SETTLE, code=75)
    assert first.stdout == ""
    (batch,) = bench.ledger()
    assert first.stderr == (
        "labels: 3 rows: 3 new requests in 1 shard\n"
        f"labels: shard 0001: submitting 3 requests, {bench.state('labels').shards[0].bytes} B\n"
        f"labels: shard 0001: submitted as {batch['id']}\n"
    )
    last = tick_until(bench, 0, ".")
    assert last.stderr.endswith(
        "labels: done: 3 of 3 rows succeeded, $0.000033: out/answers.jsonl (moved to done/labels.yaml)\n"
    )
    assert [r["id"] for r in bench.records()] == ["r1", "r2", "r3"]
    assert bench.path("done/labels.yaml").is_file() and not bench.path("labels.yaml").exists()
    assert bench.run("tick", ".", *SETTLE, code=0).stderr == ""
    assert len(bench.ledger()) == 1


def test_a_job_has_one_name_from_its_first_line_to_its_last(bench: Bench) -> None:
    """The spec's name:, not the file's stem."""
    bench.job("labels.yaml", name="tickets", poll={"interval": "500ms"})
    first = bench.run("tick", ".", *SETTLE, code=75)
    told = first.stderr + tick_until(bench, 0, ".").stderr
    assert {line.partition(":")[0] for line in told.splitlines()} == {"tickets"}


def test_nothing_is_asked_before_it_is_due(bench: Bench) -> None:
    bench.job("labels.yaml", poll={"interval": "1h"})
    bench.run("tick", ".", *SETTLE, code=75)
    calls = bench.calls()
    again = bench.run("tick", ".", *SETTLE, code=75)
    assert (again.stdout, again.stderr) == ("", "")
    assert bench.calls() == calls


def test_a_spec_alone_stays_where_it_is(bench: Bench) -> None:
    bench.job("labels.yaml")
    bench.job("other.yaml", output={"path": "out/other.jsonl"})
    tick_until(bench, 0, "labels.yaml")
    assert bench.path("labels.yaml").is_file()
    assert len(bench.ledger()) == 1
    assert bench.run("tick", "labels.yaml", code=0).stderr == ""


def test_a_second_tick_leaves_at_once(bench: Bench) -> None:
    bench.job("labels.yaml")
    with Notes(bench.folder).alone("."):
        locked = bench.run("tick", ".", *SETTLE, code=75)
        assert locked.stderr == (
            "error: another tick, or a watcher, is working on .\nhint: it goes on there\n"
        )
        assert bench.run("tick", ".", "--quiet", code=75).stderr == ""
    assert bench.calls() == []


def test_quiet_says_what_needs_a_person_once(bench: Bench) -> None:
    bench.job("labels.yaml", limits={"max_cost_usd": 0.0000001})
    told = bench.run("tick", ".", "--quiet", *SETTLE, code=4)
    assert told.stdout == ""
    assert told.stderr.startswith("labels: needs a person: ")
    assert "  batchrun plan labels.yaml\n" in told.stderr
    assert told.stderr.count("\n") <= 10
    assert bench.run("tick", ".", "--quiet", *SETTLE, code=4).stderr == ""
    assert bench.path("labels.yaml").is_file()
    assert bench.ledger() == []


@pytest.mark.parametrize(("args", "env"), [(("--yes",), {}), ((), {"BATCHRUN_BUDGET_DEFAULT_USD": "5"})])
def test_what_the_operator_allows_now_counts_at_once(
    bench: Bench, args: tuple[str, ...], env: dict[str, str]
) -> None:
    bench.job("labels.yaml", limits=None)
    assert "needs a person: the spec sets no budget" in bench.run("tick", ".", *SETTLE, code=4).stderr
    assert bench.run("tick", ".", *SETTLE, code=4).stderr == ""
    bench.run("tick", ".", *args, *SETTLE, code=75, **env)
    assert len(bench.ledger()) == 1


def test_quiet_says_nothing_of_what_goes_well(bench: Bench) -> None:
    bench.job("labels.yaml")
    assert tick_until(bench, 0, ".", "--quiet").stderr == ""
    assert bench.path("done/labels.yaml").is_file()


def test_what_happened_as_json(bench: Bench) -> None:
    bench.job("labels.yaml")
    ran = tick_until(bench, 0, ".", "--json")
    events = [orjson.loads(line) for line in ran.stdout.splitlines()]
    assert ran.stderr == ""
    last = events[-1]
    assert last.pop("at")
    assert last == {
        "event": "done",
        "folder": ".",
        "spec": "labels.yaml",
        "job": "labels",
        "text": "done: 3 of 3 rows succeeded, $0.000033: out/answers.jsonl",
        "exit_code": 0,
        "output": str(bench.output),
        "moved_to": "done/labels.yaml",
    }


def test_the_exit_code_is_that_of_the_job_that_says_most(bench: Bench) -> None:
    bench.job("running.yaml", poll={"interval": "1h"})
    bench.run("tick", ".", *SETTLE, code=75)
    bench.write("broken.yaml", "version: 2\n")
    bench.run("tick", ".", *SETTLE, code=65)
    bench.run("tick", ".", *SETTLE, code=75)


def test_without_a_key_nothing_is_put_away(bench: Bench) -> None:
    del bench.env["ANTHROPIC_API_KEY"]
    bench.job("labels.yaml")
    ran = bench.run("tick", ".", *SETTLE, code=78)
    assert ran.stderr.startswith("labels: 3 rows: 3 new requests in 1 shard\nlabels: put off: no API key\n")
    assert bench.path("labels.yaml").is_file()


def test_an_api_that_is_not_there(bench: Bench) -> None:
    assert bench.simulator
    bench.simulator.stop()
    for number in range(8):
        bench.job(f"job{number}.yaml", output={"path": f"out/{number}.jsonl"})
    bench.run("tick", ".", *SETTLE, code=69)
    assert sorted(bench.folder.glob("*.yaml")) == [bench.path(f"job{n}.yaml") for n in range(8)]


def test_what_is_not_there(bench: Bench) -> None:
    assert bench.run("tick", "nowhere", code=66).stderr == "error: there is no folder or spec nowhere\n"
