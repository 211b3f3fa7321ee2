"""Counting trials: what docs/reliability.md states comes from here.

    with tally("SIGKILL at every line, one shard") as campaign:
        for line in lines:
            with campaign.trial(f"line {line}"):
                …

A trial that fails is counted and told of at the end; the others go on. `make crash` gathers the counts of all
campaigns, of all worker processes, in one file and prints them as a table.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import orjson

SHOWN = 5


class Tally(Protocol):
    """The fixture `tally`: begins a campaign, or one slice of it. Slices of one name are added up."""

    def __call__(self, name: str) -> Campaign: ...


class Campaign:
    def __init__(self, name: str, report: Path | None = None) -> None:
        self.name, self.report = name, report
        self.trials = 0
        self.failures: list[str] = []

    @contextmanager
    def trial(self, name: str = "") -> Iterator[None]:
        self.trials += 1
        try:
            yield
        except AssertionError as error:
            self.failures.append(f"{name or self.trials}: {error}")

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.report is not None:
            entry = {
                "campaign": self.name,
                "trials": self.trials,
                "failures": len(self.failures) + (kind is not None),
                "seconds": round(time.monotonic() - self._began, 1),
            }
            _append(self.report, orjson.dumps(entry) + b"\n")
        if error is None:
            assert self.trials, f"{self.name}: there was nothing to try"
            assert not self.failures, self._told()

    def _told(self) -> str:
        shown = "\n\n".join(self.failures[:SHOWN])
        return f"{self.name}: {len(self.failures)} of {self.trials} trials failed\n\n{shown}"


def _append(path: Path, line: bytes) -> None:
    """In one write: several workers share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def table(report: Path) -> list[str]:
    """The counts as lines of a Markdown table, campaigns in the order of their names."""
    sums: dict[str, list[float]] = {}
    for line in report.read_bytes().splitlines() if report.exists() else ():
        entry = orjson.loads(line)
        counts = sums.setdefault(entry["campaign"], [0, 0, 0])
        for place, name in enumerate(("trials", "failures", "seconds")):
            counts[place] += entry[name]
    if not sums:
        return []
    rows = [(name, *sums[name]) for name in sorted(sums)]
    rows.append(("all", *map(sum, zip(*sums.values(), strict=True))))
    return ["| Campaign | Trials | Failures | Seconds |", "| --- | ---: | ---: | ---: |", *map(_row, rows)]


def _row(row: Sequence[object]) -> str:
    name, trials, failures, seconds = row
    return f"| {name} | {trials:,} | {failures:,} | {seconds:,.0f} |"


PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_PLACE = re.compile(r"(<!-- counts: [^\n]* -->\n).*?(<!-- end -->)", re.DOTALL)


def publish(report: Path, page: Path) -> None:
    """Put the counts of a report into the page."""
    lines = "\n".join(table(report))
    page.write_text(_PLACE.sub(lambda found: f"{found[1]}\n{lines}\n\n{found[2]}", page.read_text()))


if __name__ == "__main__":
    publish(Path(sys.argv[1]), PAGE)
