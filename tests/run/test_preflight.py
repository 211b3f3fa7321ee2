"""What is refused before anything is sent; the exit codes are looked at in commands/test_run.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from batchrun import run_job
from batchrun.errors import BatchrunError, CannotCreate, ConfigError
from batchrun.lifecycle.events import Event, Fetched
from batchrun.lifecycle.observer import Silent
from batchrun.lifecycle.state import RunState
from batchrun.run.decisions import retry_job
from tests.conftest import MakeSimulator
from tests.dying import __file__ as DYING
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    monkeypatch.chdir(bench.folder)
    return bench


def refused(bench: Bench, kind: type[BatchrunError], file: str = "batch.yaml") -> tuple[str, str]:
    """The words and the advice of a run that is refused, without a call."""
    calls = bench.calls()
    with pytest.raises(kind) as caught:
        run_job(bench.path(file), environ=bench.env)
    assert bench.calls() == calls
    return str(caught.value), caught.value.hint


# ---- the output --------------------------------------------------------------------------------


def test_a_file_of_somebody_else(bench: Bench) -> None:
    spec = bench.job(rows=3)
    bench.write("out/answers.jsonl", "mine\n")
    advice = "move it away, or replace it with --overwrite"
    words = "out/answers.jsonl exists, and batchrun did not write it; nothing was submitted"
    assert refused(bench, CannotCreate) == (words, advice)
    run_job(spec, environ=bench.env, overwrite=True)
    bench.write("out/answers.jsonl", "mine\n")
    words = "out/answers.jsonl was changed since batchrun wrote it; nothing was submitted"
    assert refused(bench, CannotCreate) == (words, advice)
    with pytest.raises(CannotCreate):
        retry_job(spec, environ=bench.env)
    assert bench.output.read_text() == "mine\n"


def test_a_folder_that_cannot_hold_it(bench: Bench) -> None:
    bench.job(rows=1, output={"path": "notes/answers.jsonl"})
    bench.write("notes", "a file where the folder would be\n")
    advice = "name another output.path, or make room for this one"
    words = "cannot create notes/answers.jsonl: notes is not a folder; nothing was submitted"
    assert refused(bench, CannotCreate) == (words, advice)


def test_a_folder_that_may_not_be_written_to(bench: Bench) -> None:
    """In /proc not even root can create a file."""
    spec = bench.job(rows=1, output={"path": "/proc/answers.jsonl"})
    with pytest.raises(CannotCreate) as caught:
        run_job(spec, environ=bench.env, roots=[Path("/proc")])
    assert str(caught.value).startswith("cannot create /proc/answers.jsonl: ")
    assert bench.calls() == []


def test_a_file_of_somebody_else_in_the_sandbox(bench: Bench) -> None:
    spec = bench.job(rows=1)
    bench.write("out/answers.jsonl", "mine\n")  # not in its way
    bench.write("out/answers.sandbox.jsonl", "mine\n")
    with pytest.raises(CannotCreate) as caught:
        run_job(spec, sandbox=True)
    words = "out/answers.sandbox.jsonl exists, and batchrun did not write it; nothing was submitted"
    assert str(caught.value) == words
    run_job(spec, sandbox=True, overwrite=True)
    assert bench.output.read_text() == "mine\n"


def test_two_jobs_with_one_output(bench: Bench) -> None:
    bench.job("a.yaml", rows=1)
    bench.job("b.yaml")
    bench.go("a.yaml", code=0)
    assert refused(bench, CannotCreate, "b.yaml") == (
        "out/answers.jsonl was written by the job 'a' (a.yaml); nothing was submitted",
        "name another output; or add `name: a` to carry on with that job's answers",
    )


EXISTS = "exists, and batchrun did not write it"


@pytest.mark.parametrize("name", ["precious.jsonl", "other/answers.jsonl"])
def test_an_output_that_moved_onto_a_file_of_somebody_else(name: str, bench: Bench) -> None:
    bench.job(rows=1)
    bench.go(code=0)
    theirs = bench.write(name, "mine\n")
    bench.job(output={"path": name})
    for _ in range(2):
        assert refused(bench, CannotCreate)[0] == f"{name} {EXISTS}; nothing was submitted"
    theirs.unlink()
    bench.go(code=0)
    assert bench.records(name) == bench.records()
    assert len(bench.ledger()) == 1


def test_an_answer_that_could_not_be_written_makes_no_file_ours(bench: Bench) -> None:
    bench.job(rows=1, output={"path": "out/a.csv", "columns": {"bad": "{{ usage + 1 }}"}})
    bench.run("run", code=65)
    bench.write("precious.csv", "mine\n")
    bench.write("out/a.csv", "mine\n")
    assert refused(bench, CannotCreate)[0] == f"out/a.csv {EXISTS}; nothing was submitted"
    bench.job(output={"path": "precious.csv"})
    assert refused(bench, CannotCreate)[0] == f"precious.csv {EXISTS}; nothing was submitted"


class Meddler(Silent):
    """Does something to the folder once the answers are here and the output is not yet."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self._meddle = meddle

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        if isinstance(event, Fetched):
            self._meddle()


