"""Facts about a job, for people and programs alike: the same objects become text and JSON (`render`).

Plain frozen values that `codec` takes. Times are seconds, money is USD at batch price, tokens are as billed.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchrun.cost.amounts import Summary
from batchrun.model import RequestCounts

INVENTED = "(sandbox: invented answers)"


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """Where one shard is. `age` is for how long its batch has been under way, `took` for how long it was;
    `ends_in` is when the API gives up on what it has not processed; `kept_for` how long the API still keeps
    results that we have not fetched (api-facts §2.6: 29 days from creation)."""

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
    advice: str = ""
    """What a person can do about rows that the same request fails again, empty when there are none."""
    sandbox: bool = False
