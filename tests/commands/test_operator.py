"""The operator's word in `tick`: what stands above a watched folder counts, what is dropped into it does not."""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench

SETTLE = ("--settle", "0")
HOOK = {"done": [{"run": ["sh", "-c", "cat >told.jsonl"]}]}


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("operator"), make_simulator)
    bench.serve()
    bench.rows(1)
    return bench


def above(bench: Bench, text: str) -> None:
    """A batchrun.toml in the folder that holds the watched one."""
    (bench.folder.parent / "batchrun.toml").write_text(text)


def test_a_dropped_configuration_has_no_power(bench: Bench) -> None:
    above(bench, "budget.job_usd = 0.0000001\n")
    bench.write("batchrun.toml", "budget.job_usd = 100\non.needs_person = [{run = ['touch', 'told']}]\n")
    bench.job("labels.yaml")
    assert "Raise budget.job_usd" in " ".join(bench.run("tick", ".", *SETTLE, code=4).stderr.split())
    assert bench.ledger() == []
    assert not bench.path("told").exists()


def test_a_dropped_spec_may_not_have_hooks(bench: Bench) -> None:
    above(bench, "on.failed = [{run = ['sh', '-c', 'cat >>told.jsonl']}]\n")
    bench.job("labels.yaml", on=HOOK)
    bench.run("tick", ".", *SETTLE, code=65)
    error = bench.path("failed/labels.yaml.error.txt").read_text()
    assert "a spec in a watched folder may not have hooks" in error
    assert bench.calls() == []
    (line,) = (bench.folder.parent / "told.jsonl").read_text().splitlines()
    event = json.loads(line)
    assert (event["event"], event["job"], event["exit_code"]) == ("failed", "labels", 65)


def test_waiting_for_data_is_no_failure(bench: Bench) -> None:
    above(bench, "on.failed = [{run = ['touch', 'told']}]\nwatch.data_wait = '1h'\n")
    bench.job("labels.yaml", input={"path": "late.csv"})
    bench.run("tick", ".", *SETTLE, code=75)
    assert not (bench.folder.parent / "told").exists()
    bench.run("tick", ".", *SETTLE, "--data-wait", "0", code=66)  # flags come first
    assert (bench.folder.parent / "told").exists()
