"""What is kept between passes, below `.batchrun/@watch/`:

<file>.json      how the last pass left a spec; lost, it costs one more pass and nothing else
seen/<sha256>    a link whose target is the name of the job that this content first ran as
moves.lock       held while a spec is put away
lock             shared by watchers, exclusive to a tick
tidied           as old as the last tidying
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from batchrun import jsonbytes
from batchrun.codec import decode, encode
from batchrun.errors import BatchrunError, Locked
from batchrun.fs.confine import open_regular
from batchrun.fs.files import disk_error, keep_out_of_git, make_private_dir, write_volatile
from batchrun.fs.permissions import open_file
from batchrun.rundir.store import refuse_foreign_folders, runs_folder
from batchrun.specnames import JOB_NAME
from batchrun.units import DAY
from batchrun.watch.orders import Note

FOLDER = "@watch"
PATIENCE = 10.0
"""Seconds to wait while another watcher puts a spec away, which takes it a moment: it may have been stopped."""


class Notes:
    """The notes on one folder's specs. Nothing is created before it is needed."""

    def __init__(self, root: Path, *, sandbox: bool = False) -> None:
        self.root = root
        self.runs = runs_folder(root, sandbox=sandbox)
        self._folder = self.runs / FOLDER
        self.leaving: Callable[[], int] = lambda: 0
        """Asked while a lock is waited for: whether to give up."""
        self._above = (runs_folder(root), *([self.runs] if sandbox else []), self._folder)

    def load(self, name: str) -> Note | None:
        """The note on the spec of that name; None where there is none that can be read."""
        with suppress(OSError, BatchrunError, ValueError), open_regular(self._file(name)) as stream:
            return decode(Note, orjson.loads(stream.read()))
        return None

    def save(self, name: str, note: Note) -> None:
        """Raises DiskError."""
        self._make(self._folder)
        write_volatile(self._file(name), jsonbytes.dumps(encode(note)))

    def forget(self, name: str) -> None:
        with suppress(OSError):
            self._file(name).unlink()

    def job_of(self, content: bytes, otherwise: str) -> str:
        """The job that this content ran as before; from now on `otherwise`, if it never did.

        Said before the pass begins, and whoever says it first is heeded: two watchers that find the same
        content under two names run one job. Raises DiskError.
        """
        folder = self._folder / "seen"
        self._make(folder)
        link = folder / hashlib.sha256(content).hexdigest()
        try:
            # A link is made whole or not at all, and never over another.
            link.symlink_to(otherwise)
        except FileExistsError:
            job = str(link.readlink()) if link.is_symlink() else ""
            return job if JOB_NAME.fullmatch(job) else otherwise
        except OSError as error:
            raise disk_error(error, link, "write") from error
        return otherwise

    def tidy(self, names: Collection[str], now: float) -> None:
        """Once a day, take away what is a day old and of no use: notes on specs that are not there, but for `names`,
        and content whose job has no run directory. Nothing was ever submitted for that, so that nothing can be
        paid for again; all other content is kept for as long as its job."""
        stamp = self._folder / "tidied"
        with suppress(OSError, BatchrunError):
            if not self._folder.is_dir() or (stamp.exists() and 0 <= _age(stamp, now) <= DAY):
                return
            refuse_foreign_folders(self._above)
            os.close(open_file(stamp, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW))
            os.utime(stamp, (now, now))
            there = (path.name for path in self.root.iterdir())
            keep = {self._file(name).name for name in (*names, *there)}
            for path in self._folder.glob("*.json"):
                if path.name not in keep and _age(path, now) > DAY:
                    path.unlink()
            for link in (self._folder / "seen").iterdir():
                job = self.runs / link.readlink().name
                if _age(link, now) > DAY and not os.path.lexists(job):
                    link.unlink()

    def state_of(self, job: str) -> Path:
        return self.runs / job / "state.json"

    # ---- locks

    @contextmanager
    def moving(self) -> Iterator[None]:
        """While a spec is put away: two watchers would choose the same name for two files. Raises Locked where
        another one does not come to an end with it."""
        self._make(self._folder)
        deadline = time.monotonic() + PATIENCE
        with _open_lock(self._folder / "moves.lock") as handle:
            while not _taken(handle):
                if self.leaving() or time.monotonic() > deadline:
                    raise Locked(
                        "another process has been putting a spec away, and does not end",
                        hint=f"see who holds {self._folder / 'moves.lock'}: fuser or lsof tells",
                    )
                time.sleep(0.02)
            yield

    @contextmanager
    def alone(self, shown: str) -> Iterator[None]:
        """For a tick. Raises Locked while another one, or a watcher, works on the folder."""
        self._make(self._folder)
        with _open_lock(self._folder / "lock") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(
                    f"another tick, or a watcher, is working on {shown}", hint="it goes on there"
                ) from None
            yield

    @contextmanager
    def among_others(self) -> Iterator[None]:
        """For a watcher: others may watch the folder too, through the jobs' locks."""
        self._make(self._folder)
        with _open_lock(self._folder / "lock") as handle:
            with suppress(BlockingIOError):  # a tick is at it; its jobs are locked while it is
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield

    # ---- files

    def _file(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.json"

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            refuse_foreign_folders(self._above)
            make_private_dir(folder)
            keep_out_of_git(self._above[0])


def _age(path: Path, now: float) -> float:
    return now - path.lstat().st_mtime


def _taken(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    try:
        handle = open_file(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        raise disk_error(error, path, "open") from error
    try:
        yield handle
    finally:
        os.close(handle)
