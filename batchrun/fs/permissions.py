"""Folders and files that are their owner's alone, whatever the umask. Raises plain OSErrors.

`rundir.lock` needs it before anything else is imported, so it imports next to nothing.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False  # typing itself takes longer to import than all that is here
if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
TRIES = 100
"""How often others may remove what we are about to use, before something else must be wrong."""


def make_folders(path: str | Path) -> None:
    """Create `path` and its missing parents, durable."""
    for last in range(TRIES, -1, -1):
        try:
            _make_folders(os.fspath(path))
        except FileNotFoundError:  # one of them was empty, and `rundir.lock` has just removed it
            if not last:
                raise
        else:
            return


def _make_folders(path: str) -> None:
    missing = []
    while path and not os.path.exists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder, FOLDER_MODE)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise
        os.chmod(folder, FOLDER_MODE)
        sync_folder(os.path.dirname(folder) or ".")


def open_file(path: str | Path, flags: int) -> int:
    """A descriptor of a file, by whose mode nobody else can read it."""
    handle = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    found = os.fstat(handle)
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    if ours and stat.S_IMODE(found.st_mode) != FILE_MODE:
        os.fchmod(handle, FILE_MODE)
    return handle


def sync_folder(folder: str | Path) -> None:
    """Make the folder's entries durable: a rename is only safe once this returns."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fault_of_folder(path: str | Path) -> str:
    """Why `path` is no folder of ours, or "". Whoever made the folder above may have put anything there. What is
    not there at all has no fault."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    return "" if stat.S_ISDIR(found.st_mode) else "is not a folder"
