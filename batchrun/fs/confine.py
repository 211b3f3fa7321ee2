"""Which files a spec may touch: those below its own folder, and below the roots an operator allowed.

A spec that someone dropped in a folder is untrusted (design §2): absolute paths, `..`, links that lead
out, devices and pipes are refused here, and every path of a spec, a row or a template comes through here.
The run directories are no place for a spec either, in whatever folder they stand.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from batchrun.errors import DataError, DiskError, MissingInput
from batchrun.fs import STATE_FOLDER
from batchrun.fs.files import disk_error
from batchrun.safetext import plain

_OF_THE_FILE = {
    *(errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
    *(errno.ENXIO, errno.ENODEV, errno.EINVAL),
}
"""What the name or the file is to blame for; anything else is the machine's fault."""

_HINT = "move it below the spec's folder, or allow its folder with --root DIR or BATCHRUN_ROOTS"


def confine(text: str, *, root: Path, roots: Sequence[Path] = ()) -> Path:
    """`text`, seen from `root`, as an absolute path without links. Raises DataError when it leads outside, or
    to where the state is kept."""
    if not text or "\0" in text:
        raise DataError(f"not a path: {text!r}")
    try:
        path = (root / text).resolve()
    except (OSError, RuntimeError) as error:
        raise DataError(f"cannot follow the path {text!r}: {error}") from error
    folders = [folder.resolve() for folder in (root, *roots)]
    inside = [path.relative_to(folder) for folder in folders if path.is_relative_to(folder)]
    if not inside:
        raise DataError(f"{text!r} lies outside the spec's folder", hint=_HINT)
    # Some file systems take `.BATCHRUN` for the same.
    if any(part.casefold() == STATE_FOLDER for below in inside for part in below.parts):
        raise DataError(f"{text!r} lies inside {STATE_FOLDER}", hint="the state is kept there; name another")
    return path


def without_links(path: Path) -> Path:
    """`path`, absolute. Links that go round in a circle stay in it: opening it says so (`Path.resolve` raises an
    error of its own for them)."""
    return Path(os.path.realpath(path))


def open_regular(path: Path, *, folder: int | None = None) -> BinaryIO:
    """Open a regular file for reading. Raises DataError for anything else, MissingInput when it is not there,
    DiskError when the disk fails."""
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path if folder is None else path.name, flags, dir_fd=folder)
    except FileNotFoundError as error:
        raise MissingInput(f"no such file: {_shown(path)}") from error
    except OSError as error:
        raise _cannot_open(error, path) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DataError(f"{_shown(path)} is not a regular file")
    return os.fdopen(handle, "rb", buffering=1 << 20)


def open_confined(path: Path) -> BinaryIO:
    """`open_regular` of a path that `confine` gave: absolute and without links. The folders on the way are opened
    one by one, so that none that became a link since leads out. Raises what `open_regular` raises."""
    flags = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    root, *folders = path.parent.parts
    handle = os.open(root, flags)
    try:
        for name in folders:
            inner = os.open(name, flags, dir_fd=handle)
            os.close(handle)
            handle = inner
        return open_regular(path, folder=handle)
    except FileNotFoundError as error:
        raise MissingInput(f"no such file: {_shown(path)}") from error
    except NotADirectoryError as error:
        raise DataError(f"cannot open {_shown(path)}: what stands on the way is no folder") from error
    except OSError as error:
        raise _cannot_open(error, path) from error
    finally:
        os.close(handle)


def _cannot_open(error: OSError, path: Path) -> DataError | DiskError:
    if error.errno in _OF_THE_FILE:
        return DataError(f"cannot open {_shown(path)}: {error.strerror}")
    return disk_error(error, path, "read")


def _shown(path: Path) -> str:
    """A name that nobody could read to its end is cut, so that the message still has one."""
    return str(path.with_name(plain(path.name, 100))) if len(path.name) > 100 else str(path)
