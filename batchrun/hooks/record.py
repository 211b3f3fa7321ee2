"""What hooks were told of, beside the state: `.batchrun/<job>/hooks.json`.

Not in state.json: a hook is no fact about the job, and telling must never stand in the way of saving one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from batchrun import jsonbytes
from batchrun.codec import decode, encode
from batchrun.errors import BatchrunError
from batchrun.fs.confine import open_regular
from batchrun.fs.files import write_atomic

_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """`happening` is the id of the last one that was told of; "" while there is one to come. `pending`: hooks
    that were not reached yet, with the times they were tried."""

    happening: str = ""
    pending: Mapping[str, int] = field(default_factory=dict)
    version: int = 1


def load(path: Path) -> Record | None:
    """None where no hook was ever meant to be called. A damaged record counts as a new one: rather twice than
    never."""
    if not path.exists():
        return None
    with suppress(BatchrunError, OSError, ValueError), open_regular(path) as stream:
        return decode(Record, orjson.loads(stream.read(_MAX)))
    return Record()


def save(path: Path, record: Record) -> None:
    """Raises DiskError."""
    write_atomic(path, jsonbytes.dumps(encode(record), option=orjson.OPT_APPEND_NEWLINE))
