"""The table, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.suite import Line, Note

_ROW = "{:<30} {:>9} {:>7}  {:<26} {:>9} {:>7}  {:>7} {:>7} {}"
HEAD = _ROW.format("stage", "seconds", "MB", "floor", "seconds", "MB", "ratio", "goal", "")


def text(found: Iterable[Line | Note]) -> Iterator[str]:
    """Line by line, as things are measured."""
    yield HEAD
    for entry in found:
        yield _shown(entry) if isinstance(entry, Line) else f"{'':<4}{entry.text}"


def _shown(line: Line) -> str:
    ours, theirs = line.ours, line.theirs
    return _ROW.format(
        line.stage,
        f"{ours.seconds:.3f}",
        f"{ours.peak / 1e6:.0f}",
        line.floor,
        f"{theirs.seconds:.3f}",
        f"{theirs.peak / 1e6:.0f}",
        f"{line.ratio:.2f}",
        f"{line.goal:g}",
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
