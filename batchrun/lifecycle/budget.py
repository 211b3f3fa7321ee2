"""What a job has cost, may cost, and is allowed to cost. US dollars at batch price."""

from __future__ import annotations

from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import ACTIVE, Phase, Reason, RunState


def spent(state: RunState) -> float:
    """What the fetched results cost, in USD at batch price."""
    return sum(s.tally.cost_usd for s in state.shards if s.tally)


def at_stake(state: RunState) -> float:
    """An upper bound, in USD, of what is under way or may have been created."""
    return sum(
        s.estimate.cost_high or 0.0
        for s in state.shards
        if s.phase in (*ACTIVE, Phase.HELD) or s.reason is Reason.ABANDONED
    )


def planned(state: RunState) -> float:
    """An upper bound, in USD, of what the planned shards will cost."""
    return sum(s.estimate.cost_high or 0.0 for s in state.shards if s.phase is Phase.PLANNED)


def over_budget(state: RunState, policy: Policy) -> bool:
    """Whether the budget forbids what is planned. All of it or nothing: half a job is no use."""
    if policy.max_cost_usd is None or not any(s.phase is Phase.PLANNED for s in state.shards):
        return False
    if any(s.phase is Phase.PLANNED and s.estimate.cost_high is None for s in state.shards):
        return True
    return spent(state) + at_stake(state) + planned(state) > policy.max_cost_usd
