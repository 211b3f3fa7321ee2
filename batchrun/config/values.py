"""What the operator can set: the table of keys, their kinds, and the values in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from batchrun.model import Hook, Moment

DEFAULT_BASE_URL = "https://api.anthropic.com"
CREDENTIAL = "anthropic-api-key"
"""The name under which systemd's LoadCredential= may bring the key, without another word."""


Value: TypeAlias = "bool | int | float | str | Path | tuple[Path, ...] | tuple[Hook, ...] | None"


class Kind(Enum):
    """What a key takes. The value is how messages name it."""

    TEXT = "a string"
    URL = "an https URL (or http on loopback)"
    PATH = "a path"
    PATHS = "a list of folders"
    FLAG = "true or false"
    USD = "an amount in US dollars, 0 or more"
    COUNT = "an integer of at least 1"
    WORKERS = "an integer from 1 to 64"
    DURATION = "a duration such as 90s, 15m, 25h or 1h30m"
    SIZE = "a size such as 500MB or 4GB"
    HOOKS = 'a list such as [{run = ["command", "argument"]}, {post = "https://…"}]'


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `also`: what the official client calls the variable. Lists of hooks stand in files only."""

    name: str
    kind: Kind
    about: str
    also: str = ""

    @property
    def variable(self) -> str:
        if self.kind is Kind.HOOKS:
            return ""
        return "BATCHRUN_" + self.field.upper()

    @property
    def field(self) -> str:
        return self.name.replace(".", "_")


KEYS = (
    Key("base_url", Kind.URL, "where the API is", "ANTHROPIC_BASE_URL"),
    Key("key_file", Kind.PATH, "holds the API key, readable by its owner only"),
    Key("workspace_id", Kind.TEXT, "for credentials of several workspaces", "ANTHROPIC_WORKSPACE_ID"),
    Key("roots", Kind.PATHS, "further folders that specs may use"),
    Key("allow_commands", Kind.FLAG, "whether specs that others can write may have hooks"),
    Key("budget.default_usd", Kind.USD, "the budget of a spec that sets none"),
    Key("budget.job_usd", Kind.USD, "the most a job may cost, whatever its spec says"),
    Key("poll.min_interval", Kind.DURATION, "the least time between two looks at a batch"),
    Key("poll.per_minute", Kind.COUNT, "how often watch and tick may ask how batches are, over all jobs"),
    Key("reconcile.listings", Kind.COUNT, "the least of a spec's reconcile.listings"),
    Key("reconcile.over", Kind.DURATION, "the least of a spec's reconcile.over"),
    Key("reconcile.gap", Kind.DURATION, "the least time between two such listings"),
    Key("watch.settle", Kind.DURATION, "how long a file must hold still before it counts as whole"),
    Key("watch.data_wait", Kind.DURATION, "how long a spec waits for its data"),
    Key("watch.rescan", Kind.DURATION, "the longest time between two scans of a folder"),
    Key("watch.jobs", Kind.WORKERS, "how many jobs are advanced at once"),
    Key("watch.memory", Kind.SIZE, "the most that one job's process may take"),
    Key("watch.time_limit", Kind.DURATION, "when a job's process that is silent is stopped"),
    Key("watch.shared", Kind.FLAG, "whether jobs may begin where others could move the state away"),
    Key("hooks.timeout", Kind.DURATION, "how long a hook may take"),
    Key("hooks.tries", Kind.COUNT, "how many runs try a hook that fails"),
    Key("hooks.secret_file", Kind.PATH, "signs what is posted (HMAC-SHA256)"),
    Key("hooks.keep_key", Kind.FLAG, "whether commands see the API key"),
    Key("on.done", Kind.HOOKS, "when every row has its answer"),
    Key("on.rows_failed", Kind.HOOKS, "when it is finished, but some rows did not succeed"),
    Key("on.needs_person", Kind.HOOKS, "when a person must decide"),
    Key("on.failed", Kind.HOOKS, "when it cannot go on"),
)


class SpecHooks(Enum):
    """Which specs may have hooks of their own."""

    ANY = "any"
    OWN = "own"  # that nobody else can have written
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force. Fields are named as the keys, with '_' for '.'; durations are seconds, sizes bytes.

    `origins` tells of each key where its value was set: `file:line:col`, a variable, or nothing for a default.
    """

    base_url: str = DEFAULT_BASE_URL
    key_file: Path | None = None
    workspace_id: str = ""
    roots: tuple[Path, ...] = ()
    allow_commands: bool = False
    budget_default_usd: float | None = None
    budget_job_usd: float | None = None
    poll_min_interval: float = 0.0
    poll_per_minute: int = 600
    reconcile_listings: int = 2
    reconcile_over: float = 10.0
    reconcile_gap: float = 2.0
    watch_settle: float = 2.0
    watch_data_wait: float = 3600.0
    watch_rescan: float = 10.0
    watch_jobs: int = 4
    watch_memory: int = 4_000_000_000
    watch_time_limit: float = 1800.0
    watch_shared: bool = False
    hooks_timeout: float = 30.0
    hooks_tries: int = 3
    hooks_secret_file: Path | None = None
    hooks_keep_key: bool = False
    on_done: tuple[Hook, ...] = ()
    on_rows_failed: tuple[Hook, ...] = ()
    on_needs_person: tuple[Hook, ...] = ()
    on_failed: tuple[Hook, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def value(self, key: Key) -> Value:
        found: Value = getattr(self, key.field)
        return found

    def origin(self, name: str) -> str:
        """Where the key of that name was set; empty for a default."""
        return self.origins.get(name, "")

    def spec_hooks(self, *, watched: bool) -> SpecHooks:
        """The rule for specs; `watched`: for those that were dropped into a watched folder."""
        if self.allow_commands:
            return SpecHooks.ANY
        return SpecHooks.NONE if watched else SpecHooks.OWN

    def hooks(self, moment: Moment) -> tuple[Hook, ...]:
        found: tuple[Hook, ...] = getattr(self, f"on_{moment.value}")
        return found


assert {f.name for f in fields(Config)} == {key.field for key in KEYS} | {"origins"}
