"""What somebody may have meant who named a spec that is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from batchrun.specnames import is_spec

SHOWN = 5


def instead(folder: Path, name: str = "") -> str:
    """A hint: the spec of `folder` whose name is near `name`, or those that there are. An unreadable folder
    counts as empty."""
    there = sorted(_specs(folder))
    for wanted in (name, f"{name}.yaml") if name else ():
        if near := get_close_matches(wanted, there, n=1):
            return f"did you mean {folder / near[0]}?"
    if not there:
        return "`batchrun init` writes one to start from"
    more = f", and {len(there) - SHOWN:,} more" if len(there) > SHOWN else ""
    return f"name the spec: {', '.join(str(folder / name) for name in there[:SHOWN])}{more}"


def _specs(folder: Path) -> Iterator[str]:
    # What a listing tells is enough: a watcher that asks may have thousands.
    with suppress(OSError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if is_spec(entry.name) and entry.is_file())
