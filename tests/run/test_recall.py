"""A spec that is wrong today stops only what would be sent: the rest is fetched and written by what the state knows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from batchrun import run_job
from batchrun.clockwork import Clockwork
from batchrun.errors import ExitCode, SpecError
from batchrun.lifecycle.state import Layout, dumps
from batchrun.run.recall import as_written, begun_as
from batchrun.rundir.store import Store
from tests.conftest import MakeSimulator
from tests.workbench import Bench

Spoil = Callable[[Bench], None]


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve(seconds=600)
    bench.job(rows=3)
    return bench


def later(bench: Bench) -> None:
    """All batches have ended."""
    bench.serve(seconds=600, clock=lambda: time.time() + 700)


def edited(old: str, new: str) -> Spoil:
    def spoil(bench: Bench) -> None:
        path = bench.path("batch.yaml")
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return spoil


def without(name: str) -> Spoil:
    return lambda bench: bench.path(name).unlink()


SPOILT = {
    "no YAML": (edited('"version"', '"version'), 65),
    "unknown key": (edited('"version"', '"versoin"'), 65),
    "of another type": (edited('"max_tokens": 50', '"max_tokens": "many"'), 65),
    "broken template": (edited("{{ text }}", "{{ text "), 65),
    "unknown column": (edited("{{ text }}", "{{ txet }}"), 65),
    "no spec": (without("batch.yaml"), 66),
    "no data": (without("rows.csv"), 66),
    "broken data": (lambda bench: bench.write("rows.csv", 'id,text\nr1,"a'), 65),
}


@pytest.fixture(params=SPOILT)
def spoilt(request: pytest.FixtureRequest) -> tuple[Spoil, int]:
    return SPOILT[request.param]


def test_what_was_paid_for_is_fetched_and_written(bench: Bench, spoilt: tuple[Spoil, int]) -> None:
    spoil, code = spoilt
    bench.go(wait=False, code=75)
    spoil(bench)
    told = bench.run("run", "--no-wait", code=code).stderr
    assert "note: what was submitted is under way all the same" in told
    assert not bench.output.exists()
    later(bench)
    told = bench.run("run", code=code).stderr
    assert "error: " in told
    assert "note: what was paid for is written all the same" in told
    assert "3 of 3 rows succeeded: out/answers.jsonl" in told
    assert [record["id"] for record in bench.records()] == ["r1", "r2", "r3"]
    assert len(bench.ledger()) == 1


def test_what_was_written_is_up_to_date_and_written_again(bench: Bench, spoilt: tuple[Spoil, int]) -> None:
    spoil, code = spoilt
    bench.serve()
    bench.go(code=0)
    answers = bench.output.read_bytes()
    spoil(bench)
    told = bench.run("run", code=code).stderr
    assert "note: out/answers.jsonl holds what was paid for" in told
    assert "3 requests are answered or under way, which cost $" in told
    bench.output.unlink()
    calls = bench.calls()
    bench.run("run", code=code)
    assert bench.output.read_bytes() == answers
    assert bench.calls() == calls


def test_it_can_be_canceled(bench: Bench, spoilt: tuple[Spoil, int]) -> None:
    spoil, code = spoilt
    bench.go(wait=False, code=75)
    spoil(bench)
    bench.run("cancel", code=0)
    assert len(bench.calls("cancel")) == 1
    bench.run("run", code=code)
    assert [record["status"] for record in bench.records()] == ["canceled"] * 3
    assert len(bench.ledger()) == 1


def test_it_is_shown(bench: Bench, spoilt: tuple[Spoil, int]) -> None:
    spoil, _ = spoilt
    bench.go(wait=False, code=75)
    spoil(bench)
    ran = bench.run("status", code=0)
    assert "0001" in ran.stdout
    assert "running" in ran.stdout
    assert bench.run("status", "--json", code=0).json()["state"] == "running"


def test_a_tick_writes_it(bench: Bench, spoilt: tuple[Spoil, int]) -> None:
    spoil, _ = spoilt
    tick = ("tick", ".", "--settle", "50ms", "--data-wait", "0s")
    bench.run(*tick, code=75)
    spoil(bench)
    later(bench)
    os.utime(bench.run_folder() / "state.json")
    bench.run(*tick)
    assert [record["id"] for record in bench.records()] == ["r1", "r2", "r3"]
    assert len(bench.ledger()) == 1


def test_it_is_written_as_the_spec_said_when_its_rows_were_read(bench: Bench) -> None:
    columns = {"ticket": "{{ id }}", "said": "{{ text | upper }}", "word": "{{ input.text }}"}
    output = {"path": "out/answers.csv", "include": "input", "columns": columns}
    bench.job(output=output, samples=2)
    bench.go(wait=False, code=75)
    bench.job(output={"path": "elsewhere.jsonl", "include": 1})
    later(bench)
    bench.run("run", code=65)
    head, *lines = bench.path("out/answers.csv").read_text().splitlines()
    assert head.startswith("ticket,said,word")
    assert len(lines) == 6
    assert "WORD 1" in lines[0]
    assert not bench.path("elsewhere.jsonl").exists()


def test_in_the_sandbox_too(bench: Bench) -> None:
    bench.run("run", "--sandbox", code=0)
    answers = bench.rehearsal.read_bytes()
    bench.rehearsal.unlink()
    edited('"version"', '"versoin"')(bench)
    told = bench.run("run", "--sandbox", code=65).stderr
    assert "out/answers.sandbox.jsonl" in told
    assert bench.rehearsal.read_bytes() == answers


def test_a_spec_that_began_nothing_is_only_wrong(bench: Bench) -> None:
    edited('"version"', '"versoin"')(bench)
    before = bench.listing()
    assert "note:" not in bench.run("run", code=65).stderr
    bench.run("status", code=65)
    bench.run("cancel", code=65)
    assert bench.listing() == before


def test_what_is_not_all_asked_yet_is_fetched_and_not_written(bench: Bench) -> None:
    bench.job(limits={"max_in_flight": 2, "batch_requests": 2})
    bench.go(wait=False, code=75)
    edited('"version"', '"versoin"')(bench)
    later(bench)
    told = bench.run("run", code=65).stderr
    assert (
        "note: what was paid for is fetched to .batchrun/batch, and written once the rest was asked" in told
    )
    assert len(bench.ledger()) == 1
    assert not bench.output.exists()
    edited('"versoin"', '"version"')(bench)
    bench.serve()
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [2, 1]


def test_a_file_of_somebody_else_stays(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    edited('"version"', '"versoin"')(bench)
    bench.write("out/answers.jsonl", "mine")
    later(bench)
    told = bench.run("run", code=65).stderr
    assert "and not written: out/answers.jsonl exists, and batchrun did not write it" in told
    assert bench.output.read_text() == "mine"


# ---- what a state may say ----------------------------------------------------------------------


def test_a_state_of_before_is_fetched_and_says_what_is_missing(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    forget(bench, layout=None)
    edited('"version"', '"versoin"')(bench)
    later(bench)
    told = bench.run("run", code=65).stderr
    assert "and not written: an earlier version began it, and only the spec says how its answer" in told
    assert [s.phase for s in bench.state().shards] == ["fetched"]
    edited('"versoin"', '"version"')(bench)
    bench.go(code=0)
    assert len(bench.records()) == 3
    expansion = bench.state().expansion
    assert expansion is not None
    assert (
        expansion.layout == Layout("out/answers.jsonl", expansion.layout.format) if expansion.layout else None
    )


def test_a_state_of_before_whose_spec_is_right_writes_though_the_data_is_gone(bench: Bench) -> None:
    bench.go(wait=False, code=75)
    forget(bench, layout=None)
    without("rows.csv")(bench)
    later(bench)
    bench.run("run", code=66)
    assert len(bench.records()) == 3


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        ({"path": "../stolen.jsonl"}, "lies outside the spec's folder"),
        ({"path": "/etc/stolen.jsonl"}, "lies outside the spec's folder"),
        ({"path": ".batchrun/other/state.jsonl"}, "lies inside .batchrun"),
        ({"path": "batch.yaml"}, "does not end in .jsonl"),
        ({"path": "rows.csv", "format": "csv"}, "is among the input (rows.csv)"),
        (
            {"path": "out/a.csv", "format": "csv", "columns": {"a": "{{ nonsense }}"}},
            "is not a field of the output",
        ),
    ],
)
def test_a_state_is_no_more_trusted_than_a_spec(bench: Bench, layout: dict[str, object], fault: str) -> None:
    bench.go(wait=False, code=75)
    file = bench.run_folder() / "state.json"
    value = orjson.loads(file.read_bytes())
    del value["checksum"]
    value["expansion"]["layout"] |= layout
    file.write_bytes(orjson.dumps(value))
    edited('"version"', '"versoin"')(bench)
    later(bench)
    before = {p for p in bench.listing() if not p.startswith(".batchrun/batch/")}
    told = bench.run("run", code=65).stderr
    assert fault in told
    assert {p for p in bench.listing() if not p.startswith(".batchrun/batch/")} == before
    assert [s.phase for s in bench.state().shards] == ["fetched"]


def test_a_layout_that_leads_through_a_link(bench: Bench, tmp_path: Path) -> None:
    bench.go(wait=False, code=75)
    (tmp_path / "elsewhere").mkdir()
    bench.path("out").symlink_to(tmp_path / "elsewhere")
    state = bench.state()
    store = Store(bench.folder, "batch")
    job = begun_as(bench.path("batch.yaml"), sandbox=False)
    assert job is not None
    with pytest.raises(Exception, match="lies outside the spec's folder"):
        as_written(job, state, store)


def forget(bench: Bench, **changes: None) -> None:
    """The state as an earlier version wrote it."""
    state = bench.state()
    assert state.expansion is not None
    shards = tuple(replace(shard, models=()) for shard in state.shards)
    state = replace(state, expansion=replace(state.expansion, **changes), shards=shards)  # type: ignore[arg-type]
    value = orjson.loads(dumps(state))
    del value["checksum"]
    for shard in value["shards"]:
        del shard["models"]
    (bench.run_folder() / "state.json").write_bytes(orjson.dumps(value))


# ---- models that retire ------------------------------------------------------------------------

LIVING, RETIRED = (datetime(*day, tzinfo=UTC).timestamp() for day in ((2027, 1, 21), (2027, 1, 22)))
MODEL = {"model": "claude-opus-4-5"}


def on(day: float) -> Clockwork:
    """The world, of that day."""
    began = time.monotonic()
    return Clockwork(now=lambda: day + 3600 + time.monotonic() - began)


def test_a_model_that_retired_is_not_asked(bench: Bench) -> None:
    spec = bench.job(request=MODEL)
    with pytest.raises(SpecError) as caught:
        run_job(spec, environ=bench.env, clockwork=on(RETIRED))
    assert str(caught.value) == "request.model: claude-opus-4-5 was retired on 2027-01-22"
    assert not bench.path(".batchrun").exists()


def test_what_was_asked_of_it_before_is_fetched_and_done(bench: Bench) -> None:
    bench.serve()
    spec = bench.job(request=MODEL)
    assert run_job(spec, environ=bench.env, wait=False, clockwork=on(LIVING)).exit_code == 75
    os.utime(spec)
    assert run_job(spec, environ=bench.env, clockwork=on(RETIRED)).exit_code == 0
    assert len(bench.records()) == 3
    bench.output.unlink()
    assert run_job(spec, environ=bench.env, clockwork=on(RETIRED)).exit_code == 0
    assert len(bench.records()) == 3
    assert len(bench.ledger()) == 1


def test_a_new_row_for_it_is_refused_with_what_another_model_costs(bench: Bench) -> None:
    bench.serve()
    spec = bench.job(request=MODEL)
    assert run_job(spec, environ=bench.env, clockwork=on(LIVING)).exit_code == 0
    answers = bench.output.read_bytes()
    bench.rows(4)
    bench.output.unlink()
    with pytest.raises(SpecError) as caught:
        run_job(spec, environ=bench.env, clockwork=on(RETIRED))
    (problem,) = caught.value.problems
    assert problem.where.endswith("batch.yaml:8:14")
    assert "3 requests are answered or under way, which cost $" in problem.hint
    assert bench.output.read_bytes() == answers
    assert len(bench.ledger()) == 1


def test_rows_that_name_their_models(bench: Bench) -> None:
    bench.serve()
    spec = bench.job(request={"model": "{{ model }}"})
    bench.write("rows.csv", "id,text,model\n1,a,claude-opus-4-5\n2,b,claude-haiku-5-5\n")
    assert run_job(spec, environ=bench.env, clockwork=on(LIVING)).exit_code == 0
    bench.write(
        "rows.csv", "id,text,model\n1,a,claude-opus-4-5\n2,b,claude-haiku-5-5\n3,c,claude-haiku-5-5\n"
    )
    assert run_job(spec, environ=bench.env, clockwork=on(RETIRED)).exit_code == 0
    bench.write("rows.csv", "id,text,model\n1,a,claude-opus-4-5\n2,b,claude-opus-4-5\n")
    with pytest.raises(SpecError, match="claude-opus-4-5 was retired on 2027-01-22"):
        run_job(spec, environ=bench.env, clockwork=on(RETIRED))
    assert [batch["requests"] for batch in bench.ledger()] == [2, 1]


@pytest.mark.parametrize("known", [True, False], ids=["known", "by an earlier version"])
def test_what_was_planned_and_never_sent_is_refused(bench: Bench, known: bool) -> None:
    spec = bench.job(request=MODEL, limits={"max_cost_usd": 0.000001})
    assert run_job(spec, environ=bench.env, clockwork=on(LIVING)).exit_code == ExitCode.NEEDS_PERSON
    if not known:
        forget(bench)
    bench.job(request=MODEL)
    with pytest.raises(SpecError, match="was retired"):
        run_job(spec, environ=bench.env, clockwork=on(RETIRED))
    assert bench.ledger() == []


def test_rows_that_failed_are_not_asked_again_of_it(bench: Bench) -> None:
    failing = {"match": "word 1", "error": {"type": "api_error", "message": "m"}, "times": 0}
    bench.serve(seconds=600, results=[failing])
    spec = bench.job(request=MODEL)
    assert run_job(spec, environ=bench.env, wait=False, clockwork=on(LIVING)).exit_code == 75
    bench.serve(seconds=600, results=[failing], clock=lambda: time.time() + 700)
    assert run_job(spec, environ=bench.env, clockwork=on(RETIRED)).exit_code == ExitCode.ROWS_FAILED
    assert len(bench.ledger()) == 1
    assert [record["status"] for record in bench.records()] == ["errored", "succeeded", "succeeded"]
