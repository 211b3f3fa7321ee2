"""What is estimated, counted and billed: the values that a job's state keeps, and that reports show.

A module of their own, for a job that is done is told by its state, and needs nothing of how they came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from batchrun.model import RequestCounts, Usage

US_FACTOR = 1.1


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens before the batch discount, for prompts over so many tokens."""

    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float
    prompt_tokens_over: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """A model's rates, the smallest prompt first. The first one always has `prompt_tokens_over` 0."""

    rates: tuple[Rates, ...]
    us_factor: float = US_FACTOR

    def for_prompt(self, tokens: int) -> Rates:
        """The rates for a prompt of so many tokens, cached ones included."""
        found = self.rates[0]
        for rates in self.rates[1:]:
            if tokens > rates.prompt_tokens_over:
                found = rates
        return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens, and USD at batch price. The costs are None where a request's model has no known price, also by
    default: files leave out what is None, and what is not known must not be read as free."""

    requests: int = 0
    input_low: int = 0
    input_high: int = 0
    output_low: int = 0
    output_high: int = 0
    cost_low: float | None = None
    cost_high: float | None = None
    cacheable_low: int = 0
    cacheable_high: int = 0
    cache_saving: float = 0.0
    """By how much `cost_low` falls when every cacheable token is read from the cache."""
    cache_premium: float = 0.0
    """How much of `cost_high` is for writing cache entries that nothing reads."""
    unpriced: int = 0
    open_ended: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            **{f.name: _plus(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        )


NO_REQUESTS = Estimate(cost_low=0.0, cost_high=0.0)
"""What sums begin with."""


def _plus(a: Any, b: Any) -> Any:
    """A cost that nobody knows makes the sum unknown."""
    return None if a is None or b is None else a + b


@dataclass(frozen=True, slots=True)
class Tally:
    """One shard's results, counted. `errors` is by error type, `cost_usd` at batch price; `unpriced` counts
    succeeded results whose model has no known price, which `cost_usd` therefore leaves out."""

    counts: RequestCounts = field(default_factory=RequestCounts)
    errors: Mapping[str, int] = field(default_factory=dict)
    stop_reasons: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    unpriced: int = 0
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why rows have no usable answer: how many, and one of them to look at. `type` is the API's word."""

    type: str
    message: str
    count: int
    example: str
    money: bool = False
    """Payment cures it, not editing (api-facts §3.2)."""


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
