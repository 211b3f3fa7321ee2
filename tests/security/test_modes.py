"""Who may read what: the run directories are their owner's alone under any umask; the answers follow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench

UNDER = "import os, sys; os.umask(int(sys.argv.pop(1), 8)); from batchrun.cli import main; main()"


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.lstat().st_mode & 0o7777 for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.parametrize("umask", ["000", "277"])
def test_a_run_and_its_rehearsal(tmp_path: Path, make_simulator: MakeSimulator, umask: str) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve(results=[{"match": "word 2", "type": "errored"}])
    bench.job(rows=3)
    bench.output.parent.mkdir()
    for args in (["run"], ["run", "--sandbox"], ["retry"]):
        bench.run(umask, *args, driver=("-c", UNDER))

    found = modes(bench.folder / ".batchrun")
    folders = {name for name in found if (bench.folder / ".batchrun" / name).is_dir()}
    assert {found[name] for name in folders} == {0o700}
    assert {name: mode for name, mode in found.items() if name not in folders and mode != 0o600} == {}
    assert {"batch/state.json", "batch/lock", "@sandbox/batch/state.json"} <= set(found)
    answers = {path.stat().st_mode & 0o777 for path in bench.output.parent.iterdir()}
    assert answers == {0o666 & ~int(umask, 8)}


def test_an_answer_that_is_replaced_keeps_its_mode(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=1)
    bench.go(code=0)
    bench.output.chmod(0o640)
    bench.rows(2)
    bench.go(code=0)
    assert bench.output.stat().st_mode & 0o777 == 0o640


def test_a_crash_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bug = UNDER.replace(
        "main()", "from batchrun.client import batches; batches.BatchesClient.get = None; main()"
    )
    bench.run("000", "batches", "get", "x", driver=("-c", bug), code=1, TMPDIR=str(tmp_path))
    (crash,) = tmp_path.glob("batchrun-crash-*.txt")
    assert crash.stat().st_mode & 0o777 == 0o600
