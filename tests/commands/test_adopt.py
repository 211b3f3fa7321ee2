from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.run.test_engine import AFTER_IT_WAS_ACCEPTED, foreign
from tests.workbench import Bench


@pytest.fixture
def held(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    """A job with a held shard: two batches could be its own, the first is."""
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    bench.run("run", driver=AFTER_IT_WAS_ACCEPTED)
    foreign(bench)
    bench.run("run", code=4)
    return bench


def test_the_right_batch(held: Bench) -> None:
    ours = held.ledger()[0]["id"]
    ran = held.run("adopt", "batch.yaml", "0001", ours, "--json", code=0)
    assert ran.json()["shards"][0]["batch_id"] == ours
    held.go(code=0)
    assert len(held.ledger()) == 2  # theirs and ours


def test_the_wrong_batch_costs_nothing(held: Bench) -> None:
    ours, theirs = (batch["id"] for batch in held.ledger())
    held.run("adopt", "batch.yaml", "0001", theirs, code=0)
    ran = held.run("run", code=0)
    assert "shard 0001: the batch is not ours: none of its 3 results has an id of this shard" in ran.stderr
    assert f"shard 0001: found as {ours}; its results will prove it\n" in ran.stderr
    assert len(held.ledger()) == 2


def test_what_cannot_be(held: Bench) -> None:
    ours = held.ledger()[0]["id"]
    small = foreign(held, 2)
    ran = held.run("adopt", "batch.yaml", "0001", small, code=2)
    assert ran.stderr == f"error: {small} has 2 requests, shard 0001 3: it cannot be its batch\n"
    ran = held.run("adopt", "batch.yaml", "0002", ours, code=2)
    assert ran.stderr == "error: shard '0002' is not held\nhint: held shards: 0001\n"
    ran = held.run("adopt", "batch.yaml", "0001", "msgbatch_01Nobody", code=2)
    assert ran.stderr == (
        "error: msgbatch_01Nobody: Message Batch msgbatch_01Nobody not found.\n"
        "hint: batchrun batches list shows what there is\n"
    )


def test_the_batch_of_another_job(held: Bench) -> None:
    held.job("other.yaml", output={"path": "out/other.jsonl"})
    held.go("other.yaml", code=0)
    taken = held.ledger()[2]["id"]
    ran = held.run("adopt", "batch.yaml", "0001", taken, code=2)
    assert ran.stderr == f"error: {taken} belongs to another shard or job\n"
