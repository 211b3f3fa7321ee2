"""`make bench`: measure everything, print the table as it grows."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson

from benchmarks import suite, table
from benchmarks.suite import Line, Note, Plan


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=positive_number, default=100_000)
    parser.add_argument("--runs", type=positive_number, default=3, help="how often each thing is measured")
    parser.add_argument("--shard-mb", type=float, default=240.0, help="size of the shard that is submitted")
    parser.add_argument(
        "--jobs", type=positive_number, default=1_000, help="how many idle jobs a tick looks at"
    )
    parser.add_argument("--million", action="store_true", help="the growth to ten times the rows, too")
    parser.add_argument("--only", choices=suite.PARTS, action="append", help="only this part")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="batchrun-bench-") as place:
        plan = Plan(Path(place), asked.rows, asked.runs, int(asked.shard_mb * 1e6), asked.jobs)
        parts = asked.only or [name for name in suite.PARTS if name != "growth" or asked.million]
        entries: list[Line | Note] = []
        print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {asked.rows:,} rows", flush=True)
        for line in table.text(_kept(suite.measure(plan, parts), entries)):
            print(line, flush=True)
    if asked.json:
        asked.json.write_bytes(orjson.dumps([table.plain(e) for e in entries], option=orjson.OPT_INDENT_2))


def positive_number(text: str) -> int:
    if not (number := int(text)) > 0:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _kept(found: Iterator[Line | Note], entries: list[Line | Note]) -> Iterator[Line | Note]:
    for entry in found:
        entries.append(entry)
        yield entry


if __name__ == "__main__":
    main()
