"""Are the files that a job was made of what they were? By size and time: none of them is opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from batchrun.errors import MissingInput
from batchrun.fs import files
from batchrun.inputs.find import find
from batchrun.lifecycle.state import Expansion
from batchrun.model import FileFact, InputSpec, Place


def untouched(expansion: Expansion, root: Path, roots: tuple[Path, ...], spec: Path) -> bool:
    """Whether spec and data are, by size and time, the files that were read then. Opens none of them."""
    if expansion.media:
        return False
    source = InputSpec(expansion.input_paths, Place(str(spec)))
    try:
        inputs = [name_in(found.path, root) for found in find(source, root=root, roots=roots)]
    except MissingInput:
        return False
    if inputs != [fact.path for fact in expansion.inputs]:
        return False
    return all(unchanged(fact, root) for fact in (*expansion.spec_files, *expansion.inputs))


def unchanged(fact: FileFact, root: Path) -> bool:
    """Whether the file has the size and the time it had."""
    return files.unchanged(root / fact.path, fact.size, fact.mtime_ns)


def name_in(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def relative(fact: FileFact, root: Path) -> FileFact:
    """The fact with its path seen from `root`, where it lies below: the folder may move."""
    return replace(fact, path=name_in(Path(fact.path), root))


def is_at(path: Path, fact: FileFact | None, root: Path) -> bool:
    """Whether the file at `path` is the very one that `fact` tells of: a fact of another place says nothing."""
    return seen_at(path, fact, root) is not None


def seen_at(path: Path, fact: FileFact | None, root: Path) -> FileFact | None:
    """`fact` with today's time, if `is_at`; else None."""
    if fact is None or root / fact.path != path or not path.is_file():
        return None
    if unchanged(fact, root):
        return fact
    now = relative(files.file_fact(path), root)
    return now if now.sha256 == fact.sha256 else None
