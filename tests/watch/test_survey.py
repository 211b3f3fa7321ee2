"""What a folder's states and files say, read without locks, network or, mostly, specs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from batchrun.errors import MissingInput
from batchrun.lifecycle import state as states
from batchrun.lifecycle.state import Phase, RunState
from batchrun.reports.overview import FolderOverview, NewSpec, Standing
from batchrun.spec.complaints import validator_for
from batchrun.spec.loader import schema_text
from batchrun.watch.survey import survey_folder
from tests.conftest import MakeSimulator
from tests.states import NOW, active, collected, state
from tests.workbench import Bench


def saved(folder: Path, job: str, value: RunState, *, sandbox: bool = False, spec: str = "") -> Path:
    path = folder / ".batchrun" / ("@sandbox" if sandbox else "") / job / "state.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(states.dumps(replace(value, job=job, spec=spec or f"{job}.yaml")))
    os.utime(path, (NOW, NOW))
    return path


DONE = state(active(Phase.FETCHED), collected=collected())
RUNNING = state(active(Phase.SUBMITTED))
HELD = state(active(Phase.HELD))


def look(folder: Path) -> FolderOverview:
    return survey_folder(folder, now=NOW + 60)


def test_the_groups(tmp_path: Path) -> None:
    for job, value in (("a", DONE), ("b", RUNNING), ("c", HELD), ("d", state())):
        saved(tmp_path, job, value)
    found = look(tmp_path)
    assert [(job.report.job, job.standing) for job in found.jobs] == [
        ("c", Standing.NEEDS_PERSON),
        ("b", Standing.RUNNING),
        ("d", Standing.NOT_STARTED),
        ("a", Standing.DONE),
    ]
    assert found.counts() == {"needs_person": 1, "running": 1, "broken": 0, "not_started": 1, "done": 1}
    assert (found.jobs[1].age, found.jobs[1].ends_in, found.jobs[1].looked) == (60.0, 86_340.0, 60.0)
    assert found.jobs[3].report.output == str(tmp_path / "out/a.jsonl")


def test_commands_for_specs_that_were_put_away(tmp_path: Path) -> None:
    """The spec comes back first: its data, and its state, are where it was."""
    saved(tmp_path, "labels", HELD)
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "labels.yaml").touch()
    (job,) = look(tmp_path).jobs
    assert job.spec == f"{tmp_path}/done/labels.yaml"
    assert job.report.needs[0].commands[0] == (
        f"mv -- {tmp_path}/done/labels.yaml {tmp_path}/ && batchrun adopt {tmp_path}/labels.yaml 0001 msgbatch_7"
    )
    (tmp_path / "labels.yaml").touch()
    (job,) = look(tmp_path).jobs
    assert job.report.needs[0].commands[0] == f"batchrun adopt {tmp_path}/labels.yaml 0001 msgbatch_7"


def test_a_spec_that_is_gone_though_its_batch_runs(tmp_path: Path) -> None:
    saved(tmp_path, "labels", RUNNING)
    (job,) = look(tmp_path).jobs
    assert (job.spec, job.standing) == ("", Standing.RUNNING)
    assert job.remark == "labels.yaml is gone; put it back to have the answer written"


def test_broken_specs(tmp_path: Path) -> None:
    (tmp_path / "failed").mkdir()
    error = tmp_path / "failed/labels.yaml.error.txt"
    error.write_text("error: inpt: unknown key\n  --> labels.yaml:2:1\nhint: perhaps input\n")
    os.utime(error, (NOW, NOW))
    assert look(tmp_path).broken == ()  # somebody took the spec back, to mend it
    error.with_name("labels.yaml").touch()
    (broken,) = look(tmp_path).broken
    assert (broken.spec, broken.error) == (f"{tmp_path}/failed/labels.yaml", str(error))
    assert (broken.age, broken.text) == (60.0, "labels.yaml:2:1: inpt: unknown key")


def test_specs_without_a_job(tmp_path: Path) -> None:
    for name in ("new.yaml", "known.yaml", ".hidden.yaml", "rows.csv", "x.yaml~"):
        (tmp_path / name).touch()
    saved(tmp_path, "another-name", RUNNING, spec="known.yaml")
    assert look(tmp_path).new == (NewSpec(f"{tmp_path}/new.yaml"),)


def test_a_state_that_cannot_be_read_needs_a_person(tmp_path: Path) -> None:
    path = saved(tmp_path, "a", DONE)
    path.write_text("{")
    os.mkfifo(path.parent.parent / "pipe")
    (path.parent.parent / "b").mkdir()
    os.mkfifo(path.parent.parent / "b" / "state.json")
    found = look(tmp_path)
    assert [(job.standing, job.report.job) for job in found.jobs] == [
        (Standing.NEEDS_PERSON, "a"),
        (Standing.NEEDS_PERSON, "b"),
    ]
    assert found.jobs[0].report.needs[0].what.startswith("the state file is damaged: ")


def test_rehearsals_are_counted_and_shown_apart(tmp_path: Path) -> None:
    saved(tmp_path, "a", DONE, sandbox=True)
    found = look(tmp_path)
    assert (found.jobs, found.rehearsals) == ((), 1)
    apart = survey_folder(tmp_path, now=NOW, sandbox=True)
    assert [job.report.job for job in apart.jobs] == ["a"]
    assert apart.jobs[0].report.sandbox


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"^there is no folder "):
        look(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert look(tmp_path) == FolderOverview(str(tmp_path))


# ---- the command -------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    return Bench(tmp_path, make_simulator)


def test_one_screen(bench: Bench) -> None:
    """Over budget is known only from the spec; nothing is asked, nothing is touched."""
    bench.serve()
    bench.rows(3)
    bench.job("labels.yaml", output={"path": "out/labels.jsonl"})
    bench.go("labels.yaml", code=0)
    bench.job("dear.yaml", limits={"max_cost_usd": 0.0000001})
    bench.run("run", "dear.yaml", code=4)
    bench.serve(seconds=1000)
    bench.job("tickets.yaml", request={"max_tokens": 51})
    bench.go("tickets.yaml", wait=False, code=75)
    bench.job("new.yaml")
    files, calls = bench.listing(), bench.calls()
    ran = bench.run("status", ".", code=0)
    assert (bench.listing(), bench.calls(), ran.stderr) == (files, calls, "")
    assert ran.stdout.startswith(".  4 jobs\n  1 needs a person · 1 running · 1 not started · 1 done\n")
    order = [
        ran.stdout.index(word)
        for word in ("\n  dear", "batchrun plan dear.yaml", "\n  tickets", "\n  new", "\n  labels")
    ]
    assert order == sorted(order)
    assert "3 of 3  $0.000033  out/labels.jsonl\n" in ran.stdout


def test_what_a_watcher_found_out(bench: Bench) -> None:
    """A budget that nobody set, and data that has not come, stand in no state."""
    bench.serve()
    bench.job("free.yaml", rows=3, limits=None)
    bench.job("early.yaml", input={"path": "later.csv"}, output={"path": "out/early.jsonl"})
    bench.run("tick", ".", "--settle", "0", code=4)
    shown = bench.run("status", ".", code=0).stdout
    assert "  1 needs a person · 1 not started\n" in shown
    assert "    the spec sets no budget, and this would be the job's first spend" in shown
    assert "      batchrun run free.yaml\n" in shown
    assert "  early.yaml\n    input.path: there is no file 'later.csv'" in shown
    bench.job("early.yaml", input={"path": "rows.csv"}, output={"path": "out/early.jsonl"})
    assert "there is no file" not in bench.run("status", ".", code=0).stdout


def test_put_away_and_broken(bench: Bench) -> None:
    bench.serve()
    bench.job("labels.yaml", rows=3)
    bench.go("labels.yaml", code=0)  # a tick would leave it when its batch takes longer than a moment
    bench.write("bad.yaml", "version: 1\ninpt: {}\n")
    bench.run("tick", ".", "--settle", "0", code=65)
    shown = bench.run("status", ".", code=0).stdout
    assert "  1 broken · 1 done\n" in shown
    assert "  failed/bad.yaml  " in shown
    assert "    more in failed/bad.yaml.error.txt\n" in shown
    assert "3 of 3  $0.000033  out/answers.jsonl\n" in shown


def test_json_says_the_same(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job("labels.yaml", rows=3)
    bench.go("labels.yaml", wait=False, code=75)
    (folder,) = bench.run("status", ".", "--json", code=0).json()["folders"]
    assert folder["counts"] == {"needs_person": 0, "running": 1, "broken": 0, "not_started": 0, "done": 0}
    (job,) = folder["jobs"]
    alone = bench.run("status", "labels.yaml", "--json", code=0).json()
    assert (job["standing"], job["spec"]) == ("running", "labels.yaml")
    for key in ("job", "state", "next", "needs", "sandbox", "spent_usd", "at_stake_usd"):
        assert job[key] == alone[key], key
    assert [s["batch_id"] for s in job["shards"]] == [s["batch_id"] for s in alone["shards"]]


def test_json_is_as_its_schema_says(bench: Bench) -> None:
    """And has nothing that the schema does not know."""
    bench.serve(
        results=[
            {
                "match": "word 1",
                "type": "errored",
                "error": {"type": "invalid_request_error", "message": "no"},
            }
        ]
    )
    bench.job("labels.yaml", rows=3)
    bench.go("labels.yaml")
    bench.run("run", "labels.yaml", "--sandbox")
    bench.job("dear.yaml", limits={"max_cost_usd": 0.0000001}, output={"path": "out/dear.jsonl"})
    bench.run("run", "dear.yaml", code=4)
    bench.job("new.yaml")
    bench.write("failed/bad.yaml", "no")
    bench.write("failed/bad.yaml.error.txt", "error: no\n")
    bench.serve(seconds=1000)
    bench.job("tickets.yaml", request={"max_tokens": 51}, output={"path": "out/tickets.jsonl"})
    bench.go("tickets.yaml", wait=False, code=75)
    found = bench.run("status", ".", "--json", code=0).json()
    (folder,) = found["folders"]
    assert folder["counts"] == {"needs_person": 1, "running": 1, "broken": 1, "not_started": 1, "done": 1}
    assert folder["rehearsals"] == 1
    schema = schema_text("folders").replace('"additionalProperties": true', '"additionalProperties": false')
    validator_for(orjson.loads(schema)).validate(found)


def test_several_folders_and_several_specs(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.write(f"{name}/new.yaml", "version: 1\n")
    ran = bench.run("status", "a", "b", code=0)
    assert ran.stdout == "".join(
        f"{n}{name}  1 job\n  1 not started\n\nNOT STARTED\n  {name}/new.yaml\n"
        for n, name in (("", "a"), ("\n", "b"))
    )
    ran = bench.run("status", "a/new.yaml", "b/new.yaml", code=2)
    assert ran.stderr == "error: more than one spec\nhint: name one spec, or folders\n"
    ran = bench.run("status", "a", "nowhere", code=66)
    assert ran.stderr == "error: there is no folder nowhere\n"


def test_a_thousand_jobs_are_read_from_their_states_alone(tmp_path: Path) -> None:
    """Specs that stand there are not opened: these are pipes, and nobody writes into them."""
    for number in range(1000):
        saved(tmp_path, f"job{number:04}", RUNNING if number % 10 else DONE)
    os.mkfifo(tmp_path / "job0001.yaml")
    assert look(tmp_path).counts() == {
        "needs_person": 0, "running": 900, "broken": 0, "not_started": 0, "done": 100,
    }  # fmt: skip
