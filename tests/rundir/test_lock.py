"""The lock of a job. What a held one looks like to others: tests/rundir/test_store.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchrun.rundir import lock as joblock


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".batchrun" / "job" / "lock")


@pytest.fixture(autouse=True)
def nothing_stays_held() -> Iterator[None]:
    yield
    joblock.end_early()


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def is_held(path: str) -> bool:
    """Locks belong to open files, so that this process can ask, too."""
    try:
        joblock.take(path).let_go()
    except joblock.Held:
        return True
    return False


def test_who_has_it(path: str) -> None:
    lock = joblock.take(path)
    with pytest.raises(joblock.Held) as caught:
        joblock.take(path)
    assert caught.value.holder == f"process {os.getpid()} on {os.uname().nodename}"
    lock.let_go()
    lock.let_go()
    assert not is_held(path)


# ---- taking it back


def test_no_folder_stays_for_it(tmp_path: Path, path: str) -> None:
    lock = joblock.take(path)
    assert tree(tmp_path) == [".batchrun", ".batchrun/job", ".batchrun/job/lock"]
    lock.take_back()
    assert tree(tmp_path) == []


@pytest.mark.parametrize("there", [".batchrun/job/shards", ".batchrun/other"])
def test_what_was_there_stays(tmp_path: Path, path: str, there: str) -> None:
    (tmp_path / there).mkdir(parents=True)
    joblock.take(path).take_back()
    assert there in tree(tmp_path)
    assert not is_held(path)


@pytest.mark.parametrize("come", [".batchrun/job/cancel", ".batchrun/other"])
def test_what_came_meanwhile_stays(tmp_path: Path, path: str, come: str) -> None:
    lock = joblock.take(path)
    (tmp_path / come).touch()
    lock.take_back()
    assert come in tree(tmp_path)


def test_a_lock_that_another_one_has_begun_anew_stays(tmp_path: Path, path: str) -> None:
    first = joblock.take(path)
    (tmp_path / ".batchrun").rename(tmp_path / "away")
    second = joblock.take(path)
    first.take_back()
    assert is_held(path)
    second.let_go()


def test_what_cannot_be_locked_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"File name too long$"):
        joblock.take(str(tmp_path / ".batchrun" / ("n" * 300) / "lock"))
    assert tree(tmp_path) == []


IN_TURNS = """
import os, sys
from batchrun.rundir import lock as joblock
path, mark = sys.argv[1:]
print("ready", flush=True)
sys.stdin.read()
turns = 0
while turns < 150:
    try:
        lock = joblock.take(path)
    except joblock.Held:
        continue
    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    turns += 1
    os.unlink(mark)
    lock.take_back()
"""


def test_no_two_have_it_although_it_is_taken_back_all_the_time(tmp_path: Path, path: str) -> None:
    """Who opened the file just before it was removed must not believe that he has locked the job."""
    command = [sys.executable, "-c", IN_TURNS, path, str(tmp_path / "mark")]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", "", ""]


# ---- taking it early


def test_an_early_lock_is_claimed_once(path: str) -> None:
    joblock.take_early(path)
    assert is_held(path)
    lock = joblock.claim(path)
    joblock.end_early()
    assert is_held(path)
    with pytest.raises(joblock.Held):
        joblock.claim(path)
    lock.let_go()
    assert not is_held(path)


def test_an_early_lock_of_another_job_is_taken_back(tmp_path: Path, path: str) -> None:
    """The spec was edited meanwhile, and has another name now."""
    joblock.take_early(str(tmp_path / ".batchrun" / "before" / "lock"))
    lock = joblock.claim(path)
    assert tree(tmp_path) == [".batchrun", ".batchrun/job", ".batchrun/job/lock"]
    lock.let_go()


@pytest.mark.parametrize("lost", [".batchrun", ".batchrun/job", ".batchrun/job/lock"])
def test_an_early_lock_that_was_moved_away_is_none(tmp_path: Path, path: str, lost: str) -> None:
    """While the run's modules were imported. Otherwise two would work on the job until one saves its state."""
    joblock.take_early(path)
    (tmp_path / lost).rename(tmp_path / "away")
    other = joblock.take(path)
    with pytest.raises(joblock.Held):
        joblock.claim(path)
    other.let_go()
    joblock.take_early(path)
    (tmp_path / lost).rename(tmp_path / "away again")
    lock = joblock.claim(path)
    assert is_held(path)
    lock.let_go()


def test_a_forked_child_holds_nothing(tmp_path: Path, path: str) -> None:
    joblock.take_early(path)
    child = os.fork()
    if not child:
        joblock.end_early()
        os._exit(int(not is_held(path)))
    assert os.waitpid(child, 0)[1] == 0
    assert Path(path).exists()
