"""The table, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.suite import Line, Note

_ROW = "{:<29} {:>8} {:>8} {:>4}  {:<26} {:>8} {:>8} {:>4}  {:>6} {:>6} {:>5} {}"
HEAD = _ROW.format(
    "stage", "seconds", "CPU", "MB", "beside", "seconds", "CPU", "MB", "wall ×", "CPU ×", "goal", ""
)


def text(found: Iterable[Line | Note]) -> Iterator[str]:
    """Line by line, as things are measured."""
    yield HEAD
    for entry in found:
        yield _shown(entry) if isinstance(entry, Line) else f"{'':<4}{entry.text}"
    yield "*: the ratio that the goal is for; slower: it is above that"


def _shown(line: Line) -> str:
    ours, theirs = line.ours, line.theirs
    return _ROW.format(
        line.stage,
        f"{ours.seconds:.3f}",
        f"{ours.cpu:.3f}",
        f"{ours.peak / 1e6:.0f}",
        line.floor,
        f"{theirs.seconds:.3f}",
        f"{theirs.cpu:.3f}",
        f"{theirs.peak / 1e6:.0f}",
        f"{line.wall:.2f}" + "*" * line.waits,
        f"{line.cpu:.2f}" + "*" * (not line.waits),
        f"{line.goal:.3g}",
        _verdict(line),
    ).rstrip()


def _verdict(line: Line) -> str:
    words = []
    if line.ratio > line.goal:
        words.append("slower")
    if line.peak_goal is not None and line.ours.peak > line.peak_goal:
        words.append(f"over {line.peak_goal / 1e6:.0f} MB")
    return ", ".join(words)


def plain(entry: Line | Note) -> dict[str, Any]:
    """An entry for programs."""
    fields = asdict(entry)
    return {**fields, "ratio": round(entry.ratio, 3)} if isinstance(entry, Line) else fields
