"""A watched folder in which others could move the state away: nothing is sent that was not begun."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchrun.errors import ExitCode
from tests.conftest import MakeSimulator
from tests.workbench import Bench

STRANGERS = 54_321
"""A group that is nobody's own."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to a group")


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.folder.mkdir(parents=True, exist_ok=True)
    bench.serve()
    bench.job(rows=2)
    os.chown(bench.folder, 0, STRANGERS)
    return bench


def tick(bench: Bench, *codes: ExitCode, **env: str) -> str:
    ran = bench.run("tick", ".", "--settle", "0", code=None, **env)
    assert ran.code in codes, ran
    return ran.stderr


@pytest.mark.parametrize(("mode", "who"), [(0o2770, "its group"), (0o777, "everybody"), (0o770, "its group")])
def test_no_job_begins_there(bench: Bench, mode: int, who: str) -> None:
    bench.folder.chmod(mode)
    said = tick(bench, ExitCode.NEEDS_PERSON)
    assert f"can be written by {who}, who could move .batchrun away; nothing was submitted" in said
    assert f"`chmod +t {bench.folder}`" in said
    assert len(bench.ledger()) == 0
    bench.folder.chmod(mode | 0o1000)
    tick(bench, ExitCode.NOT_FINISHED, ExitCode.OK)
    assert len(bench.ledger()) == 1


@pytest.mark.parametrize("mode", [0o3770, 0o1777, 0o700, 0o755])
def test_where_nobody_can_move_it(bench: Bench, mode: int) -> None:
    bench.folder.chmod(mode)
    tick(bench, ExitCode.NOT_FINISHED, ExitCode.OK)
    assert len(bench.ledger()) == 1


def test_an_operator_who_trusts_them(bench: Bench) -> None:
    bench.folder.chmod(0o2770)
    tick(bench, ExitCode.NOT_FINISHED, ExitCode.OK, BATCHRUN_WATCH_SHARED="true")
    assert len(bench.ledger()) == 1


def test_what_has_begun_goes_on(bench: Bench) -> None:
    bench.folder.chmod(0o3770)
    bench.run("run", "--no-wait")
    bench.folder.chmod(0o2770)
    for _ in range(50):
        if tick(bench, ExitCode.NOT_FINISHED, ExitCode.OK) and (bench.folder / "done").exists():
            break
    assert len(bench.records()) == 2


def test_somebody_who_runs_it_by_hand(bench: Bench) -> None:
    bench.folder.chmod(0o2770)
    bench.run("run", code=0)
    assert len(bench.ledger()) == 1
