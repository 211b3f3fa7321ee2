"""What the phases of shards mean: what is settled, under way, still to be asked. Pure.

Apart from `lifecycle.transitions`, whose events and actions take longer to import than a job that is done takes to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import ACTIVE, Phase, Reason, RunState, Shard
from batchrun.units import DAY

RETENTION = 29 * DAY
"""How long results can be fetched, from the batch's creation (api-facts §2.6)."""

ASK_AFTER = 7 * DAY
"""How old a batch is whose results nobody serves when a person is asked: three weeks before they are gone."""

RESENT = (Reason.LOST, Reason.TOO_LARGE)
"""Why the requests of a refused shard go into new ones."""


def settled(shard: Shard, state: RunState) -> bool:
    """Whether nothing is left to hope for from this shard, though it has no results."""
    if shard.phase is Phase.HELD:
        return shard.outdated
    if shard.phase not in (Phase.PLANNED, Phase.REFUSED):
        return False
    return state.canceled or shard.reason in (Reason.REPLACED, Reason.ABANDONED)


def needs_person(shard: Shard) -> bool:
    """Whether the answer waits for somebody to decide about this shard."""
    return shard.phase is Phase.HELD and not shard.outdated


def never_created(shard: Shard) -> bool:
    """Whether nothing can have been created from this shard, and nothing newer holds its requests."""
    return shard.phase is Phase.PLANNED or shard.reason in (Reason.REJECTED, *RESENT)


def sendable(shard: Shard, policy: Policy) -> bool:
    """Whether the shard's requests may be sent today, or sent again."""
    return policy.sends and policy.retired.isdisjoint(shard.models)


def unsendable(state: RunState, policy: Policy) -> tuple[Shard, ...]:
    """The shards that are still to be sent, and may not be as a model of theirs is not there any more."""
    if state.canceled:
        return ()
    waiting = (s for s in state.shards if s.phase is Phase.PLANNED or s.reason in RESENT)
    return tuple(s for s in waiting if not policy.retired.isdisjoint(s.models))


def began(state: RunState) -> bool:
    """Whether anything was sent, or may have been."""
    return any(s.batch or s.intent for s in state.shards)


def under_way(state: RunState) -> bool:
    """Whether anything was sent, or may have been, whose answers are still to come."""
    return any(s.phase in ACTIVE for s in state.shards)


def cancelable(shard: Shard) -> bool:
    """Whether the shard has a batch to cancel. One that is not proven ours may be a stranger's."""
    return (
        shard.phase is Phase.SUBMITTED
        and shard.batch is not None
        and not (shard.batch.provisional or shard.canceling)
    )


def overdue(shard: Shard, policy: Policy, now: float) -> bool:
    """Whether a batch runs longer than the spec waits; a batch ends by 24 h (api-facts §5)."""
    if shard.phase is not Phase.SUBMITTED or shard.batch is None:
        return False
    return age(shard, now) > policy.timing.poll_timeout


def age(shard: Shard, now: float) -> float:
    """How long ago its batch was created, in seconds; 0 without one. By the later of the two clocks: ours may run
    years ahead of the server's."""
    if shard.batch is None:
        return 0.0
    started = shard.intent.started_at if shard.intent else 0.0
    return now - max(shard.batch.created_at.timestamp(), started)


def live(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """The shards whose requests are answered, or under way, or may be: asking those again would pay twice."""
    return tuple(s for s in shards if s.phase in (*ACTIVE, Phase.FETCHED, Phase.HELD))


def pending(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """The shards that will be asked, are, or may be: a second shard with one of their requests would be asked
    beside them."""
    gone = (Reason.REPLACED, Reason.ABANDONED)
    return tuple(s for s in shards if s.phase is not Phase.FETCHED and s.reason not in gone)
