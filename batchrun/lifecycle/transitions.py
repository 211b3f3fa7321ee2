"""Every decision and every transition of a run: pure functions of the state, the policy and the time.

    planned ──▶ submitting ──▶ submitted ──▶ ended ──▶ fetched
       ▲            │  ▲            │           │
       └─ deferred ─┤  └─ disproved ┴───────────┤
                    ├──▶ refused (rejected, lost, too large)
                    └──▶ held ◀─────────────────┘

A shard found in `submitting` is never sent again: it is reconciled (design §4). Nothing is rewound once the
API accepted it; what is asked again stands in a new shard.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from batchrun.lifecycle import phases
from batchrun.lifecycle.actions import (
    Action,
    Collect,
    Fetch,
    Poll,
    Reconcile,
    Resend,
    Retry,
    ShardAction,
    Submit,
    Wait,
)
from batchrun.lifecycle.budget import over_budget
from batchrun.lifecycle.events import (
    Adopted,
    CancelAsked,
    Disproved,
    Event,
    Fetched,
    FetchFailed,
    Gathered,
    Gathering,
    Held,
    Listed,
    OutputGone,
    OutputTouched,
    Polled,
    Prepared,
    ProvenLost,
    Refreshed,
    Reopened,
    Replaced,
    ResultsGone,
    Retried,
    ShardEvent,
    SubmitAccepted,
    SubmitDeferred,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    Unclear,
    Unseen,
)
from batchrun.lifecycle.phases import (
    ASK_AFTER,
    RESENT,
    RETENTION,
    never_created,
    overdue,
    sendable,
    settled,
)
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.retry import shard_retryable
from batchrun.lifecycle.state import Intent, Phase, Reason, RunState, SentBatch, Shard
from batchrun.model import Batch, Timing
from batchrun.units import DAY

FETCH_TRIES = 12


# ---- what to do next ---------------------------------------------------------------------------


def next_action(state: RunState, policy: Policy, now: float) -> Action | None:
    """The one thing to do now, or None when nothing is left that we may do, or wait for.

    Paid answers come first, then what is uncertain, then what is new.
    """
    wanted = _wanted(state, policy)
    if ready := [a for a in wanted if _due(a.shard, policy.timing, now) <= now]:
        return min(ready, key=_urgency)
    waiting = [a.shard for a in wanted if not (overdue(a.shard, policy, now) or _stuck(a.shard, policy, now))]
    if waiting:
        return Wait(min(_due(shard, policy.timing, now) for shard in waiting))
    return _finish(state, policy)


def next_due(state: RunState, policy: Policy, now: float) -> float | None:
    """When there is something to do next, in seconds since the epoch, however long it took so far; None when
    nothing is left that we may do."""
    dues = [_due(action.shard, policy.timing, now) for action in _wanted(state, policy)]
    return min(dues) if dues else now if _finish(state, policy) else None


def _urgency(action: ShardAction) -> int:
    return (Fetch, Reconcile, Resend, Poll, Submit).index(type(action))


def _wanted(state: RunState, policy: Policy) -> list[ShardAction]:
    """What the shards need, whenever it is due."""
    wanted: list[ShardAction] = []
    for shard in state.shards:
        match shard.phase:
            case Phase.ENDED if shard.batch:
                wanted.append(Fetch(shard, shard.batch))
            case Phase.SUBMITTED if shard.batch:
                wanted.append(Poll(shard, shard.batch))
            case Phase.SUBMITTING if shard.intent:
                wanted.append(Reconcile(shard, shard.intent))
            case Phase.REFUSED if shard.reason in RESENT and not state.canceled and sendable(shard, policy):
                wanted.append(Resend(shard))
    if (new := _next_to_submit(state, policy)) is not None:
        wanted.append(Submit(new))
    return wanted


def _next_to_submit(state: RunState, policy: Policy) -> Shard | None:
    """The first planned shard, if it may go. One POST at a time keeps the candidates of a reconciliation few,
    and the queue has a size; a shard larger than that goes alone."""
    shard = next((s for s in state.shards if s.phase is Phase.PLANNED and sendable(s, policy)), None)
    if shard is None or state.canceled or over_budget(state, policy):
        return None
    if any(s.phase is Phase.SUBMITTING for s in state.shards):
        return None
    queued = sum(s.requests for s in state.shards if s.phase is Phase.SUBMITTED)
    fits = policy.max_in_flight is None or queued + shard.requests <= policy.max_in_flight
    return shard if fits or not queued else None


def _due(shard: Shard, timing: Timing, now: float) -> float:
    """When to look at the shard. Nothing is put off for longer than `longest`: a later time was set by a clock
    that has been set back since."""
    if shard.phase is Phase.SUBMITTING and shard.intent and proven_lost(shard.intent, timing):
        return 0.0
    longest = max(DAY, timing.poll_interval, timing.reconcile_over, timing.reconcile_gap)
    return shard.due if shard.due <= now + longest else 0.0


def _stuck(shard: Shard, policy: Policy, now: float) -> bool:
    """Whether the shard has not come on for as long as the spec waits: then this run gives up."""
    return shard.stuck_since > 0.0 and now > shard.stuck_since + policy.timing.poll_timeout


def _since(shard: Shard, at: float) -> float:
    """Since when the shard does not come on, seen at `at`: no later, as our clock may have been set back."""
    return min(shard.stuck_since, at) or at


def listing_gap(timing: Timing) -> float:
    """Seconds between two listings of a reconciliation, the first of which is due at once."""
    return max(timing.reconcile_over / max(timing.reconcile_listings - 1, 1), timing.reconcile_gap)


def proven_lost(intent: Intent, timing: Timing) -> bool:
    """Whether enough clean listings, over enough time, show that the POST created nothing (design §4)."""
    clean = intent.clean
    return len(clean) >= timing.reconcile_listings and clean[-1] - clean[0] >= timing.reconcile_over * 0.99


def _finish(state: RunState, policy: Policy) -> Action | None:
    """No shard can move by itself: retry rows, then write the answer."""
    if any(s.phase is not Phase.FETCHED and not settled(s, state) for s in state.shards):
        return None
    if not state.canceled:
        fetched = (s for s in state.shards if s.phase is Phase.FETCHED and sendable(s, policy))
        again = tuple(s for s in fetched if shard_retryable(s, policy))
        if again:
            return Retry(again)
    return Collect() if state.collected is None and state.expansion is not None else None


def sending_nothing(policy: Policy) -> Policy:
    """For when the spec or the input is gone or wrong: what was sent is fetched, and written once it is all there."""
    return replace(policy, sends=False)


# ---- what happened -----------------------------------------------------------------------------


def apply(state: RunState, event: Event) -> RunState:
    """The state after `event`. Total: every event leaves a state that can be saved and carried on from."""
    state = replace(state, revision=state.revision + 1)
    match event:
        case Prepared(expansion, shards, outdated):
            kept = tuple(
                replace(s, retried=False, outdated=s.id in outdated)
                for s in state.shards
                if not never_created(s)
            )
            same = state.expansion is not None and state.expansion.rows_sha256 == expansion.rows_sha256
            canceled = state.canceled and same
            return replace(
                state, expansion=expansion, shards=kept + shards, collected=None, canceled=canceled
            )
        case Refreshed(expansion):
            return replace(state, expansion=expansion)
        case OutputTouched(output):
            collected = state.collected and replace(state.collected, output=output)
            return replace(state, collected=collected, written=output)
        case OutputGone():
            return replace(state, collected=None)
        case Gathering(output):
            return replace(state, writing=output)
        case Gathered(collected):
            return replace(state, collected=collected, written=collected.output, writing=None)
        case Replaced(shard_id, shards, abandoned):
            if state.shard(shard_id).phase is Phase.FETCHED:
                return state
            since = state.shard(shard_id).stuck_since  # what is lost again and again does not come on
            shards = tuple(replace(s, stuck_since=since) for s in shards)
            reason = Reason.ABANDONED if abandoned else Reason.REPLACED
            state = _update(state, shard_id, phase=Phase.REFUSED, reason=reason)
            return replace(state, shards=state.shards + shards)
        case Retried(shard_ids, shards):
            for shard_id in shard_ids:
                state = _update(state, shard_id, retried=True)
            return replace(state, shards=state.shards + shards, collected=None if shards else state.collected)
        case ResultsGone(shard_id, detail):
            if state.shard(shard_id).phase is not Phase.FETCHED:
                return state
            state = _update(state, shard_id, phase=Phase.ENDED, tally=None, results_sha256="", detail=detail)
            state = _update(state, shard_id, due=0.0, stuck_since=0.0, failing_since=0.0, fetch_tries=0)
            return replace(state, collected=None)
        case CancelAsked(shard_ids):
            for shard_id in shard_ids:
                state = _update(state, shard_id, canceling=True, due=0.0)
            return replace(state, canceled=state.canceled or state.collected is None)
        case Reopened():
            return _reopen(state)
        case _:
            return _apply_to_shard(state, event)


def _apply_to_shard(state: RunState, event: ShardEvent) -> RunState:
    shard = state.shard(event.shard_id)
    if shard.phase is Phase.FETCHED:
        return state
    match event:
        case SubmitStarted(shard_id, intent):
            state = _update(state, shard_id, stuck_since=min(shard.stuck_since, intent.started_at))
            return _update(state, shard_id, phase=Phase.SUBMITTING, intent=intent, detail="", due=0.0)
        case SubmitAccepted(shard_id, batch, due):
            state = _update(state, shard_id, due=due, stuck_since=0.0, detail="")
            return _update(state, shard_id, phase=Phase.SUBMITTED, batch=_sent(batch))
        case SubmitDeferred(shard_id, due, detail):
            since = _since(shard, due)
            state = _update(state, shard_id, due=due, stuck_since=since, detail=detail)
            return _update(state, shard_id, phase=Phase.PLANNED, intent=None)
        case SubmitRefused(shard_id, reason, detail):
            return _update(state, shard_id, phase=Phase.REFUSED, intent=None, reason=reason, detail=detail)
        case SubmitUnknown(shard_id, detail):
            return _update(state, shard_id, detail=detail)
        case Listed():
            return _listed(state, shard, event)
        case Unclear():
            return _unclear(state, shard, event)
        case ProvenLost(shard_id):
            since = shard.stuck_since or shard.due
            state = _update(state, shard_id, due=0.0, stuck_since=since)
            return _update(state, shard_id, phase=Phase.REFUSED, reason=Reason.LOST)
        case Held(shard_id, reason, detail):
            return _update(state, shard_id, phase=Phase.HELD, reason=reason, detail=detail)
        case Polled():
            return _polled(state, shard, event)
        case Unseen():
            return _unseen(state, shard, event)
        case Fetched(shard_id, tally, prices, sha256):
            proven = replace(shard.batch, provisional=False) if shard.batch else None
            state = _update(state, shard_id, phase=Phase.FETCHED, tally=tally, batch=proven)
            state = _update(state, shard_id, results_sha256=sha256, failing_since=0.0)
            state = _update(state, shard_id, reason=None, detail="")
            return replace(state, collected=None, prices={**state.prices, **prices})
        case FetchFailed(shard_id, due, detail):
            tries = shard.fetch_tries + 1
            state = _update(state, shard_id, fetch_tries=tries, due=due, detail=detail)
            state = _update(state, shard_id, stuck_since=0.0, failing_since=0.0, reason=None)
            if tries < FETCH_TRIES:
                return state
            return _update(state, shard_id, phase=Phase.HELD, reason=Reason.RESULTS)
        case Disproved(shard_id, detail):
            return _disproved(state, shard, detail)
        case Adopted(shard_id, batch):
            return _adopted(state, shard, batch)
        case _:
            assert_never(event)


def wake(state: RunState) -> RunState:
    """Every batch is due: a rerun asks at once how they are, whenever the last one asked, and is patient anew;
    but how long a batch has been gone is counted on. A shard that was held for its credential, or because its
    batch was gone, or its results could not be had, is looked for again: perhaps it is back."""

    def awake(shard: Shard) -> Shard:
        if shard.reason is not Reason.NOT_FOUND:
            shard = replace(shard, stuck_since=0.0)
        elif shard.phase is Phase.HELD:
            shard = replace(shard, phase=Phase.SUBMITTED)
        if shard.phase is Phase.HELD and shard.reason is Reason.RESULTS and shard.failing_since:
            shard = replace(shard, phase=Phase.SUBMITTED, reason=None)
        if shard.phase in (Phase.SUBMITTED, Phase.ENDED):
            return replace(shard, due=0.0)
        if shard.phase is Phase.HELD and shard.reason is Reason.CREDENTIAL:
            return replace(shard, phase=Phase.SUBMITTING, reason=None)
        return shard

    return replace(state, shards=tuple(map(awake, state.shards)))


def _update(state: RunState, shard_id: str, **changes: object) -> RunState:
    shards = tuple(replace(s, **changes) if s.id == shard_id else s for s in state.shards)  # type: ignore[arg-type]
    return replace(state, shards=shards)


def _sent(batch: Batch) -> SentBatch:
    return SentBatch(
        id=batch.id,
        created_at=batch.created_at,
        expires_at=batch.expires_at,
        processing_status=str(batch.processing_status),
        request_counts=batch.request_counts,
        ended_at=batch.ended_at,
    )


def _listed(state: RunState, shard: Shard, event: Listed) -> RunState:
    intent = shard.intent
    if intent is None or shard.phase is not Phase.SUBMITTING:
        return state
    match event.candidates:
        case ():
            clean = replace(intent, clean=(*intent.clean, event.at))
            return _update(state, shard.id, intent=clean, due=event.due)
        case (batch,):
            return _adopted(state, shard, batch)
        case several:
            ids = tuple(b.id for b in several)
            return _update(state, shard.id, phase=Phase.HELD, reason=Reason.SEVERAL, candidates=ids)


def _unclear(state: RunState, shard: Shard, event: Unclear) -> RunState:
    """One is taken for ours, as its results will tell. Of several those that run will be counted once they end,
    within a day; then a person must decide."""
    if shard.intent is None or shard.phase is not Phase.SUBMITTING:
        return state
    if len(event.candidates) == 1:
        return _adopted(state, shard, event.candidates[0])
    ids = tuple(b.id for b in event.candidates)
    detail = f"how many requests {ids[0]} and {len(ids) - 1:,} more have is not told: each could be its batch"
    state = _update(state, shard.id, due=event.due, stuck_since=_since(shard, event.at), detail=detail)
    if all(b.ended for b in event.candidates) or event.at > shard.intent.started_at + DAY:
        return _update(state, shard.id, phase=Phase.HELD, reason=Reason.SEVERAL, candidates=ids)
    return state


def _unseen(state: RunState, shard: Shard, event: Unseen) -> RunState:
    """Look again later, for as long as there can be results; but a person is asked while there is time to act."""
    age = phases.age(shard, event.at)
    if age > RETENTION:
        detail = "the API keeps results for 29 days, and these are older"
        return _update(state, shard.id, phase=Phase.HELD, reason=Reason.RESULTS, detail=detail)
    same = event.not_found == (shard.reason is Reason.NOT_FOUND)
    since = _since(shard, event.at) if same else event.at
    reason = Reason.NOT_FOUND if event.not_found else None
    state = _update(state, shard.id, due=event.due, stuck_since=since, detail=event.detail, reason=reason)
    if event.not_found and event.at > since + DAY:
        return _update(state, shard.id, phase=Phase.HELD)
    if shard.batch is None:
        return state
    failing = min(shard.failing_since, event.at) or event.at
    state = _update(state, shard.id, failing_since=failing)
    if age > ASK_AFTER and event.at > failing + DAY:
        return _update(state, shard.id, phase=Phase.HELD, reason=Reason.RESULTS)
    return state


def _adopted(state: RunState, shard: Shard, batch: Batch) -> RunState:
    """The batch is taken for the shard's until its results prove or disprove it."""
    sent = replace(_sent(batch), provisional=True)
    state = _update(state, shard.id, phase=Phase.SUBMITTED, batch=sent, reason=None, candidates=())
    state = _update(state, shard.id, failing_since=0.0)
    return _update(state, shard.id, due=0.0, stuck_since=0.0, fetch_tries=0, detail="")


