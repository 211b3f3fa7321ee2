from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from batchrun.errors import DataError
from batchrun.fs import files
from batchrun.lifecycle.events import Prepared as PreparedEvent
from batchrun.lifecycle.state import Phase, RunState
from batchrun.lifecycle.transitions import apply
from batchrun.model import Job
from batchrun.run.prepare import Prepared, prepare, still_current, survey
from batchrun.rundir.filefacts import untouched
from batchrun.rundir.shards import keys_in, keys_needed
from batchrun.rundir.store import Store
from batchrun.spec import load
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.job(rows=5, limits={"batch_requests": 2})
    return bench


def opened(bench: Bench) -> tuple[Job, Store]:
    job = load(bench.path("batch.yaml")).job
    return job, Store(job.root, job.name)


def state_after(found: Prepared) -> RunState:
    return apply(
        RunState("batch", "batch.yaml", "anthropic", ""), PreparedEvent(found.expansion, found.shards)
    )


def test_rows_and_shards_on_disk(bench: Bench) -> None:
    job, store = opened(bench)
    with store.locked():
        found = prepare(job, None, store)
    assert (found.new, found.reused, found.duplicates) == (5, 0, 0)
    assert [(s.id, s.requests) for s in found.shards] == [("0001", 2), ("0002", 2), ("0003", 1)]
    rows = [orjson.loads(line) for line in files.lines(store.rows(found.expansion.rows_file))]
    assert [(r["row"], r["id"]) for r in rows] == [(n, f"r{n}") for n in range(1, 6)]
    assert keys_needed(store.rows("000001.jsonl")) == keys_in(store.shard(s.id) for s in found.shards)
    for shard in found.shards:
        body = (
            b'{"requests":[' + store.shard(shard.id).read_bytes().rstrip(b"\n").replace(b"\n", b",") + b"]}"
        )
        assert len(body) == shard.bytes
        assert len(orjson.loads(body)["requests"]) == shard.requests


def test_a_survey_counts_the_same_and_writes_nothing(bench: Bench) -> None:
    job, store = opened(bench)
    before = bench.listing()
    seen = survey(job, None, store, sample=2)
    assert bench.listing() == before
    assert len(seen.sample) == 2
    with store.locked():
        found = prepare(job, None, store)
    assert [(s.requests, s.bytes) for s in seen.shards] == [(s.requests, s.bytes) for s in found.shards]
    assert found.expansion.rows_file_sha256 == files.digest(store.rows(found.expansion.rows_file))
    assert seen.expansion == replace(found.expansion, rows_file_sha256="")


def test_bad_data_leaves_no_rows(bench: Bench) -> None:
    bench.write("rows.csv", "id,text\na,b\na,c\n")
    job, store = opened(bench)
    with store.locked(), pytest.raises(DataError):
        prepare(job, None, store)
    assert list(store.folder.rglob("*.jsonl*")) == []


def test_files_that_are_as_they_were(bench: Bench) -> None:
    job, store = opened(bench)
    with store.locked():
        expansion = prepare(job, None, store).expansion
    assert untouched(expansion, job.root, (), job.spec)
    assert still_current(expansion, job) == expansion


def test_a_touched_file_is_read_and_found_the_same(bench: Bench) -> None:
    job, store = opened(bench)
    with store.locked():
        expansion = prepare(job, None, store).expansion
    os.utime(bench.path("rows.csv"))
    assert not untouched(expansion, job.root, (), job.spec)
    current = still_current(expansion, job)
    assert current is not None and current != expansion
    assert untouched(current, job.root, (), job.spec)


@pytest.mark.parametrize("change", ["data", "request", "samples", "more files"])
def test_a_change_that_matters(change: str, bench: Bench) -> None:
    bench.job(input={"path": "*.csv"})
    job, store = opened(bench)
    with store.locked():
        expansion = prepare(job, None, store).expansion
    match change:
        case "data":
            bench.rows(6)
        case "request":
            bench.job(input={"path": "*.csv"}, request={"max_tokens": 51})
        case "samples":
            bench.job(input={"path": "*.csv"}, samples=2)
        case "more files":
            bench.rows(1, start=9, file="more.csv")
    assert still_current(expansion, load(job.spec).job) is None


