"""A folder as it is: which of its files are specs. The truth; events only say when to look."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchrun.fs.files import signature
from batchrun.model import Signature
from batchrun.specnames import is_spec

ABSENT: Signature = (0, 0, 0)
"""Stands for a spec that is not there any more, though answers of its job are still to come."""


@dataclass(frozen=True, slots=True)
class Scan:
    """`specs` may be run once they hold still; `refused` are those that may not, with the reason."""

    specs: dict[str, Signature] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def scan(folder: Path, patterns: Sequence[str], only: frozenset[str] | None = None) -> Scan:
    """What stands in `folder`, not below it; with `only`, of these names. Raises OSError when it is not there."""
    found = Scan()
    with os.scandir(folder) as entries:
        for entry in entries:
            wanted = entry.name in only if only is not None else is_spec(entry.name, patterns)
            if wanted:
                _look(entry, folder, found)
    return found


def _look(entry: os.DirEntry[str], folder: Path, found: Scan) -> None:
    try:
        about = entry.stat()
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(folder.resolve()):
            found.refused[entry.name] = "a link that leads out of the folder"
        elif not stat.S_ISREG(about.st_mode):
            if not stat.S_ISDIR(about.st_mode):
                found.refused[entry.name] = "not a regular file"
        elif about.st_size:  # an empty one is about to be written
            found.specs[entry.name] = signature(about)
    except OSError as error:
        if entry.is_symlink():
            found.refused[entry.name] = f"a link that cannot be followed: {error.strerror}"
        # Else it went away meanwhile.
