from __future__ import annotations

from pathlib import Path

from tests.conftest import MakeSimulator
from tests.workbench import Bench, stable


def test_it_runs(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    ran = bench.run("run", code=0)
    print(ran.stderr)
    print(stable(bench.records()))
    print(bench.calls())
    assert 0
