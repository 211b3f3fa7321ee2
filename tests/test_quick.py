"""A run of a finished job: the quick way and the ordinary way say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun import quick
from tests.conftest import MakeSimulator
from tests.workbench import Bench, Ran

ORDINARY = ("-c", "from batchrun.cli import main; main()")


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


def both_ways(bench: Bench, *args: str) -> Ran:
    ran = bench.run(*args)
    assert bench.run(*args, driver=ORDINARY) == ran
    return ran


@pytest.mark.parametrize("args", [(), ("batch.yaml",), ("--no-wait",), ("-q",), ("batch.yaml", "--quiet")])
def test_a_job_that_is_done(bench: Bench, args: tuple[str, ...]) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    calls = len(bench.calls())
    ran = both_ways(bench, "run", *args)
    assert ran.code == 0
    assert bool(ran.stderr) is not bool({"-q", "--quiet"} & set(args))
    assert len(bench.calls()) == calls


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["status"],
        ["run", "a.yaml", "b.yaml"],
        ["run", "--sandbox"],
        ["run", "--json"],
        ["run", "--", "batch.yaml"],
        ["run", "--root", "."],
        ["run", "nobody.yaml"],
        ["run", ""],
        ["run", "\0"],
    ],
)
def test_what_is_not_plain_goes_the_ordinary_way(
    bench: Bench, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    monkeypatch.chdir(bench.folder)
    assert quick.exit_code(["run"]) == 0
    assert quick.exit_code(args) is None


def test_what_is_wrong_is_told_as_ever(bench: Bench) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    state = bench.path(".batchrun/batch/state.json")
    state.write_bytes(state.read_bytes()[:-20])
    ran = both_ways(bench, "run")
    assert ran.code == 78
    assert ran.stderr.startswith("error: the state file is damaged: ")


def test_rows_that_failed_keep_their_exit_code_and_hint(bench: Bench) -> None:
    wrong = {"type": "invalid_request_error", "message": "no"}
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": wrong}])
    bench.job(rows=2)
    bench.run("run", code=3)
    ran = both_ways(bench, "run")
    assert ran.code == 3
    assert ran.stderr == (
        "batch: nothing to do; 1 of 2 rows succeeded; out/answers.jsonl is up to date\n"
        "hint: try the rest again: batchrun retry batch.yaml\n"
    )


def test_a_job_that_has_to_do_something(bench: Bench) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    with bench.path("rows.csv").open("a") as rows:
        rows.write("r3,word 3\n")
    assert "nothing to do" not in bench.run("run", code=0).stderr
    assert len(bench.ledger()) == 2
