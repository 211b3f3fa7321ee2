"""The other jobs of a folder, as far as the guards ask about them, without reading a thousand states each time.

A state file is replaced whenever it changes, so inode, size and time tell which ones an index still describes;
all others are read. The index is a convenience: lost, damaged or old, it is made again from the states.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.errors import BatchrunError
from batchrun.fs.confine import open_regular
from batchrun.fs.files import signature, write_volatile
from batchrun.lifecycle import phases, state
from batchrun.lifecycle.state import Phase, RunState
from batchrun.model import FileFact

INDEX = "@index.json"
VERSION = 2
STALE = 8
"""So many states read anew are worth writing the index again."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a job's state says about who it is and what is its own."""

    job: str
    spec: str
    began: bool
    under_way: bool
    asks: dict[str, str] | None
    """The digests of its request's parts (`Expansion.parts`); None where nothing was expanded yet."""
    input_paths: tuple[str, ...]
    written: FileFact | None
    batches: tuple[str, ...]
    """The batches that are proven to be its own."""
    asked: FileFact | None = None
    """Its spec, as it was when its rows were last read."""
    settings: str = ""
    """`Expansion.settings`."""
    outrun: bool = False
    """Whether it has answers that its rows do not ask for any more, and what they ask is not all sent yet."""


def neighbours(runs: Path, *, leaving_out: str) -> Iterator[Neighbour]:
    """The jobs with a state in the folder `runs` that can be read, by name, but for one."""
    known = _load(runs / INDEX)
    entries, read = {}, 0
    for job, mark in _states(runs):
        entry = known.get(job)
        if entry is None or entry[0] != mark:
            entry, read = [mark, _read(runs / job / "state.json")], read + 1
        entries[job] = entry
    if read >= STALE:
        _save(runs / INDEX, entries)
    for job, (_, values) in sorted(entries.items()):
        if values is not None and job != leaving_out:
            yield _decoded(values)


def _states(runs: Path) -> Iterator[tuple[str, list[int]]]:
    try:
        folders = [entry for entry in os.scandir(runs) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for folder in folders:
        with suppress(OSError):
            found = os.stat(f"{folder.path}/state.json", follow_symlinks=False)  # noqa: PTH116 (a thousand times)
            yield folder.name, [*signature(found)]


def _read(path: Path) -> list[Any] | None:
    """What the index keeps of a state; None for one that cannot be read."""
    with suppress(OSError, BatchrunError):
        with open_regular(path) as stream:
            data = stream.read()
        return _encoded(state.loads(data, where=str(path)))
    return None


def _encoded(found: RunState) -> list[Any]:
    last, written = found.expansion, found.written
    return [
        found.job,
        found.spec,
        phases.began(found),
        phases.under_way(found),
        None if last is None else dict(last.parts),
        list(last.input_paths) if last else [],
        written and _listed(written),
        [s.batch.id for s in found.shards if s.batch and not s.batch.provisional],
        next((_listed(fact) for fact in last.spec_files if fact.path == found.spec), None) if last else None,
        last.settings if last else "",
        _outrun(found),
    ]


def _outrun(found: RunState) -> bool:
    """By the numbers; rows that were tried again make it so, too."""
    planned = sum(s.requests for s in found.shards if s.phase is Phase.PLANNED)
    asked = found.expansion.requests if found.expansion else 0
    return planned > 0 and sum(s.requests for s in phases.live(found.shards)) > asked - planned


def _listed(fact: FileFact) -> list[str | int]:
    return [fact.path, fact.size, fact.mtime_ns, fact.sha256]


def _decoded(values: list[Any]) -> Neighbour:
    job, spec, began, under_way, asks, inputs, written, batches, asked, settings, outrun = values
    return Neighbour(
        *(job, spec, began, under_way, asks, tuple(inputs)),
        FileFact(*written) if written else None,
        tuple(batches),
        FileFact(*asked) if asked else None,
        settings,
        outrun,
    )


def _load(path: Path) -> dict[str, list[Any]]:
    with suppress(OSError, BatchrunError, ValueError, KeyError):
        with open_regular(path) as stream:
            index = orjson.loads(stream.read())
        if isinstance(index, dict) and index.get("version") == VERSION:
            return dict(index["states"])
    return {}


def _save(path: Path, entries: dict[str, list[Any]]) -> None:
    with suppress(BatchrunError):  # a full disk: the next one reads the states again
        write_volatile(path, jsonbytes.dumps({"version": VERSION, "states": entries}))
