"""Where specs go when they are through: `done/`, or `failed/` with the reason beside them. Over nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from batchrun.errors import CannotCreate
from batchrun.fs.files import disk_error, put_away
from batchrun.model import Signature
from batchrun.specnames import DONE, FAILED
from batchrun.watch.notes import Notes

ERROR = ".error.txt"
LONGEST = 255
"""Bytes that a file's name may have (NAME_MAX)."""


def move_done(folder: Path, name: str, expected: Signature, notes: Notes) -> Path | None:
    """Put a finished spec away; None when it is not the one that was run, and so has to be looked at again."""
    with notes.moving():
        target = _free(_made(folder / DONE), name)
        return target if put_away(folder / name, target, expected) else None


def move_failed(folder: Path, name: str, expected: Signature, notes: Notes, why: str) -> Path | None:
    """The same for a broken one, with `why` in a file of its own: written first, as nothing is put away without
    its reason."""
    with notes.moving():
        target = _free(_made(folder / FAILED), name, room=len(ERROR))
        error = write_error(target, why)
        moved = False
        try:
            moved = put_away(folder / name, target, expected)
        finally:
            if not moved:
                drop_error(error, why)
        return target if moved else None


def write_error(spec: Path, why: str) -> Path:
    """Leave `why` beside `spec`, under a name that is free. Raises DiskError."""
    path = _free(spec.parent, spec.name + ERROR)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        raise disk_error(error, path, "write") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(why.encode("utf-8", "replace"))
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise disk_error(error, path, "write") from error
    return path


def drop_error(path: Path, told: str) -> None:
    """Take away an error file that no longer holds, if it still says what we wrote."""
    with suppress(OSError):
        if not path.is_symlink() and path.read_bytes() == told.encode("utf-8", "replace"):
            path.unlink()


def _made(folder: Path) -> Path:
    """Raises CannotCreate for what is no folder of ours to put things into."""
    try:
        folder.mkdir(exist_ok=True)
        usable = not folder.is_symlink()
    except OSError as error:
        raise CannotCreate(f"cannot create the folder {folder}: {error.strerror}") from error
    if not usable:
        raise CannotCreate(f"{folder} is a link; specs are put away only in a folder", hint="move it away")
    return folder


def _free(folder: Path, name: str, room: int = 0) -> Path:
    """The first of `labels.yaml`, `labels-2.yaml`, … for which nothing is there, and no error file either; cut
    to leave `room` for as many bytes more."""
    for candidate in _numbered(name, LONGEST - room):
        taken = (folder / candidate, folder / (candidate + ERROR))
        if not any(os.path.lexists(path) for path in taken):
            return folder / candidate
    raise AssertionError("numbers do not end")


def _numbered(name: str, longest: int) -> Iterator[str]:
    stem, dot, suffix = name.removesuffix(ERROR).rpartition(".")
    stem, ending = (stem, dot + suffix) if stem else (suffix, "")
    ending += ERROR if name.endswith(ERROR) else ""
    yield _fitting(stem, ending, longest)
    yield from (_fitting(stem, f"-{number}{ending}", longest) for number in count(2))


def _fitting(stem: str, ending: str, longest: int) -> str:
    while len(os.fsencode(stem + ending)) > longest and len(stem) > 1:
        stem = stem[:-1]
    return stem + ending


def error_text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
