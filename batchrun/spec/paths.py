"""Where a spec's paths may lead: inside the jail, and the output away from all that is read."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from batchrun.errors import DataError
from batchrun.fs.confine import confine
from batchrun.spec.faults import Faults, Steps

_MARKS = "*?["


def check_input_paths(
    paths: Sequence[tuple[Steps, str]], faults: Faults, root: Path, roots: Sequence[Path]
) -> None:
    """Tell of paths that lead outside. Whether they lead to anything is seen when they are read."""
    for steps, text in paths:
        _confined(text, steps, faults, root, roots)


def check_output_path(
    text: str,
    faults: Faults,
    root: Path,
    roots: Sequence[Path],
    taken: Sequence[tuple[Path, str]],
    inputs: Sequence[str],
) -> Path:
    """The output's absolute path. Tells of one that would overwrite what is read."""
    try:
        return output_path(text, root, roots, taken, inputs)
    except DataError as error:
        faults.at_value(("output", "path"), str(error), error.hint)
        return root / text


def output_path(
    text: str, root: Path, roots: Sequence[Path], taken: Sequence[tuple[Path, str]], inputs: Sequence[str]
) -> Path:
    """`text` as an absolute path. Raises DataError for one that leads outside, or would overwrite what is read."""
    path = confine(text, root=root, roots=roots)
    hint = "answers need a file of their own"
    try:
        folder = path.is_dir()
    except OSError as error:
        raise DataError(f"cannot be used: {error.strerror}", hint="name another file") from error
    if folder:
        raise DataError("is a folder", hint="name a file in it")
    if what := next((what for file, what in taken if file == path), None):
        raise DataError(f"is {what}", hint=hint)
    if pattern := next((p for p in inputs if _covers(p, path, root, roots)), None):
        raise DataError(f"is among the input ({pattern})", hint=hint)
    return path


def _confined(text: str, steps: Steps, faults: Faults, root: Path, roots: Sequence[Path]) -> Path | None:
    try:
        return confine(text, root=root, roots=roots)
    except DataError as error:
        faults.at_value(steps, str(error), error.hint)
        return None


def _covers(pattern: str, path: Path, root: Path, roots: Sequence[Path]) -> bool:
    """Whether an input names `path`, the folder it is in, or matches it."""
    parts = PurePath(pattern).parts
    # What stands before the first wildcard is a folder's own name, whatever characters are in it.
    fixed = next((i for i, part in enumerate(parts) if any(mark in part for mark in _MARKS)), len(parts))
    try:
        whole = confine(pattern, root=root, roots=roots)
        base = confine(str(PurePath(*parts[:fixed])), root=root, roots=roots)
    except DataError:
        return False
    if path == whole or path.parent == whole:
        return True
    return path.is_relative_to(base) and _matches(path.relative_to(base).parts, parts[fixed:])


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """As `Path.glob`: `**` is any number of folders, every other part is one name."""
    reached = {0}  # how many parts what came so far of the pattern can have taken
    for name in pattern:
        if name == "**":
            reached = set(range(min(reached), len(parts))) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], name)}
    return len(parts) in reached