def meddled(bench: Bench, meddle: Callable[[], object], file: str = "batch.yaml") -> str:
    with pytest.raises(CannotCreate) as caught:
        run_job(bench.path(file), environ=bench.env, observer=Meddler(meddle))
    return str(caught.value)


def test_a_file_that_came_while_the_run_waited(bench: Bench) -> None:
    spec = bench.job(rows=1)
    words = meddled(bench, lambda: bench.write("out/answers.jsonl", "mine\n"))
    assert words == f"out/answers.jsonl {EXISTS}; the answers are kept"
    assert refused(bench, CannotCreate)[1] == "move it away, or replace it with --overwrite"
    assert bench.output.read_text() == "mine\n"
    run_job(spec, environ=bench.env, overwrite=True)
    assert len(bench.records()) == len(bench.ledger()) == 1


def test_two_jobs_at_once_with_one_output(bench: Bench) -> None:
    bench.job("a.yaml", rows=1)
    bench.job("b.yaml")
    words = meddled(bench, lambda: bench.go("b.yaml", code=0), "a.yaml")
    assert words == "out/answers.jsonl was written by the job 'b' (b.yaml); the answers are kept"
    assert bench.records()[0]["batch_id"] == bench.ledger()[1]["id"]


def test_an_output_folder_that_became_a_link_out_of_the_jail(bench: Bench) -> None:
    bench.job(rows=1)
    outside = bench.folder.parent / "outside"
    outside.mkdir()
    words = meddled(bench, lambda: bench.path("out").symlink_to(outside))
    assert words == f"cannot create {bench.output}: its folder has become a link that leads elsewhere"
    assert list(outside.iterdir()) == []


def test_a_pipe_where_the_output_would_be(bench: Bench) -> None:
    bench.job(rows=1)
    bench.go(code=0)
    bench.output.unlink()
    os.mkfifo(bench.output)
    ran = bench.run("run", code=73)
    assert f"error: cannot create {bench.output}: it is no plain file\n" in ran.stderr
    bench.run("run", "--overwrite", code=73)


@pytest.mark.parametrize("name", ["x" * 240 + ".jsonl", "a/" + "x" * 300 + "/a.jsonl"])
def test_a_name_that_is_too_long(name: str, bench: Bench) -> None:
    bench.job(rows=1, output={"path": name})
    words = f"cannot create {name}: File name too long; nothing was submitted"
    assert refused(bench, CannotCreate)[0] == words
    assert not [n for n in bench.listing() if "xxx" in n]


def test_a_kill_while_it_is_tried_out_leaves_nothing_for_good(bench: Bench) -> None:
    bench.job(rows=1)
    killed = bench.run("run", driver=(DYING, r"remove \.\w+\.\d+\.part@2", "KILL"))
    assert killed.code == -9
    assert [name for name in bench.listing() if name.endswith(".part")] != []
    bench.go(code=0)
    assert [name for name in bench.listing() if name.endswith(".part")] == []


# ---- the run directory -------------------------------------------------------------------------


def test_another_base_url(bench: Bench) -> None:
    bench.job(rows=1)
    first = bench.env["ANTHROPIC_BASE_URL"]
    bench.go(code=0)
    bench.rows(2)
    bench.env["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    assert refused(bench, ConfigError) == (
        f"the job's batches are at {first}, but ANTHROPIC_BASE_URL leads to http://127.0.0.1:9",
        "run it with the base URL it was started with, or copy the spec to a folder of its own",
    )


