"""What the spec allows a run to do, in the words of `lifecycle.transitions`."""

from __future__ import annotations

from dataclasses import dataclass

from batchrun.model import Job, Timing


@dataclass(frozen=True, slots=True)
class Policy:
    """What the spec and the command line allow."""

    timing: Timing
    max_attempts: int = 3
    max_in_flight: int | None = None
    max_cost_usd: float | None = None
    max_cost_from: str = "limits.max_cost_usd"
    """What sets it, for the person who may raise it."""
    sends: bool = True
    """False where the spec cannot be read, or its rows: what was sent goes on, and nothing more is."""
    retired: frozenset[str] = frozenset()
    """Models that are not there any more: nothing is sent to them."""


def policy_of(job: Job) -> Policy:
    limits = job.limits
    return Policy(
        job.timing, job.max_attempts, limits.max_in_flight, limits.max_cost_usd, limits.max_cost_from
    )
