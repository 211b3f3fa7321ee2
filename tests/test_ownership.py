from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from batchrun.ownership import fault_of_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "batchrun.toml"
    path.touch(mode=0o600)
    return path


def group_of_others() -> int:
    """A group that is not named after us."""
    mine = os.getgid()
    return next(g.gr_gid for g in grp.getgrall() if g.gr_gid not in (mine, 0))


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o444])
def test_what_only_we_can_write(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert fault_of_file(file) == ""


def test_what_everybody_can_write(file: Path) -> None:
    file.chmod(0o602)
    assert fault_of_file(file) == f"{file} can be written by everybody"


def test_where_everybody_can_write(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert fault_of_file(file) == f"{file.parent} can be written by everybody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_belongs_to_others(file: Path) -> None:
    os.chown(file, 12345, -1)
    assert fault_of_file(file) == f"{file} belongs to another user"
    os.chown(file, 0, group_of_others())
    file.chmod(0o660)
    assert fault_of_file(file) == f"{file} can be written by its group"
    os.chown(file, 0, 0)
    assert fault_of_file(file) == ""  # the group of one user only, us
    os.chown(file.parent, 12345, -1)
    assert fault_of_file(file) == f"{file.parent} belongs to another user"


def test_what_is_no_file(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert fault_of_file(link) == f"{link} is no regular file"
    assert fault_of_file(file.parent) == f"{file.parent} is no regular file"
    gone = file.with_name("gone")
    assert fault_of_file(gone) == f"{gone} cannot be looked at: No such file or directory"
