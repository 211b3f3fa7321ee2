"""A spec that a stranger dropped: where it may read and write. Each row is one attempt, by a run; what lies
outside stays unread and untouched, and nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchrun import run_job
from batchrun.errors import BatchrunError, SpecError
from batchrun.spec import load
from tests.conftest import MakeSimulator
from tests.workbench import Bench

SECRET = "the secret of another folder"

Place = Callable[[Path, Path], object]
"""Puts something into the job's folder (the first) that leads to the other."""


def nothing(_job: Path, _outside: Path) -> None:
    pass


def link(name: str, to: str = "secret.txt") -> Place:
    return lambda job, outside: (job / name).symlink_to(outside / to if to else outside)


def pipe(name: str) -> Place:
    return lambda job, _outside: os.mkfifo(job / name)


OUTSIDE = "lies outside the spec's folder"

READS: list[tuple[str, Place, str]] = [
    # what the spec names, what stands there, what is said
    ("/etc/passwd", nothing, OUTSIDE),
    ("../outside/secret.txt", nothing, OUTSIDE),
    ("x/../../outside/secret.txt", nothing, OUTSIDE),
    ("link.txt", link("link.txt"), OUTSIDE),
    ("folder/secret.txt", link("folder", ""), OUTSIDE),
    ("/dev/zero", nothing, OUTSIDE),
    ("/proc/self/environ", nothing, OUTSIDE),
    ("/proc/self/root/etc/passwd", nothing, OUTSIDE),
    ("link.txt", lambda job, _: (job / "link.txt").symlink_to("/proc/self/environ"), OUTSIDE),
    ("device.txt", lambda job, _: (job / "device.txt").symlink_to("/dev/zero"), OUTSIDE),
    ("pipe.txt", pipe("pipe.txt"), "is not a regular file"),
    (".batchrun/other/state.json", nothing, "lies inside .batchrun"),
    (".BatchRun/other/state.json", nothing, "lies inside .batchrun"),
    ("~/secret.txt", nothing, "~/secret.txt"),
]

HOW: dict[str, Callable[[str], dict[str, Any]]] = {
    "input": lambda name: {"input": {"path": name, "format": "text", "id": None}},
    "prompt": lambda name: {"request": {"system": {"$file": name}}},
    "media": lambda name: {"request": {"messages": [media(name)]}},
}


def media(name: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": {"$base64": name}}
    return {"role": "user", "content": [{"type": "image", "source": source}]}


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET)
    return bench


def attempt(bench: Bench, **changes: Any) -> str:
    """What a run of the spec is refused with."""
    bench.job(rows=1, **changes)
    with pytest.raises(BatchrunError) as caught:
        run_job(bench.folder / "batch.yaml", environ=bench.env)
    assert bench.ledger() == []
    said = str([(p.message, p.hint) for p in caught.value.problems])
    assert SECRET not in said
    return said


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("name", "place", "said"), READS, ids=[name for name, _, _ in READS])
def test_what_it_cannot_read(bench: Bench, how: str, name: str, place: Place, said: str) -> None:
    place(bench.folder, bench.folder.parent / "outside")
    assert said in attempt(bench, **HOW[how](name))


def test_what_a_row_cannot_make_it_read(bench: Bench) -> None:
    bench.job(request={"messages": [media("{{ text }}")]})
    bench.write("rows.csv", "id,text\n1,../outside/secret.txt\n")
    with pytest.raises(BatchrunError, match=OUTSIDE):
        run_job(bench.folder / "batch.yaml", environ=bench.env)
    assert bench.ledger() == []


WRITES: list[tuple[str, Place, str]] = [
    ("/tmp/out.jsonl", nothing, OUTSIDE),
    ("../outside/out.jsonl", nothing, OUTSIDE),
    ("folder/out.jsonl", link("folder", ""), OUTSIDE),
    ("out.jsonl", link("out.jsonl", "secret.txt"), OUTSIDE),
    ("out.jsonl", link("out.jsonl", "not-there.jsonl"), OUTSIDE),
    ("/dev/null/out.jsonl", nothing, OUTSIDE),
    ("/proc/self/fd/1.jsonl", nothing, OUTSIDE),
    (".batchrun/batch/state.jsonl", nothing, "lies inside .batchrun"),
    (".batchrun/out.csv", nothing, "lies inside .batchrun"),
    ("pipe.jsonl", pipe("pipe.jsonl"), "it is no plain file"),
    ("folder.jsonl", lambda job, _: (job / "folder.jsonl").mkdir(), "is a folder"),
    ("rows.csv", nothing, "is among the input"),
    ("rows.csv/out.jsonl", nothing, "is among the input"),
    ("mine.csv", lambda job, _: (job / "mine.csv").write_text("of somebody"), "batchrun did not write it"),
    (
        "hard.jsonl",
        lambda job, outside: (job / "hard.jsonl").hardlink_to(outside / "secret.txt"),
        "batchrun did not write it",
    ),
    ("spec.csv", lambda job, _: (job / "spec.csv").symlink_to("batch.yaml"), "is the spec"),
    ("data.jsonl", lambda job, _: (job / "data.jsonl").symlink_to("rows.csv"), "is among the input"),
]


@pytest.mark.parametrize(("name", "place", "said"), WRITES, ids=[name for name, _, _ in WRITES])
def test_what_it_cannot_write(bench: Bench, name: str, place: Place, said: str) -> None:
    outside = bench.folder.parent / "outside"
    place(bench.folder, outside)
    assert said in attempt(bench, output={"path": name})
    assert (outside / "secret.txt").read_text() == SECRET
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


def test_the_answers_of_another_job(bench: Bench) -> None:
    bench.job(rows=1)
    bench.go(code=0)
    before = bench.output.read_bytes()
    bench.job("other.yaml", name="other")
    with pytest.raises(BatchrunError, match="was written by the job 'batch'"):
        run_job(bench.folder / "other.yaml", environ=bench.env)
    assert bench.output.read_bytes() == before
    assert len(bench.ledger()) == 1


TRANSPORT = ["base_url", "api_key", "auth_token", "headers", "proxy", "https_proxy", "verify", "ca_bundle",
             "cert", "read_timeout", "workspace_id", "key_file", "roots", "on_done", "hooks", "env"]  # fmt: skip


SECTIONS = ["input", "request", "output", "limits", "retry", "poll"]


def test_what_it_cannot_set(bench: Bench) -> None:
    """No key of a spec changes where requests go, with which key, or what is run, in whatever section."""
    keys: dict[str, Any] = dict.fromkeys(TRANSPORT, "x")
    spec = bench.job(rows=1, **keys, **dict.fromkeys(SECTIONS, keys))
    with pytest.raises(SpecError) as caught:
        load(spec)
    told = [problem.message for problem in caught.value.problems]
    for key in TRANSPORT:
        assert len([message for message in told if f"'{key}'" in message]) == 1 + len(SECTIONS), key
