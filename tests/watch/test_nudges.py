"""Events that do not come: the system gives none, or what passes them on fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from batchrun.watch.nudges import Nudges
from tests.watch.watching import watching
from tests.workbench import PATIENCE, Bench

DENYING = str(Path(__file__).with_name("denying.py"))
NO_INSTANCE = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'


def told_once(stderr: str, why: str) -> None:
    assert stderr.startswith(f"warning: no events here ({why}); looking every 0.2s\n.: watching\n")
    assert stderr.count("no events") == 1


def test_a_kernel_without_an_inotify_instance(bench: Bench) -> None:
    bench.job("labels.yaml")
    watcher = [sys.executable, "-m", "batchrun", "watch", ".", "--settle", "100ms", "--rescan", "200ms"]
    with subprocess.Popen(
        ["unshare", "-Ur", "sh", "-c", NO_INSTANCE, "sh", *watcher],
        cwd=bench.folder,
        env=bench.environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        bench.until(process, bench.path("done/labels.yaml").exists)
        process.terminate()
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    told_once(stderr, "inotify instance limit reached")


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ("inotify_init1=EMFILE,inotify_init=EMFILE", "inotify instance limit reached"),
        ("inotify_init1=ENFILE,inotify_init=ENFILE", "Too many open files in system"),
        ("inotify_init1=ENOSYS,inotify_init=ENOSYS", "Function not implemented"),
        ("inotify_add_watch=ENOSPC", "inotify watch limit reached"),
        ("inotify_add_watch=ENOMEM", "Cannot allocate memory"),
        ("inotify_add_watch=EPERM", "Operation not permitted"),
    ],
)
def test_a_native_observer_that_is_refused_something(bench: Bench, refused: str, why: str) -> None:
    bench.job("labels.yaml")
    with watching(bench, driver=(DENYING, refused)) as watch:
        watch.until_there("done/labels.yaml")
        told_once(watch.leave().stderr, why)
    assert len(bench.ledger()) == 1


@pytest.mark.parametrize("kind", [(), ("--polling",)])
def test_no_thread_for_an_observer(bench: Bench, kind: tuple[str, ...]) -> None:
    """Nor for the jobs: each is put off, and told of, and the watcher stays."""
    bench.job("labels.yaml")
    process = bench.start("watch", ".", "--settle", "100ms", *kind, driver=(DENYING, "threads=EAGAIN"))
    notes = bench.folder / ".batchrun" / "@watch"
    bench.until(process, lambda: bool(list(notes.glob("*.json"))))
    process.terminate()
    told = bench.finish(process, code=143).stderr
    assert told.startswith(
        "warning: no events here (can't start new thread); looking every 10s\n.: watching\n"
    )
    assert "labels: put off: cannot start a thread\n" in told
    assert bench.ledger() == []


def test_programs_are_told_so(bench: Bench) -> None:
    with watching(bench, "--json", driver=(DENYING, "inotify_init1=ENOSYS,inotify_init=ENOSYS")) as watch:
        watch.until(lambda: bench.path(".batchrun/@watch").exists())
        time.sleep(0.5)
        first, second, *_ = map(orjson.loads, watch.leave().stdout.splitlines())
    assert (first["event"], second["event"]) == ("no_events", "watching")
    assert first["text"] == "no events here (Function not implemented); looking every 0.2s"


def test_an_observer_that_fails_later_is_told_of_once(tmp_path: Path) -> None:
    told: list[str] = []
    nudges = Nudges("native", [tmp_path], told.append)
    (tmp_path / "one").touch()
    _until(nudges.heard)
    _replace_what_is_read(tmp_path)
    (tmp_path / "two").touch()

    def failed() -> bool:
        nudges.follow()
        return nudges.failed

    _until(failed)
    nudges.follow()
    assert told == ["Is a directory"]
    nudges.close()


def _replace_what_is_read(folder: Path) -> None:
    """Let the handles of the kernel's events be those of a folder, which nobody can read."""
    handle = os.open(folder, os.O_RDONLY)
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            if str(link.readlink()) == "anon_inode:inotify":
                os.dup2(handle, int(link.name))
    os.close(handle)


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_folder_that_may_not_be_read_is_no_fault_of_the_events(tmp_path: Path) -> None:
    told: list[str] = []
    gone = tmp_path / "gone"
    nudges = Nudges("native", [gone, tmp_path], told.append)
    gone.mkdir()
    nudges.follow()
    nudges.heard()
    (gone / "spec.yaml").touch()
    _until(nudges.heard)
    assert told == []
    nudges.close()
