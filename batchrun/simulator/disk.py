"""What several processes share through the state folder: locks and lines appended for good."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from batchrun.fs.files import CHUNK
from batchrun.fs.permissions import open_file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` against other threads and processes; the kernel frees it on a crash."""
    handle = open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def create(path: Path) -> BinaryIO:
    """A new file for its owner only, whatever stood there before."""
    handle = open_file(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    return os.fdopen(handle, "w+b", buffering=CHUNK)


def append(path: Path, line: bytes, *, durable: bool) -> None:
    """Add a line in one write, so that lines of several processes never mix."""
    handle = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(handle, line + b"\n")
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
