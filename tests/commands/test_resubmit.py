from __future__ import annotations

from pathlib import Path

from tests.commands.test_adopt import held
from tests.conftest import MakeSimulator
from tests.workbench import Bench

__all__ = ["held"]


def test_only_when_the_cost_is_accepted(held: Bench) -> None:
    ran = held.run("resubmit", "batch.yaml", "0001", code=2)
    assert ran.stderr == (
        "error: a batch of this shard may exist already; nothing was submitted\n"
        "hint: look for it with `batchrun batches list`, or add --accept-duplicate-cost\n"
    )
    assert len(held.ledger()) == 2
    ran = held.run("resubmit", "batch.yaml", "0001", "--accept-duplicate-cost", code=0)
    assert ran.stderr.startswith("shard 0001: its requests now stand in 0002\n")
    assert len(held.ledger()) == 3
    assert {r["status"] for r in held.records()} == {"succeeded"}
    state = held.state()
    assert [(s.phase, s.reason) for s in state.shards] == [("refused", "abandoned"), ("fetched", None)]
    held.go(code=0)
    assert len(held.ledger()) == 3


def test_a_shard_whose_fate_is_known(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=1)
    bench.go(code=0)
    ran = bench.run("resubmit", "batch.yaml", "0001", "--accept-duplicate-cost", code=2)
    assert ran.stderr == "error: shard '0001' is not held\nhint: held shards: none\n"
    assert len(bench.ledger()) == 1
