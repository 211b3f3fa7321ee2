"""A watched folder, with a real watcher, real files and the simulator."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.watch.watching import QUICK, watching
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.rows(3)
    return bench


@pytest.mark.parametrize("how", ["--polling", "--no-events", "--json"])
def test_a_spec_that_is_dropped_becomes_an_answer(bench: Bench, how: str) -> None:
    bench.job("before.yaml", output={"path": "out/before.jsonl"})
    with watching(bench, how) as watch:
        watch.until(bench.path("done/before.yaml").exists)
        bench.job("labels.yaml", request={"max_tokens": 51})
        watch.until(bench.path("done/labels.yaml").exists)
    assert len(bench.records()) == len(bench.records("out/before.jsonl")) == 3
    assert [batch["requests"] for batch in bench.ledger()] == [3, 3]


def test_a_broken_one_fails_beside_its_reason(bench: Bench) -> None:
    bench.write("broken.yaml", "version: 1\ninput: [\n")
    alone = bench.run("validate", "broken.yaml", code=65).stderr
    with watching(bench) as watch:
        watch.until(lambda: not bench.path("broken.yaml").exists())  # its reason stands there before it moves
        bench.write("broken.yaml", "version: 1\n")
        watch.until(bench.path("failed/broken-2.yaml.error.txt").exists)
    assert bench.path("failed/broken.yaml.error.txt").read_text() == alone
    assert bench.path("failed/broken.yaml").read_text() == "version: 1\ninput: [\n"
    assert not bench.path("broken.yaml").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_and_cancels_nothing(bench: Bench, number: int) -> None:
    bench.serve(seconds=3600)
    bench.job("labels.yaml")
    with watching(bench) as watch:
        watch.until(lambda: bool(bench.ledger()))
        left = watch.leave(number)
    assert left.stderr.endswith("left; the state is saved, and submitted batches go on\n")
    assert bench.calls("cancel") == []
    bench.serve()
    bench.run("watch", ".", "--once", *QUICK[:2])
    assert len(bench.ledger()) == 1


def test_once(bench: Bench) -> None:
    bench.serve(seconds=3600)
    bench.job("labels.yaml")
    bench.run("watch", ".", "--once", *QUICK, code=75)
    assert len(bench.ledger()) == 1


def test_a_folder_that_is_not_there(bench: Bench) -> None:
    assert "Directory 'nowhere' does not exist." in bench.run("watch", "nowhere", code=2).stderr
