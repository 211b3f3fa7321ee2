"""What we know of one job's run, and how it stands in `state.json`. Facts only; summaries are derived.

Times are seconds since the epoch by our own clock, or datetimes where the API said them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.codec import decode, encode
from batchrun.cost.amounts import Estimate, Price, Summary, Tally
from batchrun.errors import ConfigError
from batchrun.model import FileFact, OutputFormat, RequestCounts

VERSION = 1


class Phase(StrEnum):
    """Where we are with a shard; where the API is stands in `SentBatch.processing_status`."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    ENDED = "ended"
    FETCHED = "fetched"
    REFUSED = "refused"
    HELD = "held"


ACTIVE = (Phase.SUBMITTING, Phase.SUBMITTED, Phase.ENDED)
"""Phases of a shard that was sent, or may have been, and whose answers are still to come."""


class Reason(StrEnum):
    """Why a shard is `refused` or `held`, or its batch out of sight."""

    REJECTED = "rejected"  # the API will not take it as it is
    TOO_LARGE = "too_large"  # 413: cut it in two
    LOST = "lost"  # clean listings prove that it was never created
    REPLACED = "replaced"  # its requests stand in newer shards
    ABANDONED = "abandoned"  # replaced although it may have been created; the user took the cost
    SEVERAL = "several"  # more than one batch may be ours
    CREDENTIAL = "credential"  # another key or workspace cannot see what was created
    RESULTS = "results"  # the results never proved complete
    FOREIGN = "foreign"  # the batch holds results that are not ours
    NOT_FOUND = "not_found"  # the API knows no such batch: not for the moment, or it was deleted


@dataclass(frozen=True, slots=True)
class Intent:
    """Written before a POST: everything that finds out afterwards what became of it (design §4)."""

    started_at: float
    server_time: datetime
    credential: str
    baseline_id: str | None = None
    baseline_created_at: datetime | None = None
    excluded: tuple[str, ...] = ()
    """Batches that are not ours: there before, or disproved by their results."""
    known_since: datetime | None = None
    """What was created since then, by the API's word, and was there before is among `excluded`."""
    clean: tuple[float, ...] = ()
    """When, by the server's clock, a listing showed no batch that could be ours."""


@dataclass(frozen=True, slots=True)
class SentBatch:
    """The batch we own, as last seen. `provisional`: adopted, not yet proven by the nonce."""

    id: str
    created_at: datetime
    expires_at: datetime
    processing_status: str
    request_counts: RequestCounts
    ended_at: datetime | None = None
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard attempt. `due` is when to look at it next; `bytes` and `sha256` are of the exact body."""

    id: str
    nonce: str
    requests: int
    bytes: int
    sha256: str
    estimate: Estimate
    attempt: int = 1
    api_version: str = "2023-06-01"
    betas: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Whom its requests ask; of a shard cut by an earlier version, not known."""
    phase: Phase = Phase.PLANNED
    reason: Reason | None = None
    detail: str = ""
    candidates: tuple[str, ...] = ()
    intent: Intent | None = None
    batch: SentBatch | None = None
    due: float = 0.0
    stuck_since: float = 0.0
    """Since when nobody answers for it, the API puts it off, or it is lost again and again; 0 while it goes on."""
    failing_since: float = 0.0
    """Since when its batch, or its results, could not be had, over all runs; 0 while they can."""
    fetch_tries: int = 0
    canceling: bool = False
    """The user asked to cancel it: rows that come back canceled are not retried."""
    tally: Tally | None = None
    results_sha256: str = ""
    """Of the file of results, as they were proven."""
    retried: bool = False
    """Its failed rows were looked at, and those worth another attempt stand in newer shards."""
    outdated: bool = False
    """No row asked for any of it when the rows were last read: should it be held, it holds nothing up."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the answer is written, as the spec said when its rows were read: a spec that is wrong or gone by now says
    nothing of it. `path` is seen from the spec's folder where it lies below; `columns` are templates by name."""

    path: str
    format: OutputFormat
    include_input: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expansion:
    """What the rows and the spec came to, and the files by which a change would be seen."""

    spec_files: tuple[FileFact, ...]
    input_paths: tuple[str, ...]
    inputs: tuple[FileFact, ...]
    rows_file: str
    rows_sha256: str
    """Of the requests' keys: what is asked, whatever else a row holds."""
    rows: int
    requests: int
    settings: str
    """A digest of the spec as loaded, without what only times or limits it."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """A digest of each top-level key of the request: says later which part was edited."""
    samples: int = 1
    rows_file_sha256: str = ""
    """Of the file itself."""
    media: bool = False
    """Rows name further files; a change of those is only seen by expanding again."""
    layout: Layout | None = None
    """None in a state that an earlier version wrote."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The answer we wrote, and what it came to."""

    output: FileFact
    all_succeeded: bool
    summary: Summary


