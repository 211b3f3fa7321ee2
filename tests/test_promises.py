from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench, stable

DYING = str(Path(__file__).parent / "dying.py")

def test_effects(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=6, limits={"batch_requests": 2})
    f = tmp_path / "effects"
    bench.run("run", driver=(DYING, str(f), "LIST"), code=0)
    for n, l in enumerate(f.read_text().splitlines(),1): print(n, l)
    assert 0
