"""What a worker is told to do, and what it tells: plain values that cross the border between processes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batchrun.config.values import Config
from batchrun.errors import ExitCode
from batchrun.specnames import PATTERNS


class Standing(StrEnum):
    """How a pass left a spec."""

    DONE = "done"  # the answer is there, whatever became of single rows
    RUNNING = "running"  # there is more to do, later
    WAITING = "waiting"  # its data has not arrived
    UNSETTLED = "unsettled"  # its data is still being written
    NEEDS_PERSON = "needs_person"
    BROKEN = "broken"  # nothing can come of it until somebody edits it
    DUPLICATE = "duplicate"  # another file of the folder says the same, and its job is not done
    TROUBLE = "trouble"  # the key, the API, the disk: no fault of the spec
    LOCKED = "locked"  # another process has it
    STOPPED = "stopped"  # a signal
    CRASHED = "crashed"  # the worker died, or a bug in batchrun
    GONE = "gone"  # the spec is not there any more


@dataclass(frozen=True, slots=True)
class Order:
    """One pass over one spec. `spec` is its path as the operator sees it; `job` its name if it names none."""

    spec: Path
    job: str
    sandbox: bool = False
    roots: tuple[Path, ...] = ()
    config: Config | None = None
    watched: bool = False
    """Whether the spec was dropped here, and nobody named it."""
    yes: bool = False
    """A first spend is allowed although the spec sets no budget."""
    settle: float = 2.0
    """Seconds for which the data must have held still."""
    still: tuple[Seen, ...] = ()
    """Data files that were seen to hold still, whatever their times say."""
    patience: bool = True
    """Whether data that is not there may still arrive."""
    memory: int = 0
    """The most address space the worker may take, in bytes; 0 for no limit."""
    gone: bool = False
    """Whether the spec is not there any more, though answers of its job are still to come."""
    known: tuple[str, ...] = ()
    """The problems that the last pass found in the spec as it is: hooks were told of these."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that a job depends on, as it was when the pass began; `path` is absolute."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of a pass. Times are seconds since the epoch."""

    standing: Standing
    code: int
    job: str
    lines: tuple[str, ...] = ()
    """What a terminal would show: problems, or what needs a person."""
    summary: str = ""
    """The one line that says how it stands."""
    due: float | None = None
    """When there is something to do next, as far as the job itself knows."""
    inputs: tuple[str, ...] = ()
    """The paths of the spec's input, as written."""
    data: tuple[Seen, ...] = ()
    """The files that these come to."""
    files: tuple[Seen, ...] = ()
    """The other files that the spec reads."""
    state: tuple[int, ...] = ()
    """The signature of the state file."""
    output: str = ""
    changed: bool = False
    """Whether it wrote an answer."""
    troubled: bool = False
    """Whether the API put it off or was not there."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept of a spec between passes. `signature` is the spec's when the pass began."""

    signature: tuple[int, ...]
    at: float
    passed: Passed
    since: float = 0.0
    """Since when it waits for its data."""
    tries: int = 0
    """Passes in a row that came to nothing for no fault of the spec."""
    terms: str = ""
    """What the operator allowed in that pass, as `due.terms` puts it."""
    told: str = ""
    """A digest of what was last told about it."""
    told_at: float = 0.0
    error_file: str = ""
    error_text: str = ""
    """The `.error.txt` that stands beside it, in place, and what it says."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the operator wants it. Durations in seconds."""

    match: tuple[str, ...] = PATTERNS
    settle: float = 2.0
    data_wait: float = 3600.0
    rescan: float = 10.0
    in_place: bool = False
    workers: int = 4
    polls_per_minute: float = 600.0
    time_limit: float = 1800.0
    """A worker that has told nothing for so long is stopped."""
    memory: int = 4_000_000_000
    sandbox: bool = False
    roots: tuple[Path, ...] = ()
    config: Config | None = None
    watched: bool = False
    """Whether specs are dropped here by others."""
    yes: bool = False
    events: str = "native"
    """What nudges between two scans: native, polling or none."""


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened, told once. `what` is a Standing or a word of the loop's own."""

    what: str
    text: str
    folder: str = ""
    spec: str = ""
    job: str = ""
    code: int = ExitCode.OK
    lines: tuple[str, ...] = ()
    output: str = ""
    moved_to: str = ""
