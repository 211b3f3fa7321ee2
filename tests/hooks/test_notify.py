"""Hooks from the outside: told once of every happening, whatever happens to them, and never in the job's way."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import batchrun.cli
from batchrun import Outcome, run_job
from batchrun.config.find import load_config
from batchrun.errors import BatchrunError
from batchrun.hooks.record import Record, load
from batchrun.spec import schema_text
from tests.conftest import MakeSimulator
from tests.workbench import KEY, Bench, Ran

SCHEMA = jsonschema.Draft7Validator(json.loads(schema_text("event")))
RECEIVER = """\
import json, os, sys
event = json.load(sys.stdin)
event["environ"] = {k: v for k, v in os.environ.items() if k.startswith(("BATCHRUN_", "ANTHROPIC_"))}
with open("told.jsonl", "a") as told:
    told.write(json.dumps(event) + "\\n")
"""
MOMENTS = ("done", "rows_failed", "needs_person", "failed")


class Told(Bench):
    """A bench whose operator keeps a list of what hooks were told."""

    def listen(self, *extra: str, moments: tuple[str, ...] = MOMENTS, **settings: object) -> None:
        """Write batchrun.toml: a receiver for all `moments`; `extra` are further hooks of `done`."""
        self.write("receiver.py", RECEIVER)
        command = f"{{run = [{json.dumps(sys.executable)}, 'receiver.py']}}"
        lines = [f"hooks.{name} = {json.dumps(value)}" for name, value in settings.items()]
        for moment in moments:
            hooks = [command, *(extra if moment == "done" else ())]
            lines.append(f"on.{moment} = [{', '.join(hooks)}]")
        self.write("batchrun.toml", "\n".join(lines) + "\n")

    def now(self, file: str = "batch.yaml", *, wait: bool = True, code: int) -> Outcome | BatchrunError:
        """`batchrun run` in this process."""
        config = load_config(self.folder, environ=self.env)
        try:
            outcome = run_job(self.path(file), environ=self.env, config=config, wait=wait)
        except BatchrunError as error:
            assert error.exit_code == code, error
            return error
        assert outcome.exit_code == code, outcome
        return outcome

    def told(self) -> list[dict[str, Any]]:
        events = [json.loads(line) for line in _lines(self.path("told.jsonl"))]
        for event in events:
            SCHEMA.validate({k: v for k, v in event.items() if k != "environ"})
        return events

    def moments(self) -> list[str]:
        return [event["event"] for event in self.told()]

    def record(self) -> Record | None:
        return load(self.run_folder() / "hooks.json")

    def log(self) -> list[dict[str, Any]]:
        lines = _lines(self.run_folder() / "log.jsonl")
        return [line for line in map(json.loads, lines) if line["event"].startswith("Hook")]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Told:
    bench = Told(tmp_path, make_simulator)
    bench.serve()
    return bench


# ---- what is told ------------------------------------------------------------------------------


def test_done_is_told_once(bench: Told) -> None:
    bench.listen()
    spec = bench.job(rows=3)
    ran = bench.run("run", code=0)
    assert (ran.stdout, "warning" in ran.stderr) == ("", False)
    listing = bench.listing()
    for _ in range(2):
        assert "nothing to do" in bench.run("run", code=0).stderr
    assert bench.listing() == listing
    (event,) = bench.told()
    environ = event.pop("environ")
    assert event["summary"].startswith("batch: done: 3 of 3 rows succeeded, $")
    assert {**event, "id": "", "at": "", "spent_usd": 0, "summary": ""} == {
        "version": 1, "id": "", "event": "done", "at": "", "job": "batch", "spec": str(spec),
        "output": str(bench.output), "state": "done", "exit_code": 0, "spent_usd": 0, "at_stake_usd": 0.0,
        "counts": {"rows": 3, "records": 3, "succeeded": 3, "unusable": 0, "statuses": {"succeeded": 3}},
        "needs": [], "problems": [], "next": "", "sandbox": False, "summary": "",
    }  # fmt: skip
    assert {k: v for k, v in environ.items() if k.startswith("BATCHRUN_EVENT")} == {
        "BATCHRUN_EVENT": "done", "BATCHRUN_EVENT_ID": event["id"], "BATCHRUN_EVENT_JOB": "batch",
        "BATCHRUN_EVENT_SPEC": str(spec), "BATCHRUN_EVENT_OUTPUT": str(bench.output),
        "BATCHRUN_EVENT_STATE": "done", "BATCHRUN_EVENT_EXIT_CODE": "0", "BATCHRUN_EVENT_SUMMARY": event["summary"], "BATCHRUN_EVENT_SANDBOX": "",
    }  # fmt: skip
    assert [line["event"] for line in bench.log()] == ["HookCalled"]


def test_a_new_answer_is_news(bench: Told) -> None:
    bench.listen()
    bench.job(rows=1)
    bench.now(code=0)
    bench.rows(2)
    bench.now(code=0)
    assert [(e["event"], e["counts"]["rows"]) for e in bench.told()] == [("done", 1), ("done", 2)]


def test_rows_that_failed(bench: Told) -> None:
    bench.serve(results=[{"match": "word 2", "error": {"type": "billing_error", "message": "No"}}])
    bench.listen()
    bench.job(rows=3)
    bench.now(code=3)
    bench.now(code=3)
    (event,) = bench.told()
    assert (event["event"], event["exit_code"], event["counts"]["statuses"]) == (
        "rows_failed", 3, {"succeeded": 2, "errored": 1},
    )  # fmt: skip
    assert event["next"] == f"batchrun retry {bench.path('batch.yaml')}"
    bench.serve()
    bench.run("retry", code=0)
    assert bench.moments() == ["rows_failed", "done"]


def test_who_needs_a_person_says_with_what_commands(bench: Told) -> None:
    bench.listen()
    bench.job(rows=2, limits={"max_cost_usd": 0})
    for _ in range(3):
        bench.now(wait=False, code=4)
    (event,) = bench.told()
    assert (event["event"], event["state"], event["exit_code"]) == ("needs_person", "over budget", 4)
    assert event["needs"][0]["commands"] == [f"batchrun plan {bench.path('batch.yaml')}"]
    bench.job(limits={"max_cost_usd": 5})
    bench.now(code=0)
    assert bench.moments() == ["needs_person", "done"]


def test_what_cannot_go_on(bench: Told) -> None:
    bench.listen()
    bench.job(rows=2)
    rows = bench.path("rows.csv")
    text = rows.read_text()
    rows.unlink()
    for _ in range(2):
        bench.now(code=66)
    (event,) = bench.told()
    (problem,) = event["problems"]
    assert (event["event"], event["exit_code"], event["state"]) == ("failed", 66, "not started")
    assert "rows.csv" in problem["message"]
    rows.write_text(text)
    bench.now(code=0)
    assert bench.moments() == ["failed", "done"]


def test_a_key_that_is_refused(bench: Told) -> None:
    bench.serve(faults=[{"on": "any", "status": 401, "times": 9}])
    bench.listen()
    bench.job(rows=1)
    for _ in range(2):
        bench.now(code=77)
    assert bench.moments() == ["failed"]


def test_what_passes_by_itself_is_no_news(bench: Told) -> None:
    bench.serve(seconds=3600)
    bench.listen()
    bench.job(rows=1)
    bench.now(wait=False, code=75)
    bench.now(wait=False, code=75)
    assert bench.told() == []
    bench.run("cancel", code=0)
    bench.serve()
    bench.run("run")
    assert bench.moments() == ["rows_failed"]


def test_a_rehearsal_is_told_as_one(bench: Told) -> None:
    bench.listen()
    bench.job(rows=1)
    bench.run("run", "--sandbox", code=0)
    (event,) = bench.told()
    assert (event["sandbox"], event["output"]) == (True, str(bench.rehearsal))
    assert event["summary"].endswith(f" (sandbox: invented answers): {bench.rehearsal}")


# ---- once, and at least once -------------------------------------------------------------------


def test_what_was_done_before_is_not_told(bench: Told) -> None:
    bench.job(rows=1)
    bench.now(code=0)
    bench.listen()
    bench.now(code=0)
    bench.path("rows.csv").touch()
    bench.now(code=0)
    assert bench.told() == []
    bench.rows(2)
    bench.now(code=0)
    assert bench.moments() == ["done"]


def test_a_run_that_died_before_it_told(bench: Told) -> None:
    bench.listen()
    bench.job(rows=1)
    bench.now(code=0)
    (first,) = bench.told()
    bench.path("told.jsonl").unlink()
    # As a kill between the answer and the telling leaves it.
    (bench.run_folder() / "hooks.json").write_text('{"happening": "", "pending": {}, "version": 1}')
    calls = bench.calls()
    bench.now(code=0)
    (again,) = bench.told()
    assert (again["event"], again["id"]) == ("done", first["id"])
    assert bench.calls() == calls
    bench.now(code=0)
    assert len(bench.told()) == 1


def test_a_hook_that_fails_is_called_again_a_few_times(bench: Told) -> None:
    bench.listen('{run = ["sh", "-c", "echo x >>tries; exit 9"]}', tries=3)
    bench.job(rows=1)
    warnings = [_warning(bench.run("run", code=0)) for _ in range(5)]
    hook = f"warning: on.done: the hook sh: exit code 9; the next run calls it again|{bench.path('batchrun.toml')}:2:"
    last = hook.replace("the next run calls it again", "it is not called again")
    assert [w.startswith(hook) for w in warnings] == [True, True, False, False, False]
    assert warnings[2].startswith(last)
    assert warnings[3:] == ["", ""]
    assert len(_lines(bench.path("tries"))) == 3
    assert bench.moments() == ["done"]  # the other one was told once
    assert [line["event"] for line in bench.log()] == ["HookCalled", "HookFailed", "HookFailed", "HookFailed"]


def _warning(ran: Ran) -> str:
    """The warning and its place, joined."""
    lines = ran.stderr.splitlines()
    at = next((n for n, line in enumerate(lines) if line.startswith("warning")), None)
    return "" if at is None else "|".join(line.removeprefix("  --> ") for line in lines[at : at + 2])


def test_a_quiet_run_says_in_one_line_that_a_hook_failed(bench: Told) -> None:
    bench.listen('{run = ["sh", "-c", "exit 9"]}')
    bench.job(rows=1)
    words = "the hook sh: exit code 9; the next run calls it again"
    assert bench.run("run", "--quiet", code=0).stderr == f"warning: {words}\n"


def test_one_that_comes_back_is_told_late(bench: Told) -> None:
    bench.listen('{run = ["./late.sh"]}')
    bench.job(rows=1)
    assert "the hook ./late.sh: cannot be started: No such file" in bench.run("run", code=0).stderr
    bench.write("late.sh", "#!/bin/sh\ncat >late\n").chmod(0o755)
    bench.now(code=0)
    assert json.loads(bench.path("late").read_text())["id"] == bench.told()[0]["id"]


def test_the_same_need_after_it_went_on_is_news(bench: Told) -> None:
    bench.serve(seconds=3600)
    bench.listen()
    bench.job(rows=1, limits={"max_cost_usd": 0})
    bench.now(wait=False, code=4)
    bench.job(limits={"max_cost_usd": 5})
    bench.now(wait=False, code=75)
    bench.rows(3)
    bench.job(limits={"max_cost_usd": 0})
    bench.run("run", "--no-wait")
    assert bench.moments()[0] == "needs_person"
    assert bench.record() is not None


# ---- never in the way --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hook",
    [
        "kill -9 $$",
        "kill -9 -$$",
        "sleep 600",
        "head -c 20000000 /dev/zero",
        "exit 75",
        "kill -9 $PPID; sleep 600",
    ],
)
def test_whatever_it_does_the_job_is_done(bench: Told, hook: str) -> None:
    bench.listen(f"{{run = ['sh', '-c', {json.dumps(hook)}]}}", timeout="1s")
    bench.job(rows=1)
    bench.run("run", code=-9 if "PPID" in hook else 0)
    assert len(bench.records()) == 1
    bench.run("run", code=-9 if "PPID" in hook else 0)
    assert bench.moments() == ["done"]


def test_hooks_cannot_speak_for_us(bench: Told) -> None:
    bench.listen('{run = ["echo", "on our stdout"]}')
    bench.job(rows=1)
    ran = bench.run("run", "--json", code=0)
    assert ran.json()["state"] == "done"
    assert "on our stdout" not in ran.stderr


def test_it_may_look_but_not_touch(bench: Told) -> None:
    """The job is locked while its hooks run; other jobs are not."""
    run = shlex.join([sys.executable, "-m", "batchrun"])
    bench.job("next.yaml", rows=1, output={"path": "next.jsonl"})
    line = f"{run} status batch.yaml >status; {run} run batch.yaml; echo $? >same; {run} run next.yaml; echo $? >next"
    bench.write(
        "batchrun.toml", f"on.done = [{{run = ['sh', '-c', {json.dumps(line)}]}}]\nhooks.keep_key = true\n"
    )
    bench.job(rows=1)
    bench.env["BATCHRUN_CONFIG"] = str(bench.path("batchrun.toml"))
    bench.env["PYTHONPATH"] = str(Path(__file__).parents[2])
    bench.now(code=0)
    assert "done" in bench.path("status").read_text()
    assert [bench.path(name).read_text() for name in ("same", "next")] == ["75\n", "0\n"]


def test_a_record_that_cannot_be_kept(bench: Told) -> None:
    bench.listen()
    bench.job(rows=1)
    (bench.run_folder() / "hooks.json").mkdir(parents=True)
    bench.now(code=0)
    assert len(bench.records()) == 1


# ---- secrets -----------------------------------------------------------------------------------


def test_commands_do_not_see_the_key(bench: Told) -> None:
    bench.listen()
    bench.job(rows=1)
    bench.run("run", ANTHROPIC_AUTH_TOKEN="t", CREDENTIALS_DIRECTORY="/x", code=0)
    assert set(bench.told()[0]["environ"]) & {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"} == set()
    assert KEY not in bench.path("told.jsonl").read_text()


def test_unless_the_operator_says_so(bench: Told) -> None:
    bench.listen(keep_key=True)
    bench.job(rows=1)
    bench.now(code=0)
    assert bench.told()[0]["environ"]["ANTHROPIC_API_KEY"] == KEY


# ---- hooks of specs ----------------------------------------------------------------------------

HOOK = {"done": [{"run": ["sh", "-c", "cat >told.jsonl"]}]}


def test_a_spec_of_ones_own_may_have_hooks(bench: Told) -> None:
    bench.job(rows=1, on=HOOK)
    bench.now(code=0)
    assert json.loads(bench.path("told.jsonl").read_text())["event"] == "done"


def test_a_spec_that_others_can_write_may_not(bench: Told, capsys: pytest.CaptureFixture[str]) -> None:
    spec = bench.job(rows=1, on=HOOK)
    spec.chmod(0o666)
    for command in ("run", "validate", "plan", "status", "retry", "cancel"):
        assert batchrun.cli.run([command, str(spec)]) == 65
        said = capsys.readouterr().err
        assert (
            "error: a spec that others may have written may not have hooks: "
            f"{spec} can be written by everybody\n" in said
        )
        assert "hint: they can stand in the operator's batchrun.toml; allow_commands = true there" in said
    assert bench.calls() == []
    assert not bench.path("told.jsonl").exists()
    bench.run("run", BATCHRUN_ALLOW_COMMANDS="1", code=0)
    assert bench.path("told.jsonl").exists()
