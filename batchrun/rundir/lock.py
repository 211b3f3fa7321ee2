"""The lock of a job: a file that its holder keeps locked, and that the kernel unlocks with the end of the process.

`fastpath.quick` takes it before the command line is parsed, so that fifty runs of one job at the same moment find out at
once which of them is to work. Therefore this imports next to nothing, and errors only where they occur.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from batchrun.fs import permissions

TYPE_CHECKING = False  # typing itself takes longer to import than all that is here
if TYPE_CHECKING:
    from batchrun.errors import BatchrunError

# O_NONBLOCK: a FIFO must not make us wait.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


class Held(Exception):
    """Another process has the job: `holder` says which one, as far as it has said so itself."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder

    def about(self, job: str) -> str:
        """What a person is told of it."""
        return f"another process is working on the job '{job}'" + (f" ({self.holder})" if self.holder else "")


class JobLock:
    """The lock file of one job, open until `let_go`."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self.path = path
        self._handle = permissions.open_file(path, _FLAGS)
        self._about = os.fstat(self._handle)
        _open.add(self)

    def lock(self) -> bool:
        """Whether we have the job now; not, where the file was removed meanwhile. Raises Held, OSError."""
        if not stat.S_ISREG(self._about.st_mode):
            from batchrun.errors import DiskError

            raise DiskError(f"{self.path} is not a regular file")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(self._holder()) from None
        try:
            if self.is_lost():
                return False
        except FileNotFoundError:
            return False
        self._say_who()
        return True

    def is_lost(self) -> bool:
        """Whether another file is in its place by now. Raises OSError where nothing is there."""
        return not os.path.samestat(self._about, os.stat(self.path))

    def let_go(self) -> None:
        _open.discard(self)
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def take_back(self) -> None:
        """Let go of a lock under which nothing was done. No folder stays for it where nothing was ever done."""
        try:
            if not self.is_lost() and os.listdir(os.path.dirname(self.path)) == [os.path.basename(self.path)]:
                os.unlink(self.path)
                _remove_empty(self.path)
        except OSError:
            pass  # what stays behind does no harm
        self.let_go()

    def _say_who(self) -> None:
        """For the person who finds the lock held; a full disk must not stop us here."""
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
        except OSError:
            pass

    def _holder(self) -> str:
        """What the holder said; "" where it has yet to say it."""
        try:
            text = os.pread(self._handle, 300, 0).decode()
        except (OSError, ValueError):
            return ""
        line = text.removesuffix("\n")
        return line if line.startswith("process ") and line != text and line.isprintable() else ""


_open: set[JobLock] = set()
_early: JobLock | None = None
"""Taken for a run that has yet to begin."""


def _let_go_of_all() -> None:
    """A forked child does not hold what its parent holds: it may live longer."""
    global _early
    _early = None
    for lock in tuple(_open):
        lock.let_go()


os.register_at_fork(after_in_child=_let_go_of_all)


def take(path: str) -> JobLock:
    """The lock in the file at `path`, which is made where it is missing. Raises Held at once when another
    process has it; DiskError and CannotCreate."""
    for _ in range(permissions.TRIES):
        try:
            permissions.make_folders(os.path.dirname(path))
        except OSError as error:
            _remove_empty(path)
            raise _cannot_make_folder(path, error) from error
        if lock := _taken(path):
            return lock
    raise _disk_error(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), "open")


def take_early(path: str) -> None:
    """`take` for the one `claim` of this process that is still to come, or for `end_early`."""
    global _early
    _early = take(path)


def claim(path: str) -> JobLock:
    """The lock that was taken early if it is this one, and its file still in its place; else `take`."""
    global _early
    if _early and _early.path == path and _is_there(_early):
        lock, _early = _early, None
        return lock
    end_early()
    return take(path)


def _is_there(lock: JobLock) -> bool:
    try:
        return not lock.is_lost()
    except OSError:  # `take` says what is wrong
        return False


def end_early() -> None:
    """Take back a lock that was taken early, and that nobody claimed."""
    global _early
    lock, _early = _early, None
    if lock:
        lock.take_back()


def _taken(path: str) -> JobLock | None:
    """One try; None where others took back what we were about to lock."""
    try:
        lock = JobLock(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        _remove_empty(path)
        raise _disk_error(path, error, "open") from error
    try:
        if lock.lock():
            return lock
    except OSError as error:
        lock.let_go()
        raise _disk_error(path, error, "lock") from error
    except BaseException:
        lock.let_go()
        raise
    lock.let_go()
    return None


def _remove_empty(path: str) -> None:
    """The folders that hold run directories, and this one, as far as nothing is in them."""
    for folder in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        try:
            os.rmdir(folder)
        except OSError:
            pass


def _cannot_make_folder(path: str, error: OSError) -> BatchrunError:
    from pathlib import Path

    from batchrun.fs.files import cannot_create

    folder = Path(path).parent
    return cannot_create(error, folder, f"the folder {folder}")


def _disk_error(path: str, error: OSError, doing: str) -> BatchrunError:
    from pathlib import Path

    from batchrun.fs.files import disk_error

    return disk_error(error, Path(path), doing)
