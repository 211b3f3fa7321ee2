"""The values batchrun thinks in. Frozen, without I/O; the words are those of ARCHITECTURE.md's glossary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


# ---- the spec ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: line and column count from 1; 0 where there is none."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Template:
    """A string of the request: a template over the row (often without any placeholder)."""

    source: str
    place: Place


@dataclass(frozen=True, slots=True)
class FromRow:
    """`{$row: column}`: the row's own typed value."""

    column: str
    place: Place


@dataclass(frozen=True, slots=True)
class FromFile:
    """`{$base64: path}`: a binary file, base64-encoded; the path is a template over the row."""

    path: Template


Node: TypeAlias = (
    "bool | int | float | Template | FromRow | FromFile | tuple[Node, ...] | Mapping[str, Node] | None"
)


class InputFormat(StrEnum):
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    TEXT = "text"
    PARQUET = "parquet"
    REQUESTS = "requests"


class OutputFormat(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """`paths` are as written: relative to the job's root, globs allowed. `id` names the id column."""

    paths: tuple[str, ...]
    place: Place
    format: InputFormat | None = None
    id: str | None = None
    delimiter: str | None = None


REHEARSAL = ".sandbox"
"""Ends the stem of what a rehearsal writes: `out/a.jsonl` → `out/a.sandbox.jsonl`."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """`path` is absolute and inside the jail; `columns` are templates over the output record."""

    path: Path
    format: OutputFormat
    include_input: bool = False
    columns: Mapping[str, Template] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """`batch_requests` and `batch_bytes` cut shards; their defaults are design §3's."""

    max_cost_usd: float | None = None
    max_in_flight: int | None = None
    batch_requests: int = 100_000
    batch_bytes: int = 240_000_000
    max_cost_from: str = "limits.max_cost_usd"
    """What sets the budget: the spec's key, or the operator's."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `reconcile_*`: how many clean listings, over how long, prove that nothing was created; and the
    least time between two of them."""

    poll_interval: float = 60.0
    poll_timeout: float = 25 * 3600.0
    reconcile_listings: int = 3
    reconcile_over: float = 900.0
    reconcile_gap: float = 0.0


class Moment(StrEnum):
    """When a hook is called: how a pass over a job ended, as its exit code says it."""

    DONE = "done"  # 0
    ROWS_FAILED = "rows_failed"  # 3
    NEEDS_PERSON = "needs_person"  # 4
    FAILED = "failed"  # 65, 66, 73, 74, 77, 78


@dataclass(frozen=True, slots=True)
class Hook:
    """A command to run or a URL to post to, never both. `where` is the file:line:col that says so; a command
    runs in `folder`. `operators`: it comes from batchrun.toml, not from a spec."""

    run: tuple[str, ...] = ()
    post: str = ""
    where: str = ""
    folder: Path = Path()
    operators: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What one spec file asks for. `request` is None where the input holds ready-made request lines."""

    name: str
    spec: Path
    root: Path
    roots: tuple[Path, ...]
    input: InputSpec
    request: Mapping[str, Node] | None
    output: OutputSpec
    samples: int = 1
    betas: tuple[str, ...] = ()
    api_version: str = "2023-06-01"
    limits: Limits = field(default_factory=Limits)
    max_attempts: int = 3
    timing: Timing = field(default_factory=Timing)
    on: Mapping[Moment, tuple[Hook, ...]] = field(default_factory=dict)
    files: tuple[FileFact, ...] = ()
    """The spec and every `$file` as they were read, absolute: what a change of the spec can be seen by."""


# ---- rows and requests -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One input record. `number` counts from 1 over all files; `where` is `file:line` for messages."""

    number: int
    id: str
    values: Mapping[str, Json]
    where: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a table that follow each other, all of them text, column by column.

    `cells` holds all cells of each column as UTF-8, NUL between them. `first` is the number of the first row,
    which begins on `line` of `source`.
    """

    first: int
    ids: Sequence[str]
    cells: Mapping[str, bytes]
    source: str
    line: int

    def texts(self, column: str) -> list[str]:
        return self.cells[column].decode().split("\0")

    def parts(self, count: int) -> Iterator[Slice]:
        """The same, at most `count` rows at a time."""
        if len(self.ids) <= count:
            yield self
            return
        line = self.line
        cells = [column.split(b"\0") for column in self.cells.values()]
        for start in range(0, len(self.ids), count):
            stop = start + count
            part = [b"\0".join(column[start:stop]) for column in cells]
            ids = self.ids[start:stop]
            yield Slice(self.first + start, ids, dict(zip(self.cells, part, strict=True)), self.source, line)
            line += len(ids) + sum(column.count(b"\n") for column in part)

    def rows(self) -> Iterator[Row]:
        """The same, one by one."""
        line = self.line
        table = zip(*map(self.texts, self.cells), strict=True)
        for number, (id, values) in enumerate(zip(self.ids, table, strict=True), self.first):
            yield Row(number, id, dict(zip(self.cells, values, strict=True)), f"{self.source}:{line}")
            line += 1 + sum(value.count("\n") for value in values)


@dataclass(frozen=True, slots=True)
class FileFact:
    """What we knew of a file when we read it whole: enough to see later that it changed."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


Signature = tuple[int, int, int]
"""Inode, size and time in ns of a file: edited or replaced, it shows in one of them."""


# ---- what the API owns -------------------------------------------------------------------------


class ProcessingStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class RequestCounts:
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


@dataclass(frozen=True, slots=True)
class Batch:
    """The API's batch object (api-facts §2.7). `processing_status` is a plain string where the
    API says a word we do not know; `raw` is the object as it came."""

    id: str
    processing_status: ProcessingStatus | str
    request_counts: RequestCounts
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    cancel_initiated_at: datetime | None = None
    archived_at: datetime | None = None
    results_url: str | None = None
    raw: Mapping[str, Json] = field(default_factory=dict, compare=False, repr=False)

    @property
    def ended(self) -> bool:
        return self.processing_status == ProcessingStatus.ENDED

    @property
    def size(self) -> int | None:
        """How many requests it has; None where its counts do not tell. A batch that runs has requests that are
        processing (api-facts §2.7), and none has none: gateways are known that count when it has ended."""
        counts = self.request_counts
        return counts.total if counts.processing or (self.ended and counts.total) else None


@dataclass(frozen=True, slots=True)
class BatchPage:
    data: tuple[Batch, ...]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ResultType(StrEnum):
    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RequestError:
    """Why one request failed: the inner error of the envelope (api-facts §2.8)."""

    type: str
    message: str
    request_id: str | None = None


class Result(NamedTuple):
    """One line that came back. `message` is the API's Message object, only on `succeeded`. A tuple, as there is
    one for every row: a frozen dataclass takes twice as long to make."""

    custom_id: str
    type: ResultType
    message: Mapping[str, Json] | None = None
    error: RequestError | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as billed. `input_tokens` leaves out cache reads and writes (api-facts §2.9)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.cache_read + other.cache_read,
        )
