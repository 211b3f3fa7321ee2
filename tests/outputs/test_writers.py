from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from batchrun.errors import BatchrunError, CannotCreate
from batchrun.fs.files import digest
from batchrun.model import FileFact
from batchrun.outputs.writers import write_file


def put(path: Path, data: bytes) -> bool:
    fact, changed = write_file(path, lambda stream: (stream.write(data[:3]), stream.write(data[3:]), None)[2])
    stat = path.stat()
    assert (fact.path, fact.size, fact.mtime_ns) == (str(path), stat.st_size, stat.st_mtime_ns)
    assert fact.sha256 == digest(path)
    assert path.read_bytes() == data
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "no temporary is left"
    return changed


def test_folders_are_made_and_the_umask_rules(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert put(tmp_path / "a" / "b" / "o.jsonl", b"data\n")
    finally:
        os.umask(before)
    assert (tmp_path / "a/b/o.jsonl").stat().st_mode & 0o777 == 0o640


def test_an_equal_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "out" / "o.jsonl"
    put(path, b"data\n")
    os.utime(path, ns=(1, 1))
    before = path.stat()
    assert not put(path, b"data\n")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, 1)
    assert put(path, b"date\n")


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out" / "o.jsonl"
    put(path, b"1")
    path.chmod(0o600)
    put(path, b"2")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out" / "o.jsonl"
    put(path, b"old")

    def fill(stream: BinaryIO) -> None:
        stream.write(b"new")
        raise BatchrunError("stop")

    with pytest.raises(BatchrunError, match="stop"):
        write_file(path, fill)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_what_came_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "out" / "o.jsonl"
    for _ in range(2):
        with pytest.raises(CannotCreate, match="came or changed while the answer was written"):
            write_file(path, lambda stream: (stream.write(b"new"), path.write_bytes(b"mine!"), None)[2])
        assert path.read_bytes() == b"mine!"
        os.utime(path, ns=(1, 1))


def test_a_folder_that_becomes_a_link_meanwhile(tmp_path: Path) -> None:
    path, outside = tmp_path / "out" / "o.jsonl", tmp_path / "outside"
    outside.mkdir()

    def fill(stream: BinaryIO) -> None:
        path.parent.rename(tmp_path / "before")
        path.parent.symlink_to(outside)

    with pytest.raises(CannotCreate, match="its folder has become a link"):
        write_file(path, fill)
    assert list(outside.iterdir()) == []


def test_it_is_told_how_the_file_will_stand_there(tmp_path: Path) -> None:
    path, told = tmp_path / "o.jsonl", list[FileFact]()
    fact, _ = write_file(path, lambda stream: (stream.write(b"new"), None)[1], told.append)
    write_file(path, lambda stream: (stream.write(b"new"), None)[1], told.append)
    assert told == [fact]


def refused(path: Path) -> str:
    with pytest.raises(CannotCreate) as caught:
        write_file(path, lambda stream: None)
    return str(caught.value)


def test_only_a_plain_file_is_replaced(tmp_path: Path) -> None:
    target, link, fifo, file = (tmp_path / name for name in ("target", "link", "fifo", "file"))
    target.write_bytes(b"precious")
    link.symlink_to(target)
    os.mkfifo(fifo)
    file.write_bytes(b"")
    assert refused(tmp_path) == f"cannot create {tmp_path}: it is a folder"
    assert refused(link) == f"cannot create {link}: it is a symbolic link"
    assert refused(fifo) == f"cannot create {fifo}: it is no plain file"
    assert refused(file / "o") == f"cannot create {file / 'o'}: {file} is not a folder"
    assert refused(file / "a" / "o") == f"cannot create {file / 'a' / 'o'}: Not a directory"
    assert target.read_bytes() == b"precious"
    assert link.is_symlink()