@pytest.mark.parametrize("change", ["comment", "poll", "budget"])
def test_a_change_of_the_spec_that_asks_nothing_anew(change: str, bench: Bench) -> None:
    bench.job()
    job, store = opened(bench)
    with store.locked():
        expansion = prepare(job, None, store).expansion
    match change:
        case "comment":
            bench.write("batch.yaml", bench.path("batch.yaml").read_text() + "# later\n")
        case "poll":
            bench.job(poll={"interval": "1h"})
        case "budget":
            bench.job(limits={"max_cost_usd": 100})
    assert not untouched(expansion, job.root, (), job.spec)
    assert still_current(expansion, load(job.spec).job) is not None


def test_shards_that_were_never_sent_give_way(bench: Bench) -> None:
    job, store = opened(bench)
    with store.locked():
        state = state_after(prepare(job, None, store))
        found = prepare(job, state, store)
        assert (found.new, found.reused) == (5, 0)
        assert [s.id for s in found.shards] == ["0004", "0005", "0006"]
        assert len(apply(state, PreparedEvent(found.expansion, found.shards)).shards) == 3


@pytest.mark.parametrize(
    ("name", "opening", "closing", "message", "where"),
    [
        ("rows.jsonl", "", "\n", "nested too deeply", "rows.jsonl:1"),
        ("rows.json", "[", "]", "row 1: Recursion limit reached", "rows.json:1"),
    ],
)
def test_a_row_too_deep_to_be_written(
    bench: Bench, name: str, opening: str, closing: str, message: str, where: str
) -> None:
    deep = "[" * 300 + "]" * 300
    bench.write(name, f'{opening}{{"id":"a","text":"x","deep":{deep}}}{closing}')
    bench.job(input={"path": name}, output={"include": "input"})
    job, store = opened(bench)
    with store.locked(), pytest.raises(DataError) as caught:
        prepare(job, None, store)
    assert (message in str(caught.value), caught.value.where) == (True, where)


def test_a_table_is_expanded_as_the_same_rows_in_lines_of_json(tmp_path: Path) -> None:
    """A table takes the path of many rows at once, JSON the path of one by one."""
    rows = [{"id": f"r{n}", "text": f'word "{n % 40}",\n{n % 40}'} for n in range(50)]
    rows += [{"id": f"s{n}", "text": f"other {n} ü"} for n in range(50)]
    found = {}
    for kind in ("csv", "jsonl"):
        (tmp_path / kind).mkdir()
        bench = Bench(tmp_path / kind)
        bench.job(input={"path": f"rows.{kind}", "id": "id"})
        if kind == "csv":
            lines = ["id,text", *(f'{r["id"]},"{r["text"].replace(chr(34), chr(34) * 2)}"' for r in rows)]
        else:
            lines = [orjson.dumps(r).decode() for r in rows]
        bench.write(f"rows.{kind}", "\n".join(lines) + "\n")
        job, store = opened(bench)
        with store.locked():
            prepared = prepare(job, None, store)
        (shard,) = prepared.shards
        found[kind] = (
            prepared.new,
            prepared.duplicates,
            shard.bytes,
            shard.estimate,
            prepared.expansion.rows_sha256,
            store.rows("000001.jsonl").read_bytes(),
            store.shard("0001").read_bytes().replace(shard.nonce.encode(), b"NONCE"),
        )
    assert found["csv"] == found["jsonl"]
    assert found["csv"][:2] == (90, 10)


def test_rows_that_are_known_and_rows_that_are_new(bench: Bench) -> None:
    job, store = opened(bench)
    with store.locked():
        state = state_after(prepare(job, None, store))
        sent = tuple(replace(shard, phase=Phase.HELD) for shard in state.shards)
        state = replace(state, shards=sent)
        bench.rows(9)
        found = prepare(load(bench.path("batch.yaml")).job, state, store)
    assert (found.reused, found.new) == (5, 4)
