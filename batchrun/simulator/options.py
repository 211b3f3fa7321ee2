"""How a simulator behaves: every switch that is not a scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from batchrun.cost.models import as_of
from batchrun.simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Options:
    """Times are in seconds of the simulator's clock.

    `process_seconds`: how long a batch runs. Requests are worked off evenly over that time, in order, so
    that a batch of more than 24 hours expires with a part done, and a cancelled one keeps what was done.
    `cancel_seconds`: how long a batch stays `canceling`.
    `retry_after`: the polling hint on a batch in progress (api-facts §1.2); None sends none.
    `partial_counts`: let the counts move while the batch runs (api-facts §2.7 knows both modes).
    `foreign_results_url`: an origin to put into `results_url` instead of the simulator's own.
    `today`: the day by which models are deprecated and retired, whatever the clock says; default that of the table of
    models that comes with batchrun.
    `api_keys`: the credentials to accept; None accepts any that is not empty. Kept in memory only.
    """

    process_seconds: float = 2.0
    cancel_seconds: float = 2.0
    retry_after: int | None = 10
    partial_counts: bool = False
    foreign_results_url: str | None = None
    scenario: Scenario | None = None
    today: date = field(default_factory=as_of)
    api_keys: frozenset[str] | None = field(default=None, repr=False)
    max_body: int = 256 * 1024 * 1024
    max_requests: int = 100_000
