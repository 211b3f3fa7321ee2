"""Facts about a job, for people and programs alike: the same objects become text and JSON (`render`).

Plain frozen values that `codec` takes. Times are seconds, money is USD at batch price, tokens are as billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchrun.estimate import Estimate
from batchrun.model import RequestCounts, Usage

INVENTED = "(sandbox: invented answers)"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why rows have no usable answer: how many, and one of them to look at. `type` is the API's word."""

    type: str
    message: str
    count: int
    example: str
    money: bool = False
    """Payment cures it, not editing (batches-api §3.2)."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a finished job came to. All counts are of output records; cost and tokens count an answer that
    several rows share once, as it was billed."""

    job: str
    output: str
    rows: int = 0
    records: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    stop_reasons: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Cause, ...] = ()
    """Rows that succeeded to the API but are not usable: `type` is refusal, truncated, unparsable, …"""
    errors: tuple[Cause, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    unpriced: int = 0
    """Succeeded answers whose model has no known price; `cost_usd` leaves them out."""
    searches: int = 0
    repeated: int = 0
    """Records that share the answer of an earlier, identical row."""

    @property
    def succeeded(self) -> int:
        return self.statuses.get("succeeded", 0)

    @property
    def all_succeeded(self) -> bool:
        """To the API. An unusable answer is no failure; see `unusable`."""
        return self.succeeded == self.records

    @property
    def unusable(self) -> int:
        return sum(cause.count for cause in self.problems)


@dataclass(frozen=True, slots=True)
class PlannedShard:
    id: str
    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What `run` would do. Everything in `estimate` is an estimate; `exact` tells where counting helped."""

    job: str
    rows: int
    requests: int
    """Distinct requests today's rows need: `new` and `reused` together."""
    duplicates: int
    new: int
    reused: int
    reasons: tuple[str, ...] = ()
    """Why the new ones are new."""
    shards: tuple[PlannedShard, ...] = ()
    estimate: Estimate = field(default_factory=Estimate)
    exact: ExactSample | None = None
    samples: int = 1
    spent_usd: float = 0.0
    at_stake_usd: float = 0.0
    """Upper bound of what is under way or may have been created."""
    max_cost_usd: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def over_budget(self) -> bool:
        """Whether the upper bound does not fit in what is left; an unknown price never fits."""
        if self.max_cost_usd is None or not self.new:
            return False
        high = self.estimate.cost_high
        return high is None or self.spent_usd + self.at_stake_usd + high > self.max_cost_usd


@dataclass(frozen=True, slots=True)
class ExactSample:
    """What the token-count endpoint said about some of the requests (`plan --exact`)."""

    requests: int
    tokens: int

    @property
    def mean(self) -> float:
        return self.tokens / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """Where one shard is. `age` is for how long its batch has been under way, `took` for how long it was;
    `ends_in` is when the API gives up on what it has not processed; `kept_for` how long the API still keeps
    results that we have not fetched (batches-api §2.6: 29 days from creation)."""

    id: str
    phase: str
    requests: int
    attempt: int = 1
    batch_id: str | None = None
    processing_status: str | None = None
    counts: RequestCounts | None = None
    age: float | None = None
    took: float | None = None
    ends_in: float | None = None
    kept_for: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Something only a person can decide, and the commands that decide it, ready to paste."""

    what: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Where a job is. `state` is one word or a few: not started, running, held, canceled, done, …"""

    job: str
    state: str
    output: str
    shards: tuple[ShardStatus, ...] = ()
    needs: tuple[Need, ...] = ()
    spent_usd: float = 0.0
    at_stake_usd: float = 0.0
    """Upper bound of what is under way or may have been created."""
    max_cost_usd: float | None = None
    summary: Summary | None = None
    next: str = ""
    """The command to run next, empty when nothing is left to do."""
    sandbox: bool = False
