from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from batchrun.commands.init import init
from batchrun.commands.validate import validate
from batchrun.errors import CannotCreate


def batchrun(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchrun", *args], cwd=folder, capture_output=True, text=True, check=False
    )


def test_it_writes_a_job_that_is_right(tmp_path: Path) -> None:
    spec, rows = init(tmp_path / "new" / "job")
    assert (spec.name, rows.name) == ("batch.yaml", "rows.csv")
    found = validate(spec)
    assert (found.rows, found.warnings) == (3, ())
    assert found.job.limits.max_cost_usd == 1


def test_the_command_says_what_it_wrote_and_what_is_next(tmp_path: Path) -> None:
    done = batchrun(tmp_path, "init")
    assert (done.returncode, done.stdout) == (0, "wrote batch.yaml and rows.csv\n")
    assert done.stderr == "hint: try it without a key: batchrun run --sandbox\n"
    done = batchrun(tmp_path, "init", "sub", "--json")
    assert json.loads(done.stdout) == {"files": ["sub/batch.yaml", "sub/rows.csv"]}


@pytest.mark.parametrize("name", ["batch.yaml", "rows.csv"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(CannotCreate, match="is already there"):
        init(tmp_path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "mine")]
    done = batchrun(tmp_path, "init")
    assert done.returncode == 73
    assert done.stderr == (
        f"error: {name} is already there\nhint: give another folder: batchrun init FOLDER\n"
    )


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(CannotCreate):
        init(tmp_path)
    assert not (tmp_path / "elsewhere.csv").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreate, match=r"^cannot create "):
        init(tmp_path / "file" / "sub")
