from __future__ import annotations

import grp
import os
import stat
from pathlib import Path

import pytest

from batchrun.fs.ownership import fault_of_file, fault_of_secret


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


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "path", "fault"),
    [
        (0o600, 1000, 1000, "/home/me/key", ""),
        (0o400, 0, 0, "/etc/key", ""),  # that we could open it is enough
        (0o640, 1000, 1000, "/home/me/key", "others can read this secret"),
        (0o644, 0, 0, "/etc/key", "others can read this secret"),
        (0o440, 0, 2000, "/etc/keys/key", ""),  # Kubernetes with fsGroup
        (0o640, 0, 2000, "/etc/keys/key", ""),
        (0o440, 0, 100, "/etc/keys/key", "others can read this secret"),
        (0o460, 0, 2000, "/etc/keys/key", "others can read this secret"),
        (0o444, 0, 2000, "/etc/keys/key", "others can read this secret"),
        (0o444, 0, 0, "/run/secrets/key", ""),  # Docker
        (0o644, 0, 0, "/run/secrets/key/..2026/key", ""),  # Kubernetes
        (0o644, 1000, 1000, "/var/run/secrets/key", ""),
        (0o664, 0, 0, "/run/secrets/key", "others can change this secret"),
        (0o646, 0, 0, "/run/secrets/key", "others can change this secret"),
        (0o644, 0, 0, "/run/secrets-of-mine/key", "others can read this secret"),
    ],
)
def test_whose_secret_it_is(mode: int, uid: int, gid: int, path: str, fault: str) -> None:
    found = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 1, 0, 0, 0))
    assert fault_of_secret(found, Path(path), euid=1000, groups={1000, 2000}) == fault


def test_root_asks_of_its_own_files_what_others_do() -> None:
    found = os.stat_result((stat.S_IFREG | 0o640, 1, 1, 1, 0, 0, 1, 0, 0, 0))
    assert fault_of_secret(found, Path("/srv/key"), euid=0, groups={0}) == "others can read this secret"
