from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchrun.fs import permissions


def test_folders_are_ours_alone(tmp_path: Path) -> None:
    permissions.make_folders(tmp_path / "a" / "b")
    permissions.make_folders(str(tmp_path / "a" / "b" / "c"))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {0o700}


def test_a_folder_of_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    permissions.make_folders("a/b")
    assert (tmp_path / "a" / "b").is_dir()


def test_what_is_no_folder_of_ours(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    found = {
        name: permissions.fault_of_folder(tmp_path / name) for name in ("folder", "file", "link", "none")
    }
    assert found == {"folder": "", "file": "is not a folder", "link": "is a link", "none": ""}
    with pytest.raises(NotADirectoryError):
        permissions.fault_of_folder(tmp_path / "file" / "folder")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    assert permissions.fault_of_folder(tmp_path) == "belongs to another user"
