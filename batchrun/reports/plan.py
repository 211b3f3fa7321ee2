"""What `run` would do, for people and programs alike. As in `report`: plain frozen values that `codec` takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchrun.cost.amounts import Estimate


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
    history: History | None = None
    """What the job's own answers make likely; the low figures of `estimate` then come from them, too."""
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
class History:
    """What the new requests will take if they are like the `answers` that the job has."""

    answers: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class ExactSample:
    """What the token-count endpoint said about some of the requests (`plan --exact`)."""

    requests: int
    tokens: int

    @property
    def mean(self) -> float:
        return self.tokens / self.requests if self.requests else 0.0