def test_another_base_url_before_anything_was_sent(bench: Bench) -> None:
    bench.job(rows=1, limits={"max_cost_usd": 0})
    bench.env["ANTHROPIC_BASE_URL"] += "/"
    bench.go(code=4)
    bench.env["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    bench.go(code=4)


def test_two_specs_with_one_name(bench: Bench) -> None:
    bench.job("a.yaml", rows=1, name="same")
    bench.job("b.yaml", name="same", output={"path": "out/b.jsonl"})
    bench.go("a.yaml", code=0)
    assert refused(bench, ConfigError, "b.yaml") == (
        "b.yaml and a.yaml both call their job 'same'",
        "give one of them another name: key",
    )


def test_a_renamed_spec_does_not_pay_again(bench: Bench) -> None:
    bench.serve(seconds=1000)
    spec = bench.job("a.yaml", rows=1)
    bench.go("a.yaml", wait=False, code=75)
    spec.rename(bench.path("b.yaml"))
    assert refused(bench, ConfigError, "b.yaml") == (
        "b.yaml is a.yaml under a new name, and its job 'a' has begun; nothing was submitted",
        "add `name: a` to carry on with it, or move .batchrun/a away to start afresh and pay again",
    )
    bench.job("b.yaml", name="a")
    bench.go("b.yaml", wait=False, code=75)
    assert len(bench.ledger()) == 1
    assert bench.state("a").spec == "b.yaml"


@pytest.mark.parametrize("stopped", ["over budget", "no key"])
def test_a_job_that_was_prepared_and_never_sent_is_as_a_new_one(stopped: str, bench: Bench) -> None:
    """Its rows stand in its state, but it has no claim to them: another name of the spec may have paid."""
    spec = bench.job("a.yaml", rows=2, limits={"max_cost_usd": 0 if stopped == "over budget" else 5})
    bench.run("run", "a.yaml", code=4 if stopped == "over budget" else 78, ANTHROPIC_API_KEY="")
    assert bench.state("a").expansion is not None
    spec.rename(bench.path("b.yaml"))
    bench.job("b.yaml")
    bench.go("b.yaml", code=0)
    bench.path("b.yaml").rename(spec)
    bench.output.unlink()
    for _ in range(2):
        assert refused(bench, ConfigError, "a.yaml") == (
            "a.yaml is b.yaml under a new name, and its job 'b' has begun; nothing was submitted",
            "add `name: b` to carry on with it, or move .batchrun/b away to start afresh and pay again",
        )
    bench.job("a.yaml", name="b")
    bench.go("a.yaml", code=0)
    assert len(bench.ledger()) == 1


def test_a_spec_that_was_renamed_and_edited_does_not_pay_again(bench: Bench) -> None:
    bench.serve(seconds=1000)
    spec = bench.job("a.yaml", rows=1)
    bench.go("a.yaml", wait=False, code=75)
    bench.path("b.yaml").write_text(spec.read_text() + "# another thought\n")
    spec.unlink()
    assert refused(bench, ConfigError, "b.yaml")[0].startswith("b.yaml is a.yaml under a new name")
    assert len(bench.ledger()) == 1


def test_a_job_that_was_renamed_in_its_spec_does_not_pay_again(bench: Bench) -> None:
    bench.job(rows=1)
    bench.go(code=0)
    bench.job(name="other", output={"path": "out/other.jsonl"})
    assert refused(bench, ConfigError) == (
        "batch.yaml was the job 'batch' before, and that has begun; nothing was submitted",
        "name it `name: batch` as before, or move .batchrun/batch away to start afresh and pay again",
    )
    bench.run_folder().rename(bench.path("away"))
    bench.go(code=0)
    assert len(bench.ledger()) == 2


def test_a_copy_of_a_spec_is_another_job(bench: Bench) -> None:
    spec = bench.job("a.yaml", rows=1)
    bench.go("a.yaml", code=0)
    bench.output.unlink()
    bench.path("b.yaml").write_bytes(spec.read_bytes())
    bench.go("b.yaml", code=0)
    assert len(bench.ledger()) == 2
