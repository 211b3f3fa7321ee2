"""run_job and its kin, as a program calls them: in this process, over real HTTP."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from batchrun import Outcome, run_job
from batchrun.clockwork import Clockwork
from batchrun.errors import ExitCode, Locked, MissingInput, NeedsPerson, Problem
from batchrun.fastpath.uptodate import finished
from batchrun.lifecycle.events import Event, Gathered, SubmitAccepted
from batchrun.lifecycle.observer import Silent
from batchrun.lifecycle.state import RunState
from batchrun.lifecycle.verdicts import Verdict
from batchrun.run.decisions import retry_job
from batchrun.run.jobs import _when_free, look, opened
from batchrun.run.target import Target
from tests.conftest import MakeSimulator
from tests.media.files import png
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


class Listener:
    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.warned: list[str] = []

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        assert state.revision == before.revision + 1
        self.heard.append(event)

    def waiting(self, until: float, state: RunState) -> None:
        """Nothing to note."""

    def warning(self, problem: Problem) -> None:
        self.warned.append(problem.field)


def test_a_job_from_python(
    bench: Bench, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    spec, listener = bench.job(rows=3), Listener()
    caplog.set_level(logging.DEBUG, logger="batchrun")
    outcome = run_job(spec, environ=bench.env, observer=listener)
    assert (outcome.verdict, outcome.exit_code) == (Verdict.DONE, ExitCode.OK)
    assert (outcome.job, outcome.output, outcome.changed) == ("batch", bench.output, True)
    kinds = [type(event) for event in listener.heard]
    assert kinds.count(SubmitAccepted) == kinds.count(Gathered) == 1
    assert outcome.report("x y.yaml", now=0.0).needs == ()
    again = run_job(str(spec), environ=bench.env)
    assert (again.verdict, again.exit_code, again.changed) == (Verdict.DONE, ExitCode.OK, False)
    assert capfd.readouterr() == ("", "")


def test_what_may_not_be_meant_so_is_told(bench: Bench) -> None:
    spec, listener = bench.job(rows=1, betas=["message-batches-2024-09-24"]), Listener()
    run_job(spec, environ=bench.env, observer=listener)
    assert listener.warned == ["betas[0]"]


def test_jobs_in_several_threads(bench: Bench) -> None:
    bench.rows(5)
    names = [f"job{n}" for n in range(6)]
    specs = [bench.job(f"{n}.yaml", output={"path": f"out/{n}.jsonl"}) for n in names]
    outcomes: dict[str, Outcome] = {}

    def work(spec: Path) -> None:
        outcomes[spec.stem] = run_job(spec, environ=bench.env)

    threads = [threading.Thread(target=work, args=(spec,)) for spec in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == names
    assert {outcome.exit_code for outcome in outcomes.values()} == {ExitCode.OK}
    assert [batch["requests"] for batch in bench.ledger()] == [5] * 6


def test_one_job_has_one_owner(bench: Bench) -> None:
    spec = bench.job(rows=1)
    with opened(spec, target=Target(environ=bench.env)), pytest.raises(Locked):
        run_job(spec, environ=bench.env)
    run_job(spec, environ=bench.env)


def test_the_wait_for_another_process_begins_when_it_is_met() -> None:
    time, tries = [0.0], [0]

    def attempt() -> Outcome:
        time[0] += 60.0  # as long as a large job takes to get to its lock
        tries[0] += 1
        raise Locked("another process has it")

    def sleep(seconds: float) -> None:
        time[0] += seconds

    with pytest.raises(Locked):
        _when_free(attempt, 30.0, Clockwork(sleep=sleep, clock=lambda: time[0]), Silent())
    assert tries == [2]


def test_nobody_consents_by_default(bench: Bench) -> None:
    spec = bench.job(rows=1, limits=None)
    with pytest.raises(NeedsPerson):
        run_job(spec, environ=bench.env)
    asked: list[RunState] = []

    def consent(state: RunState) -> bool:
        asked.append(state)
        return True

    run_job(spec, environ=bench.env, consent=consent)
    bench.rows(2)
    run_job(spec, environ=bench.env)  # a first spend is asked about, and only that
    assert len(asked) == 1


def test_looking_asks_nobody(bench: Bench) -> None:
    spec = bench.job(rows=1)
    assert look(spec).verdict is Verdict.NEW
    assert ".batchrun" not in bench.listing()
    run_job(spec, environ=bench.env)
    assert look(spec).verdict is Verdict.DONE


# ---- the sandbox --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_invented_answers_get_a_file_of_their_own(bench: Bench, kind: str) -> None:
    spec = bench.job(rows=2, output={"path": f"out/a.b.{kind}"})
    written = bench.path(f"out/a.b.sandbox.{kind}")
    assert look(spec, sandbox=True).output == written
    assert run_job(spec, sandbox=True).output == written
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    again = finished(spec, sandbox=True)
    assert again is not None
    assert again.output == look(spec, sandbox=True).output == written


def test_rehearsal_and_real_run_leave_each_other_alone(bench: Bench) -> None:
    spec = bench.job(rows=3)
    run_job(spec, sandbox=True)
    invented = bench.rehearsal.read_bytes()
    assert run_job(spec, environ=bench.env).output == bench.output
    real = bench.output.read_bytes()
    bench.rehearsal.unlink()
    assert run_job(spec, sandbox=True).changed
    assert retry_job(spec, sandbox=True).output == bench.rehearsal
    assert (bench.output.read_bytes(), bench.rehearsal.read_bytes()) == (real, invented)
    assert finished(spec) is not None


# ---- is it finished? ---------------------------------------------------------------------------


def test_finished_is_told_by_the_files_alone(bench: Bench) -> None:
    spec = bench.job(rows=3)
    assert finished(spec) is None
    run_job(spec, environ=bench.env)
    found = finished(spec)
    assert found is not None
    assert (found.exit_code, found.output) == (ExitCode.OK, bench.output)
    assert finished(spec, sandbox=True) is None
    bench.rows(4)
    assert finished(spec) is None
    bench.path("rows.csv").unlink()
    assert finished(spec) is None
    with pytest.raises(MissingInput):
        run_job(spec, environ=bench.env)


def test_finished_under_another_name(bench: Bench) -> None:
    spec = bench.job(rows=3, name="elsewhere")
    run_job(spec, environ=bench.env)
    assert finished(spec) is not None


def test_finished_through_a_link_to_the_folder(bench: Bench) -> None:
    spec = bench.job(rows=3)
    run_job(spec, environ=bench.env)
    link = bench.folder.parent / "link"
    link.symlink_to(bench.folder)
    assert finished(link / "batch.yaml") is not None


def test_finished_with_data_of_another_root(bench: Bench) -> None:
    data = bench.folder.parent / "data"
    data.mkdir()
    (data / "rows.csv").write_text("id,text\na,b\n")
    spec = bench.job(input={"path": str(data / "*.csv")})
    run_job(spec, environ=bench.env, roots=[data])
    assert finished(spec, roots=[data]) is not None
    (data / "more.csv").write_text("id,text\nc,d\n")
    assert finished(spec, roots=[data]) is None
    run_job(spec, environ=bench.env, roots=[data])
    assert len(bench.records()) == 2


def test_rows_that_name_files_are_read_again(bench: Bench) -> None:
    """A changed image shows in no size and time that we keep: the job is expanded again."""
    bench.path("a.png").write_bytes(png(1))
    bench.write("rows.csv", "id,text\na,a.png\n")
    source = {"type": "base64", "media_type": "image/png", "data": {"$base64": "{{ text }}"}}
    content = [{"type": "image", "source": source}]
    spec = bench.job(request={"messages": [{"role": "user", "content": content}]})
    run_job(spec, environ=bench.env)
    assert finished(spec) is None
    assert not run_job(spec, environ=bench.env).changed
    assert len(bench.ledger()) == 1
    bench.path("a.png").write_bytes(png(2))
    run_job(spec, environ=bench.env)
    assert len(bench.ledger()) == 2


def test_a_job_in_a_folder_that_moved(bench: Bench) -> None:
    run_job(bench.job(rows=3), environ=bench.env)
    calls, answer = bench.calls(), bench.output.read_bytes()
    bench.folder = bench.folder.rename(bench.folder.parent / "moved")
    outcome = run_job(bench.path("batch.yaml"), environ=bench.env)
    assert (outcome.exit_code, outcome.output) == (ExitCode.OK, bench.output)
    assert bench.output.read_bytes() == answer
    assert bench.calls() == calls
