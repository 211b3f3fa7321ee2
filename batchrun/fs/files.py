"""Files that are whole or not there: atomic replacement, durable folders, private modes.

The only place in the project that renames files. Every OSError leaves as a `DiskError` (or a
`CannotCreate` when the file cannot be begun at all), naming the path.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchrun.errors import CannotCreate, DiskError
from batchrun.fs.permissions import FILE_MODE, make_folders, open_file, sync_folder
from batchrun.model import FileFact, Signature

CHUNK = 1 << 20


def signature(about: os.stat_result) -> Signature:
    return about.st_ino, about.st_size, about.st_mtime_ns


def unchanged(path: Path | str, size: int, mtime_ns: int) -> bool:
    """Whether the file has the size and the time it had."""
    try:
        about = os.stat(path)  # noqa: PTH116 (a thousand times)
    except OSError:
        return False
    return (about.st_size, about.st_mtime_ns) == (size, mtime_ns)


def disk_error(error: OSError, path: Path, doing: str) -> DiskError:
    """The DiskError for `error`, with advice where the cause is a known one."""
    hints = {
        errno.ENOSPC: "free some space and run it again; nothing that was saved is lost",
        errno.EDQUOT: "the disk quota is used up; free some space and run it again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "check the permissions of the file and its folder",
    }
    reason = error.strerror or str(error)
    return DiskError(f"cannot {doing} {path}: {reason}", hint=hints.get(error.errno or 0, ""))


def make_private_dir(path: Path) -> None:
    """Create `path` and its missing parents, readable by the owner only whatever the umask."""
    try:
        make_folders(path)
    except OSError as error:
        raise cannot_create(error, path, f"the folder {path}") from error


def cannot_create(error: OSError, path: Path, what: str) -> CannotCreate | DiskError:
    """The error for `what` that could not be begun. A full disk is a full disk, also where it shows on the first write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return disk_error(error, path, "write")
    return CannotCreate(f"cannot create {what}: {error.strerror}")


def shown(path: Path) -> str:
    """`path` as people read it: seen from the current folder when it lies below."""
    with suppress(OSError, ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


@contextmanager
def replacing(path: Path, *, mode: int | None = FILE_MODE) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well, durable, and vanishes when it does not.

    `mode` None leaves the permissions to the umask. The temporary stands beside `path` as
    `.<name>.<pid>.part`, so that the rename stays on one file system.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, flags, 0o666 if mode is None else mode)
    except OSError as error:
        raise cannot_create(error, path, str(path)) from error
    try:
        with os.fdopen(handle, "wb", buffering=CHUNK) as stream:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, path, "write") from error
        raise


def leave_mark(path: Path) -> None:
    """Make `path` an empty file that outlives a crash of the machine. Raises DiskError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = open_file(path, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path, "write") from error


def remove_mark(path: Path) -> None:
    """Take a mark away, so that no crash brings it back. Raises DiskError."""
    try:
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(error, path, "remove") from error


def sweep_parts(path: Path) -> None:
    """Remove what `replacing(path)` left behind in processes that were killed. The caller makes sure that
    none is writing it now."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            part.unlink()


def write_atomic(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Replace `path` by `data`: a reader sees the old file or the new one, never a part."""
    with replacing(path, mode=mode) as stream:
        stream.write(data)


def keep_out_of_git(folder: Path) -> None:
    """Let git ignore what is in `folder`, unless something there says already what it is to do. Fails never: it
    guards from a commit by mistake, and nothing rests on it."""
    path = folder / ".gitignore"
    with suppress(OSError, CannotCreate, DiskError):
        if not os.path.lexists(path):
            write_atomic(path, b"*\n")


def write_volatile(path: Path, data: bytes) -> None:
    """Replace `path` by `data` without waiting for the disk: for what can be made again. Raises DiskError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(part, flags, FILE_MODE), "wb", buffering=CHUNK) as stream:
            stream.write(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise disk_error(error, path, "write") from error


def put_away(path: Path, target: Path, expected: Signature) -> bool:
    """Move a file to a name that is free, over nothing; False, with nothing changed, when the file is not there
    any more, is another one than `expected` by now, or the name is taken.

    The name is reserved first: that works on every file system, and no other process can take it meanwhile.
    What somebody put in the file's place in the last moment goes back. A link is moved itself, and leads from its
    new folder to where it led. Raises DiskError.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC))
    except FileExistsError:
        return False
    except OSError as error:
        raise disk_error(error, target, "write") from error
    moved = kept = False
    try:
        try:
            if _is(path, expected, path.parent):
                path.rename(target)
                moved = True
                if _is(target, expected, path.parent):
                    _lead_from(target, path.parent)
                    kept = True
        finally:
            if moved and not kept:
                _put_back(target, path)
            elif not moved:
                target.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk_error(error, path, "move") from error
    return kept


def _is(path: Path, expected: Signature, folder: Path) -> bool:
    """Whether `path` is that file, or a link that leads there when it is followed from `folder`."""
    with suppress(FileNotFoundError):
        return signature((folder / path.readlink() if path.is_symlink() else path).stat()) == expected
    return False


def _lead_from(moved: Path, folder: Path) -> None:
    """Let a link lead to where it led in `folder`."""
    if moved.is_symlink() and not (text := moved.readlink()).is_absolute():
        part = moved.with_name(f".{os.getpid()}.part")
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(folder, moved.parent) / text)
        part.replace(moved)


def _put_back(moved: Path, path: Path) -> None:
    """Over nothing: where there is something again, that is newer, and stays."""
    try:
        os.link(moved, path, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError:  # some file systems know no second name of a file
        if not os.path.lexists(path):
            moved.rename(path)
            return
    moved.unlink()


def settle(part: Path, path: Path) -> None:
    """Make a finished temporary file `path`: fsync, rename, fsync the folder."""
    try:
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path, "write") from error


def clock_of(folder: Path) -> float:
    """What the clock of the file system says, in seconds since the epoch: a file server has one of its own, and the
    times of its files are by that. Ours where nothing can be written into `folder`."""
    import tempfile  # seldom needed, and long to import

    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as stream:
        return os.fstat(stream.fileno()).st_mtime
    return time.time()


def digest(path: Path) -> str:
    """The sha256 of a file, hexadecimal, read in pieces."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise disk_error(error, path, "read") from error


def read_whole(stream: BinaryIO, path: Path, limit: int) -> tuple[bytes, FileFact]:
    """Up to `limit` + 1 bytes of an open file, and what that reading saw. The time is taken first: a change
    while it is read shows later as one."""
    try:
        stat = os.fstat(stream.fileno())
        data = stream.read(limit + 1)
    except OSError as error:
        raise disk_error(error, path, "read") from error
    return data, FileFact(str(path), len(data), stat.st_mtime_ns, hashlib.sha256(data).hexdigest())


def file_fact(path: Path) -> FileFact:
    """What a whole reading of `path` shows."""
    try:
        stat = path.stat()
    except OSError as error:
        raise disk_error(error, path, "read") from error
    return FileFact(str(path), stat.st_size, stat.st_mtime_ns, digest(path))


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a JSONL file without their LF; split on LF bytes only (api-facts §9, #1778)."""
    try:
        with path.open("rb", buffering=CHUNK) as stream:
            for line in stream:
                yield line.removesuffix(b"\n")
    except OSError as error:
        raise disk_error(error, path, "read") from error