def _polled(state: RunState, shard: Shard, event: Polled) -> RunState:
    """What ended stays ended: an older answer that arrives late changes nothing."""
    if shard.phase is not Phase.SUBMITTED or shard.batch is None:
        return state
    sent = replace(_sent(event.batch), provisional=shard.batch.provisional)
    if not event.batch.ended:
        state = _update(state, shard.id, reason=None, failing_since=0.0)
        return _update(state, shard.id, batch=sent, due=event.due, stuck_since=0.0, detail="")
    if event.batch.archived_at:
        detail = "the API has archived it: its results are gone"
        return _update(state, shard.id, batch=sent, phase=Phase.HELD, reason=Reason.NOT_FOUND, detail=detail)
    if shard.reason is not Reason.NOT_FOUND:  # should the results be what is gone, the time counts on
        state = _update(state, shard.id, reason=None, stuck_since=0.0)
    state = _update(state, shard.id, batch=sent, due=0.0, phase=Phase.ENDED, detail="")
    drained = tuple(replace(s, due=0.0) if s.phase is Phase.PLANNED else s for s in state.shards)
    return replace(state, shards=drained)


def _disproved(state: RunState, shard: Shard, detail: str) -> RunState:
    """An adoption by count was wrong: go on looking, without that batch."""
    if shard.intent is None or shard.batch is None or not shard.batch.provisional:
        return _update(state, shard.id, phase=Phase.HELD, reason=Reason.FOREIGN, detail=detail)
    excluded = (*shard.intent.excluded, shard.batch.id)
    intent = replace(shard.intent, excluded=excluded, clean=())
    state = _update(state, shard.id, reason=None)
    return _update(state, shard.id, phase=Phase.SUBMITTING, intent=intent, batch=None, due=0.0, detail=detail)


def _reopen(state: RunState) -> RunState:
    def reopened(shard: Shard) -> Shard:
        if shard.phase is Phase.REFUSED and shard.reason is Reason.REJECTED:
            return replace(shard, phase=Phase.PLANNED, reason=None, detail="", due=0.0)
        if shard.phase is Phase.HELD and shard.reason in (Reason.RESULTS, Reason.NOT_FOUND):
            return replace(shard, phase=Phase.SUBMITTED, reason=None, due=0.0, fetch_tries=0, stuck_since=0.0)
        return shard

    return replace(state, shards=tuple(map(reopened, state.shards)), canceled=False, collected=None)