@dataclass(frozen=True, slots=True)
class RunState:
    job: str
    spec: str
    provider: str
    origin: str
    version: int = VERSION
    revision: int = 0
    expansion: Expansion | None = None
    shards: tuple[Shard, ...] = ()
    collected: Collected | None = None
    canceled: bool = False
    written: FileFact | None = None
    """The answer file as we last wrote it; kept when the expansion changes."""
    writing: FileFact | None = None
    """The answer file that was about to take its place: should a crash have left it there, it is ours."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """What each model cost when its answers were fetched: the same results then always cost the same."""

    def shard(self, shard_id: str) -> Shard:
        """Raises KeyError."""
        for shard in self.shards:
            if shard.id == shard_id:
                return shard
        raise KeyError(shard_id)


def dumps(state: RunState) -> bytes:
    value = encode(state)
    # First, so that the line can be taken out by hand.
    value = {"checksum": _checksum(_canonical(value)), **value}
    return jsonbytes.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _canonical(value: object) -> bytes:
    """What the file says, however it is laid out."""
    return jsonbytes.dumps(value, option=orjson.OPT_SORT_KEYS)


def _checksum(canonical: bytes) -> str:
    """Against damage, not against people."""
    return hashlib.sha256(canonical).hexdigest()[:16]


def _is_whole(value: object, checksum: object) -> bool:
    """Whether the file says what was written, be it by an installation that spelled numbers otherwise."""
    canonical = _canonical(value)
    return checksum in (_checksum(canonical), _checksum(jsonbytes.before(canonical)))


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From version n to n + 1, by n."""


def loads(data: bytes, *, where: str) -> RunState:
    """Raises ConfigError when the file is damaged or newer than this version: never start afresh.

    A file without its checksum is taken as it is: a person may have mended it.
    """
    try:
        value = orjson.loads(data)
        version = value.get("version") if isinstance(value, dict) else None
        if type(version) is not int or version < 1:
            raise ValueError("it has no version")
    except ValueError as error:
        raise _damaged(where, str(error)) from None
    if version > VERSION:
        raise ConfigError(
            f"the state is of version {version}; this batchrun reads up to {VERSION}",
            where=where,
            hint="run it with the newer batchrun that wrote it",
        )
    checksum = value.pop("checksum", None)
    if checksum is not None and not _is_whole(value, checksum):
        raise ConfigError(
            "the state file is damaged, or was edited: it does not match its checksum",
            where=where,
            hint=f'{_RESTORE}\nif it was edited on purpose, remove the line "checksum" and run it again',
        )
    for step in range(version, VERSION):
        value = MIGRATIONS[step](value)
    try:
        return decode(RunState, value)
    except ValueError as error:
        raise _damaged(where, str(error)) from None


def _damaged(where: str, reason: str) -> ConfigError:
    return ConfigError(
        f"the state file is damaged: {reason}",
        where=where,
        hint=_RESTORE,
    )


_RESTORE = "nothing was submitted; restore the file from a backup: starting afresh could pay twice"
