"""Thousands of specs at once. `make load` measures; `make test` holds a small sample of the same.

Each prints a line of figures: seconds, of which CPU, memory of all the watcher's processes (PSS, which counts what they share
once), and the most files the watcher had open.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.watch.watching import Watch, watching
from tests.workbench import SPEC, Bench

SLOW = pytest.mark.load
MEMORY = 200_000
"""kB that all processes of a watcher may take together."""
FILES = 64
UNHEARD = (
    "-c",
    "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2); from batchrun.cli import main; main()",
)
"""It tells more than a pipe holds that nobody reads."""


@dataclass
class Meter:
    """Watches a watcher."""

    watch: Watch
    memory: int = 0
    files: int = 0
    cpu: float = 0.0

    def look(self) -> None:
        pids = _family(self.watch.process.pid)
        self.memory = max(self.memory, sum(map(_pss, pids)))
        self.cpu = max(self.cpu, sum(map(_cpu, pids)))
        self.files = max(self.files, len(list(Path(f"/proc/{pids[0]}/fd").iterdir())))

    def told(self, what: str, seconds: float) -> None:
        memory = f"{self.memory / 1024:.0f} MB in all processes"
        print(f"\n{what}: {seconds:.1f} s, {self.cpu:.1f} s of CPU, {memory}, {self.files} files open")


def _family(pid: int) -> list[int]:
    found = ""
    with suppress(OSError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *(n for child in found.split() for n in _family(int(child)))]


def _cpu(pid: int) -> float:
    """Seconds of the process, and of its children that are gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _pss(pid: int) -> int:
    with suppress(OSError, TypeError):
        return int(re.search(r"Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text())[1])  # type: ignore[index]
    return 0


def spec(number: int) -> str:
    """One that asks what no other asks."""
    changes = {"output": {"path": f"out/{number}.jsonl"}, "poll": {"interval": "1h"}}
    return orjson.dumps({**SPEC, **changes, "request": {**SPEC["request"], "system": f"{number}"}}).decode()


def drop(bench: Bench, texts: dict[str, str]) -> None:
    """All of them at once: written elsewhere, and renamed into the folder."""
    stage = bench.folder.parent / "stage"
    stage.mkdir()
    for name, text in texts.items():
        (stage / name).write_text(text)
    for name in texts:
        (stage / name).rename(bench.path(name))


def asked(bench: Bench) -> list[str]:
    """What every request that the API accepted asks."""
    files = bench.api.glob("batches/*/requests.jsonl")
    lines = (line for file in files for line in file.read_bytes().splitlines())
    return sorted(orjson.loads(line)["params"]["system"] for line in lines)


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=SLOW), pytest.param(6000, marks=SLOW)])
def test_specs_that_are_dropped_at_once_are_all_submitted_and_none_twice(bench: Bench, count: int) -> None:
    bench.serve(seconds=3600)
    ledger = bench.api / "ledger.jsonl"
    with watching(bench, driver=UNHEARD) as watch:
        meter = Meter(watch)
        watch.until(lambda: bench.path(".batchrun/@watch/lock").exists())
        drop(bench, {f"job{n:05}.yaml": spec(n) for n in range(count)})
        began = time.monotonic()
        deadline = began + 1800
        while not (ledger.exists() and ledger.read_bytes().count(b"\n") >= count):
            assert watch.process.poll() is None and time.monotonic() < deadline
            meter.look()
            time.sleep(0.2)
        meter.told(f"{count} specs submitted", time.monotonic() - began)
    assert asked(bench) == sorted(str(n) for n in range(count) for _ in range(3))
    assert len(bench.ledger()) == count
    assert len(list(bench.folder.glob("job*.yaml"))) == count
    assert meter.memory < MEMORY
    assert meter.files < FILES


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=SLOW)])
def test_as_many_broken_ones_leave_as_many_reasons(bench: Bench, count: int) -> None:
    with watching(bench, driver=UNHEARD) as watch:
        meter = Meter(watch)
        watch.until(lambda: bench.path(".batchrun/@watch/lock").exists())
        drop(bench, {f"job{n:05}.yaml": f"version: 1\nname: [{n}\n" for n in range(count)})
        began = time.monotonic()
        failed = bench.path("failed")
        deadline = began + 1800
        while len(list(failed.glob("*.error.txt"))) < count:
            assert watch.process.poll() is None and time.monotonic() < deadline
            meter.look()
            time.sleep(0.2)
        meter.told(f"{count} broken specs", time.monotonic() - began)
    assert len(list(failed.glob("*.yaml"))) == count
    assert not list(bench.folder.glob("*.yaml"))
    assert meter.memory < MEMORY


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=SLOW)])
def test_a_tick_with_nothing_due_asks_and_starts_nothing(bench: Bench, count: int) -> None:
    bench.serve(seconds=3600)
    for number in range(count):
        bench.write(f"job{number:05}.yaml", spec(number))
    bench.finish(bench.start("tick", ".", "--settle", "50ms"), code=75, patience=1800)
    bench.run("tick", ".", "--settle", "50ms", code=75)  # may bring the index of the states up to date
    calls, files = bench.calls(), bench.listing()
    began = time.monotonic()
    ran = bench.run("tick", ".", "--settle", "50ms", code=75)
    print(f"\ntick over {count} jobs with nothing due: {time.monotonic() - began:.2f} s")
    assert (ran.stdout, ran.stderr) == ("", "")
    assert bench.calls() == calls
    assert bench.listing() == files
