from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchrun.errors import ExitCode
from batchrun.lifecycle import events
from batchrun.lifecycle.actions import Action, Collect, Fetch, Poll, Reconcile, Resend, Retry, Submit, Wait
from batchrun.lifecycle.budget import at_stake, over_budget, planned, spent
from batchrun.lifecycle.phases import RETENTION, live, overdue, pending, settled, under_way
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.retry import shard_retryable
from batchrun.lifecycle.state import Phase, Reason, RunState, Shard, dumps, loads
from batchrun.lifecycle.transitions import (
    FETCH_TRIES,
    apply,
    listing_gap,
    next_action,
    next_due,
    proven_lost,
    wake,
)
from batchrun.lifecycle.verdicts import Verdict, exit_code, verdict
from batchrun.model import Batch, ProcessingStatus, RequestCounts, Timing
from batchrun.units import DAY
from tests.states import (
    EMPTY,
    NOW,
    POLICY,
    active,
    batch,
    collected,
    every_event,
    expansion,
    intent,
    sent,
    shard,
    state,
    tally,
)

YEAR = 365 * DAY
PLANNED, SUBMITTING, SUBMITTED = Phase.PLANNED, Phase.SUBMITTING, Phase.SUBMITTED
ENDED, FETCHED, REFUSED, HELD = Phase.ENDED, Phase.FETCHED, Phase.REFUSED, Phase.HELD


def untold(name: str) -> Batch:
    """A batch that runs on a server that counts requests when it ends."""
    return replace(batch(name), request_counts=RequestCounts())


def step(*shards: Shard, policy: Policy = POLICY, now: float = NOW, **changes: Any) -> Action | None:
    return next_action(state(*shards, **changes), policy, now)


def after(shard: Shard, *happened: events.Event, **changes: Any) -> RunState:
    value = state(shard, **changes)
    for event in happened:
        value = apply(value, event)
    return value


def only(value: RunState) -> Shard:
    (shard,) = value.shards
    return shard


# ---- next_action: one shard


@pytest.mark.parametrize(
    ("one", "action"),
    [
        (active(PLANNED), Submit),
        (active(PLANNED, due=NOW), Submit),
        (active(SUBMITTING), Reconcile),
        (active(SUBMITTED), Poll),
        (active(ENDED), Fetch),
        (active(FETCHED), Collect),
        (active(REFUSED, reason=Reason.LOST), Resend),
        (active(REFUSED, reason=Reason.TOO_LARGE), Resend),
        (active(REFUSED, reason=Reason.REPLACED), Collect),
        (active(REFUSED, reason=Reason.ABANDONED), Collect),
        (active(REFUSED, reason=Reason.REJECTED), None),
        (active(HELD), None),
    ],
)
def test_what_one_shard_needs(one: Shard, action: type[Action] | None) -> None:
    found = step(one)
    assert (type(found) if found else None) is action
    assert found is None or getattr(found, "shard", one) == one


@pytest.mark.parametrize("phase", [PLANNED, SUBMITTING, SUBMITTED, ENDED])
def test_a_shard_that_is_not_due_is_waited_for(phase: Phase) -> None:
    assert step(active(phase, due=NOW + 60)) == Wait(NOW + 60)


@pytest.mark.parametrize(
    ("one", "action"),
    [
        (active(PLANNED), Collect),
        (active(SUBMITTING), Reconcile),
        (active(SUBMITTED), Poll),
        (active(ENDED), Fetch),
        (active(FETCHED), Collect),
        (active(FETCHED, tally=tally(expired=10)), Collect),
        (active(REFUSED, reason=Reason.LOST), Collect),
        (active(REFUSED, reason=Reason.TOO_LARGE), Collect),
        (active(REFUSED, reason=Reason.REJECTED), Collect),
        (active(HELD), None),
    ],
)
def test_a_canceled_job_sends_nothing_and_fetches_all_the_same(
    one: Shard, action: type[Action] | None
) -> None:
    found = step(one, canceled=True)
    assert (type(found) if found else None) is action


def test_a_job_without_rows_has_an_answer_to_write() -> None:
    assert next_action(EMPTY, POLICY, NOW) is None
    assert step() == Collect()
    assert step(collected=collected()) is None


# ---- next_action: several shards


def test_paid_answers_come_first_then_what_is_uncertain_then_what_is_new() -> None:
    shards = [
        active(PLANNED, "0001"),
        active(SUBMITTED, "0002"),
        active(REFUSED, "0003"),
        active(SUBMITTING, "0004"),
        active(ENDED, "0005"),
    ]
    order = []
    while shards:
        found = next_action(state(*shards), POLICY, NOW)
        assert isinstance(found, Fetch | Reconcile | Resend | Poll | Submit)
        order.append(type(found))
        shards.remove(found.shard)
    assert order == [Fetch, Reconcile, Resend, Poll, Submit]


def test_the_next_wait_is_the_nearest() -> None:
    assert step(active(SUBMITTED, "0001", due=NOW + 90), active(ENDED, "0002", due=NOW + 5)) == Wait(NOW + 5)


def test_when_to_look_next() -> None:
    def due(*shards: Shard, now: float = NOW, **changes: Any) -> float | None:
        return next_due(state(*shards, **changes), POLICY, now)

    later, soon = (active(Phase.SUBMITTED, n, due=NOW + d) for n, d in (("0001", 9), ("0002", 5)))
    assert due(later, soon) == NOW + 5
    assert due(later, soon, now=NOW + 2 * POLICY.timing.poll_timeout) == NOW + 5
    assert due(active(Phase.HELD)) is None
    assert due(active(Phase.FETCHED)) == NOW  # the answer is to be written
    assert due(active(Phase.FETCHED), collected=collected()) is None


def test_one_post_at_a_time() -> None:
    uncertain = active(SUBMITTING, due=NOW + 60)
    assert step(uncertain, active(PLANNED, "0002")) == Wait(NOW + 60)


def test_shards_go_in_their_order_and_a_deferred_one_holds_the_rest() -> None:
    first, second = active(PLANNED, "0001"), active(PLANNED, "0002")
    assert step(first, second) == Submit(first)
    assert step(replace(first, due=NOW + 60), second) == Wait(NOW + 60)


def test_a_held_shard_does_not_stop_the_others() -> None:
    held, new = active(HELD, "0001"), active(PLANNED, "0002")
    assert step(held, new) == Submit(new)
    assert step(held, active(FETCHED, "0002")) is None
    assert step(held, active(SUBMITTED, "0002", due=NOW + 9)) == Wait(NOW + 9)


def test_a_held_shard_that_no_row_needs_holds_nothing_up() -> None:
    same = events.Prepared(expansion(), (), outdated=("0001",))
    value = after(active(HELD), same)
    assert next_action(value, POLICY, NOW) == Collect()
    assert verdict(apply(value, events.Gathered(collected())), POLICY) is Verdict.DONE
    needed = apply(value, events.Prepared(expansion(), ()))
    assert next_action(needed, POLICY, NOW) is None


@pytest.mark.parametrize(
    ("in_flight", "goes"), [(None, True), (20, True), (19, False), (10, False), (1, False)]
)
def test_the_queue_has_a_size(in_flight: int | None, goes: bool) -> None:
    policy = replace(POLICY, max_in_flight=in_flight)
    running, new = active(SUBMITTED, due=NOW + 60), active(PLANNED, "0002")
    assert step(running, new, policy=policy) == (Submit(new) if goes else Wait(NOW + 60))


def test_a_shard_larger_than_the_queue_goes_alone() -> None:
    policy = replace(POLICY, max_in_flight=1)
    new = active(PLANNED)
    assert step(new, policy=policy) == Submit(new)
    assert step(active(ENDED, "0002", due=NOW + 5), new, policy=policy) == Submit(new)


def test_thousands_of_shards_are_decided_on_at_once() -> None:
    many = tuple(shard(f"{n:04d}") for n in range(5_000))
    policy = replace(POLICY, max_cost_usd=1e6)
    for _ in range(20):  # quadratic, this would be five hundred million steps
        assert next_action(state(*many), policy, NOW) == Submit(many[0])


# ---- giving up on waiting


def test_an_overdue_batch_is_asked_about_once_a_run_and_not_waited_for() -> None:
    late = NOW + POLICY.timing.poll_timeout + 1
    assert step(active(SUBMITTED), now=late) == Poll(active(SUBMITTED), sent("msgbatch_0001"))
    value = after(active(SUBMITTED), events.Polled("0001", batch("msgbatch_0001"), late + 60))
    assert overdue(only(value), POLICY, late)
    assert next_action(value, POLICY, late) is None
    assert exit_code(value, POLICY) is ExitCode.NOT_FINISHED


def test_what_is_lost_again_and_again_is_given_up_by_this_run() -> None:
    value, now = state(active(PLANNED)), NOW
    for number in range(1, 1000):
        name = f"{number:04d}"
        value = apply(value, events.SubmitStarted(name, intent(now)))
        value = apply(value, events.SubmitUnknown(name, "the connection was closed"))
        while isinstance(action := next_action(value, POLICY, now), Reconcile | Wait):
            if isinstance(action, Wait):
                now = action.until
            elif proven_lost(action.intent, POLICY.timing):
                value = apply(value, events.ProvenLost(name))
            else:
                value = apply(value, events.Listed(name, now, (), now + 450))
        if action is None:
            break
        value = apply(value, events.Replaced(name, (shard(f"{number + 1:04d}"),)))
    assert POLICY.timing.poll_timeout < now - NOW <= POLICY.timing.poll_timeout + 3600
    assert exit_code(value, POLICY) is ExitCode.NOT_FINISHED
    assert isinstance(next_action(wake(value), POLICY, now), Wait)


def test_a_clock_that_was_set_back_keeps_nobody_waiting_for_years() -> None:
    value = apply(state(active(SUBMITTED)), events.Unseen("0001", NOW, NOW + 600, "no answer"))
    back = NOW - 10 * YEAR
    value = apply(value, events.Unseen("0001", back, back + 600, "no answer"))
    assert isinstance(next_action(value, POLICY, back), Wait)
    late = back + POLICY.timing.poll_timeout + 1
    value = apply(value, events.Unseen("0001", late, late + 600, "no answer"))
    assert next_action(value, POLICY, late) is None


def test_a_clock_that_runs_years_ahead_makes_no_batch_late() -> None:
    ahead = NOW + 10 * YEAR
    shard = active(SUBMITTED, intent=intent(ahead), due=ahead + 60)
    assert step(shard, now=ahead + 1) == Wait(ahead + 60)
    assert overdue(shard, POLICY, ahead + POLICY.timing.poll_timeout + 1)


def test_an_overdue_batch_makes_no_room() -> None:
    late = NOW + POLICY.timing.poll_timeout + 1
    policy = replace(POLICY, max_in_flight=10)
    assert step(active(SUBMITTED, due=late + 60), active(PLANNED, "0002"), policy=policy, now=late) is None


@pytest.mark.parametrize("phase", [SUBMITTED, ENDED, SUBMITTING])
def test_a_shard_that_nobody_answers_for_is_given_up_by_this_run(phase: Phase) -> None:
    value = apply(state(active(phase)), events.Unseen("0001", NOW, NOW + 600, "no answer"))
    now = NOW
    while isinstance(action := next_action(value, POLICY, now), Wait):
        now = action.until
        value = apply(value, events.Unseen("0001", now, now + 600, "no answer"))
    assert action is None
    assert POLICY.timing.poll_timeout < now - NOW <= POLICY.timing.poll_timeout + 600
    assert (only(value).phase, only(value).detail) == (phase, "no answer")
    assert exit_code(value, POLICY) is ExitCode.NOT_FINISHED
    again = apply(wake(value), events.Unseen("0001", now, now + 600))  # the next run is patient anew,
    expected = None if phase is SUBMITTED else Wait(now + 600)  # but for a batch that should have ended
    assert next_action(again, POLICY, now) == expected


def test_a_shard_that_is_put_off_is_given_up_by_this_run() -> None:
    value, now = state(active(PLANNED, due=NOW)), NOW
    while isinstance(action := next_action(value, POLICY, now), Wait | Submit):
        now = action.until if isinstance(action, Wait) else now
        value = apply(value, events.SubmitStarted("0001", intent(now)))
        value = apply(value, events.SubmitDeferred("0001", now + 3600, "429"))
    assert action is None
    assert POLICY.timing.poll_timeout < now - NOW <= POLICY.timing.poll_timeout + 2 * 3600
    assert exit_code(value, POLICY) is ExitCode.NOT_FINISHED
    assert next_action(wake(value), POLICY, now) == Wait(now + 3600)


@pytest.mark.parametrize(
    "answer",
    [
        events.Polled("0001", batch(), NOW + 9),
        events.Polled("0001", batch(ended=True), NOW + 9),
        events.FetchFailed("0001", NOW + 9, "cut"),
        events.Adopted("0001", batch()),
    ],
)
def test_an_answer_ends_the_silence(answer: events.Event) -> None:
    phase = ENDED if isinstance(answer, events.FetchFailed) else SUBMITTED
    assert only(after(active(phase, stuck_since=NOW), answer)).stuck_since == 0.0


def test_results_older_than_the_api_keeps_them_need_a_person() -> None:
    late = NOW + RETENTION + 1
    value = after(active(ENDED), events.Unseen("0001", NOW + RETENTION, late, "404"))
    assert only(value).phase is ENDED
    found = only(apply(value, events.Unseen("0001", late, late + 60, "404")))
    assert (found.phase, found.reason) == (HELD, Reason.RESULTS)
    assert found.detail == "the API keeps results for 29 days, and these are older"


@pytest.mark.parametrize("phase", [SUBMITTED, ENDED])
@pytest.mark.parametrize("not_found", [False, True])
def test_a_person_is_asked_three_weeks_before_the_results_are_gone(phase: Phase, not_found: bool) -> None:
    """Whatever answers in place of the results, a page of a proxy or 503; and however often it is run again."""
    value, now = state(active(phase)), NOW
    while only(value).phase is not HELD:
        now += 3600
        value = apply(wake(value), events.Unseen("0001", now, now + 60, "503", not_found))
    assert now <= NOW + 8 * DAY
    assert exit_code(value, POLICY) is ExitCode.NEEDS_PERSON
    assert only(value).detail == "503"
    assert only(value).reason is (Reason.NOT_FOUND if not_found else Reason.RESULTS)
    again = wake(value)  # a rerun looks once more
    assert isinstance(next_action(again, POLICY, now), Poll)
    assert only(apply(again, events.Unseen("0001", now + 60, now + 120, "503", not_found))).phase is HELD
    polled = apply(again, events.Polled("0001", batch("msgbatch_0001", ended=True), 0.0))
    assert isinstance(next_action(polled, POLICY, now), Fetch)
    fetched = only(apply(polled, events.Fetched("0001", tally(), {})))
    assert (fetched.phase, fetched.reason, fetched.failing_since) == (FETCHED, None, 0.0)


def test_an_old_batch_that_cannot_be_had_for_a_moment_is_asked_about_again() -> None:
    """The network is not up yet when a machine comes back after a week."""
    late = NOW + 10 * DAY
    value = after(active(ENDED), events.Unseen("0001", late, late + 60, "no route"))
    value = apply(value, events.Unseen("0001", late + 3600, late + 3660, "no route"))
    assert (only(value).phase, only(value).failing_since) == (ENDED, late)
    value = apply(value, events.FetchFailed("0001", late + 4000, "cut"))
    value = apply(value, events.Unseen("0001", late + 2 * DAY, late, "no route"))
    assert (only(value).phase, only(value).failing_since) == (ENDED, late + 2 * DAY)


def test_a_clock_that_runs_ahead_makes_no_results_old() -> None:
    ahead = NOW + 10 * YEAR
    value = after(
        active(ENDED, intent=intent(ahead)), events.Unseen("0001", ahead + DAY, ahead + 2 * DAY, "503")
    )
    assert only(value).phase is ENDED


# ---- clocks that are set


@pytest.mark.parametrize("phase", [PLANNED, SUBMITTING, SUBMITTED, ENDED])
@pytest.mark.parametrize("years", [-30, -1, 1, 30])
def test_a_clock_that_is_set_stops_nothing(phase: Phase, years: int) -> None:
    one = active(phase, due=NOW + 60)
    found = step(one, now=NOW + years * YEAR)
    assert isinstance(found, {PLANNED: Submit, SUBMITTING: Reconcile, SUBMITTED: Poll, ENDED: Fetch}[phase])


@pytest.mark.parametrize("jump", [-YEAR, -3600.0, 0.0, 3600.0, YEAR])
def test_our_own_clock_proves_nothing_about_a_post(jump: float) -> None:
    """Listings are counted in the server's time: however our clock is set, they span what they must."""
    value, server, ours, looked = state(active(SUBMITTING)), NOW, NOW, 0
    while isinstance(action := next_action(value, POLICY, ours), Reconcile | Wait):
        if isinstance(action, Wait):
            server += action.until - ours
            ours = action.until
            continue
        if proven_lost(action.intent, POLICY.timing):
            break
        looked += 1
        value = apply(value, events.Listed("0001", server, (), ours + listing_gap(POLICY.timing)))
        ours += jump if looked == 2 else 0.0
        assert looked < 20
    assert server - NOW >= POLICY.timing.reconcile_over
    assert looked >= POLICY.timing.reconcile_listings


# ---- reconciling (design §4)


def test_a_post_that_left_no_batch_is_proven_lost_after_three_listings_over_fifteen_minutes() -> None:
    value, now, looked = state(active(SUBMITTING)), NOW, []
    while True:
        match next_action(value, POLICY, now):
            case Wait(until):
                now = until
            case Reconcile(_, found) if proven_lost(found, POLICY.timing):
                break
            case _:
                looked.append(now - NOW)
                due = now + listing_gap(POLICY.timing)
                value = apply(value, events.Listed("0001", now, (), due))
    assert looked == [0.0, 450.0, 900.0]
    assert now - NOW == 900.0
    lost = apply(value, events.ProvenLost("0001"))
    assert (only(lost).phase, only(lost).reason) == (REFUSED, Reason.LOST)
    assert next_action(lost, POLICY, now) == Resend(only(lost))


@pytest.mark.parametrize(
    ("listings", "over", "clean", "proven"),
    [
        (3, 900.0, (), False),
        (3, 900.0, (0.0, 900.0), False),
        (3, 900.0, (0.0, 450.0, 800.0), False),
        (3, 900.0, (0.0, 450.0, 900.0), True),
        (3, 900.0, (0.0, 450.0, -900.0), False),
        (1, 900.0, (0.0,), False),
        (1, 900.0, (0.0, 900.0), True),
        (1, 0.0, (0.0,), True),
    ],
)
def test_what_proves_a_loss(listings: int, over: float, clean: tuple[float, ...], proven: bool) -> None:
    timing = Timing(reconcile_listings=listings, reconcile_over=over)
    assert proven_lost(intent(clean=clean), timing) is proven


def test_the_time_between_two_listings() -> None:
    def gap(listings: int, over: float, least: float = 0.0) -> float:
        return listing_gap(Timing(reconcile_listings=listings, reconcile_over=over, reconcile_gap=least))

    assert (gap(3, 900.0), gap(2, 900.0), gap(1, 900.0)) == (450.0, 900.0, 900.0)
    assert (gap(100, 0.001, 2.0), gap(1, 0.0, 2.0), gap(3, 900.0, 2.0)) == (2.0, 2.0, 450.0)


def test_one_candidate_is_adopted_until_its_results_prove_it() -> None:
    value = after(active(SUBMITTING), events.Listed("0001", NOW, (batch(),), NOW + 9))
    found = only(value)
    assert (found.phase, found.due, found.batch) == (SUBMITTED, 0.0, sent(provisional=True))
    for event in (events.Polled("0001", batch(ended=True), 0.0), events.Fetched("0001", tally(), {})):
        value = apply(value, event)
    assert only(value).batch is not None
    assert only(value).batch.provisional is False  # type: ignore[union-attr]


def test_several_candidates_are_held_and_one_is_named() -> None:
    two = (batch("msgbatch_7"), batch("msgbatch_8"))
    held = after(active(SUBMITTING), events.Listed("0001", NOW, two, NOW + 9))
    assert only(held).phase is HELD
    assert (only(held).reason, only(held).candidates) == (Reason.SEVERAL, ("msgbatch_7", "msgbatch_8"))
    named = only(apply(held, events.Adopted("0001", two[1])))
    assert (named.phase, named.reason, named.candidates) == (SUBMITTED, None, ())
    assert named.batch == sent("msgbatch_8", provisional=True)


def test_one_batch_of_untold_size_is_taken_until_its_results_tell() -> None:
    found = only(after(active(SUBMITTING), events.Unclear("0001", NOW, (untold("msgbatch_7"),), NOW + 9)))
    assert (found.phase, found.reason, found.due) == (SUBMITTED, None, 0.0)
    assert found.batch is not None and (found.batch.id, found.batch.provisional) == ("msgbatch_7", True)


def test_several_batches_of_untold_size_are_no_proof_and_a_person_is_asked_after_a_day() -> None:
    two = (untold("msgbatch_7"), untold("msgbatch_8"))
    value = state(active(SUBMITTING))
    for at in (NOW, NOW + 450, NOW + 900, NOW + DAY):
        value = apply(value, events.Unclear("0001", at, two, at + 450))
        assert (only(value).phase, only(value).due, only(value).intent) == (SUBMITTING, at + 450, intent())
        assert only(value).detail == (
            "how many requests msgbatch_7 and 1 more have is not told: each could be its batch"
        )
    held = only(apply(value, events.Unclear("0001", NOW + DAY + 1, two, 0.0)))
    assert (held.phase, held.reason, held.candidates) == (HELD, Reason.SEVERAL, ("msgbatch_7", "msgbatch_8"))


def test_batches_that_ended_without_counts_will_never_tell() -> None:
    ended = tuple(replace(untold(name), processing_status=ProcessingStatus.ENDED) for name in ("a", "b"))
    held = only(after(active(SUBMITTING), events.Unclear("0001", NOW, ended, NOW + 9)))
    assert (held.phase, held.reason, held.candidates) == (HELD, Reason.SEVERAL, ("a", "b"))


def test_an_unclear_listing_that_comes_late_changes_nothing() -> None:
    before = active(SUBMITTED)
    assert only(after(before, events.Unclear("0001", NOW, (untold("b"),), 0.0))) == before


def test_a_wrong_adoption_goes_back_to_looking_without_that_batch() -> None:
    adopted = active(ENDED, batch=sent("msgbatch_7", provisional=True), intent=intent(clean=(NOW,)))
    found = only(after(adopted, events.Disproved("0001", "another nonce")))
    assert (found.phase, found.batch, found.due) == (SUBMITTING, None, 0.0)
    assert found.intent == intent(excluded=("msgbatch_7",))
    again = after(found, events.Listed("0001", NOW, (batch("msgbatch_8"),), 0.0))
    assert only(again).batch == sent("msgbatch_8", provisional=True)


def test_a_batch_the_api_gave_us_that_is_not_ours_is_held() -> None:
    found = only(after(active(ENDED), events.Disproved("0001", "another nonce")))
    assert (found.phase, found.reason, found.detail) == (HELD, Reason.FOREIGN, "another nonce")


def test_a_listing_that_comes_late_changes_nothing() -> None:
    before = active(SUBMITTED)
    assert only(after(before, events.Listed("0001", NOW, (batch("msgbatch_7"),), 0.0))) == before


# ---- submitting, polling, fetching


def test_a_submission_that_is_put_off_is_as_if_it_had_not_been_tried() -> None:
    value = after(
        active(PLANNED),
        events.SubmitStarted("0001", intent()),
        events.SubmitDeferred("0001", NOW + 60, "429: the queue is full"),
    )
    found = only(value)
    assert (found.phase, found.intent, found.due) == (PLANNED, None, NOW + 60)
    assert found.detail == "429: the queue is full"
    assert next_action(value, POLICY, NOW) == Wait(NOW + 60)
    assert verdict(value, POLICY) is Verdict.NEW


def test_a_batch_that_ends_makes_room_for_what_was_put_off() -> None:
    waiting = active(PLANNED, "0002", due=NOW + 3600)
    value = state(active(SUBMITTED), waiting, active(SUBMITTED, "0003", due=NOW + 7))
    value = apply(value, events.Polled("0001", batch(ended=True), 0.0))
    assert [s.due for s in value.shards] == [0.0, 0.0, NOW + 7]
    assert value.shards[0].phase is ENDED


def test_what_ended_stays_ended() -> None:
    ended = active(ENDED)
    assert only(after(ended, events.Polled("0001", batch(), NOW + 60))) == ended


def test_results_that_never_prove_complete_are_held_after_a_few_tries() -> None:
    value = state(active(ENDED))
    for number in range(1, FETCH_TRIES):
        value = apply(value, events.FetchFailed("0001", NOW + number, f"cut {number}"))
        assert (only(value).phase, only(value).due) == (ENDED, NOW + number)
    found = only(apply(value, events.FetchFailed("0001", NOW, "cut")))
    assert (found.phase, found.reason, found.detail) == (HELD, Reason.RESULTS, "cut")


def test_new_results_call_for_a_new_answer() -> None:
    assert after(active(ENDED), events.Fetched("0001", tally(), {}), collected=collected()).collected is None


# ---- new rows


@pytest.mark.parametrize(
    ("one", "kept"),
    [
        (active(PLANNED), False),
        (active(SUBMITTING), True),
        (active(SUBMITTED), True),
        (active(ENDED), True),
        (active(FETCHED), True),
        (active(HELD), True),
        (active(REFUSED, reason=Reason.REJECTED), False),
        (active(REFUSED, reason=Reason.LOST), False),
        (active(REFUSED, reason=Reason.TOO_LARGE), False),
        (active(REFUSED, reason=Reason.REPLACED), True),
        (active(REFUSED, reason=Reason.ABANDONED), True),
    ],
)
def test_new_rows_replace_what_was_never_created(one: Shard, kept: bool) -> None:
    new = shard("0007")
    other = expansion(rows_sha256="99" * 32)
    value = after(one, events.Prepared(other, (new,)), collected=collected(), canceled=True)
    assert value.shards == ((one, new) if kept else (new,))
    assert (value.collected, value.canceled, value.expansion) == (None, False, other)
    # What goes must not be counted as answered or under way, and what may be paid for must be.
    assert bool(live((one,))) is (kept and one.phase is not REFUSED)


def test_a_cancellation_stands_while_the_rows_ask_for_the_same() -> None:
    same = events.Prepared(expansion(settings="other columns"), (shard("0007"),))
    value = after(active(FETCHED), same, canceled=True)
    assert value.canceled is True
    assert next_action(value, POLICY, NOW) == Collect()


def test_new_rows_ask_anew_which_failed_rows_are_worth_another_attempt() -> None:
    failed = active(FETCHED, tally=tally(succeeded=9, expired=1), retried=True)
    second = active(PLANNED, "0002", attempt=2)
    value = apply(state(failed, second), events.Prepared(expansion(), ()))
    assert next_action(value, POLICY, NOW) == Retry((replace(failed, retried=False),))


def test_files_that_were_only_touched_change_nothing_else() -> None:
    value = after(active(FETCHED), events.Refreshed(expansion(rows=12)), collected=collected())
    assert value == replace(state(active(FETCHED), collected=collected()), revision=1)


def test_an_answer_that_was_only_touched_stays() -> None:
    output = replace(collected().output, mtime_ns=9)
    value = after(
        active(FETCHED), events.OutputTouched(output), collected=collected(), written=collected().output
    )
    kept = replace(collected(), output=output)
    assert value == replace(state(active(FETCHED), collected=kept, written=output), revision=1)


# ---- asking again


@pytest.mark.parametrize(
    ("one", "worth"),
    [
        (active(FETCHED, tally=tally(succeeded=10)), False),
        (active(FETCHED, tally=tally(succeeded=9, expired=1)), True),
        (active(FETCHED, tally=tally(succeeded=9, errored=1)), True),
        (active(FETCHED, tally=tally(succeeded=9, canceled=1)), True),
        (active(FETCHED, tally=tally(succeeded=9, canceled=1), canceling=True), False),
        (active(FETCHED, tally=tally(succeeded=8, canceled=1, expired=1), canceling=True), True),
        (active(FETCHED, tally=tally(succeeded=9, expired=1), attempt=2), True),
        (active(FETCHED, tally=tally(succeeded=9, expired=1), attempt=3), False),
        (active(FETCHED, tally=tally(succeeded=9, expired=1), retried=True), False),
        (active(FETCHED, tally=replace(tally(), errors={"invalid_request_error": 3})), False),
        (active(FETCHED, tally=replace(tally(), errors={"billing_error": 3})), False),
        (active(FETCHED, tally=replace(tally(), errors={"overloaded_error": 3})), True),
        (active(ENDED), False),
    ],
)
def test_which_shards_have_rows_worth_another_attempt(one: Shard, worth: bool) -> None:
    assert shard_retryable(one, POLICY) is worth


def test_failed_rows_are_asked_again_once_all_else_is_fetched_and_then_the_answer_is_written() -> None:
    failed = active(FETCHED, tally=tally(succeeded=9, expired=1))
    assert step(failed, active(SUBMITTED, "0002", due=NOW + 5)) == Wait(NOW + 5)
    value = state(failed)
    assert next_action(value, POLICY, NOW) == Retry((failed,))
    none = apply(value, events.Retried(("0001",), ()))
    assert next_action(none, POLICY, NOW) == Collect()
    some = apply(value, events.Retried(("0001",), (shard("0002", attempt=2),)))
    assert next_action(some, POLICY, NOW) == Submit(shard("0002", attempt=2))


@pytest.mark.parametrize(("abandoned", "reason"), [(False, Reason.REPLACED), (True, Reason.ABANDONED)])
def test_requests_that_stand_in_new_shards(abandoned: bool, reason: Reason) -> None:
    halves = (shard("0002"), shard("0003"))
    value = after(active(REFUSED), events.Replaced("0001", halves, abandoned))
    assert (value.shards[0].phase, value.shards[0].reason) == (REFUSED, reason)
    assert value.shards[1:] == halves
    assert next_action(value, POLICY, NOW) == Submit(halves[0])


# ---- canceling and going on


def test_a_canceled_job_goes_on_when_it_is_wanted_again() -> None:
    """Canceled before all was sent, collected, and reopened: the answer must be written anew."""
    value = state(active(FETCHED, "0001"), active(PLANNED, "0002"), active(REFUSED, "0003"))
    value = apply(value, events.CancelAsked())
    assert next_action(value, POLICY, NOW) == Collect()
    value = apply(value, events.Gathered(collected(good=False)))
    assert (verdict(value, POLICY), next_action(value, POLICY, NOW)) == (Verdict.DONE, None)
    value = apply(value, events.Reopened())
    assert next_action(value, POLICY, NOW) == Resend(value.shards[2])
    assert verdict(value, POLICY) is Verdict.RUNNING


@pytest.mark.parametrize(
    ("one", "phase"),
    [
        (active(REFUSED, reason=Reason.REJECTED, detail="400"), PLANNED),
        (active(HELD, reason=Reason.RESULTS, batch=sent(), fetch_tries=5), SUBMITTED),
        (active(HELD), HELD),
        (active(REFUSED, reason=Reason.LOST), REFUSED),
        (active(FETCHED), FETCHED),
    ],
)
def test_what_is_reopened(one: Shard, phase: Phase) -> None:
    found = only(after(one, events.Reopened()))
    assert (found.phase, found.fetch_tries) == (phase, 0)


def test_a_finished_job_has_nothing_to_cancel() -> None:
    assert after(active(FETCHED), events.CancelAsked(), collected=collected()).canceled is False
    assert after(active(FETCHED), events.CancelAsked(), collected=collected(), canceled=True).canceled is True
    assert after(active(SUBMITTED), events.CancelAsked()).canceled is True


def test_the_batches_of_a_canceled_job_are_looked_at_at_once() -> None:
    found = only(after(active(SUBMITTED, due=NOW + 60), events.CancelAsked(("0001",))))
    assert (found.canceling, found.due) == (True, 0.0)


def test_waking() -> None:
    value = wake(
        state(
            active(PLANNED, "0001", due=9.0),
            active(SUBMITTING, "0002", due=9.0),
            active(SUBMITTED, "0003", due=9.0),
            active(ENDED, "0004", due=9.0),
            active(HELD, "0005", reason=Reason.CREDENTIAL),
            active(HELD, "0006"),
        )
    )
    assert [s.due for s in value.shards] == [9.0, 9.0, 0.0, 0.0, 0.0, 0.0]
    assert [s.phase for s in value.shards[4:]] == [SUBMITTING, HELD]


# ---- money


def test_what_is_spent_at_stake_and_planned() -> None:
    value = state(
        active(FETCHED, "0001", tally=tally(cost=0.25)),
        active(SUBMITTING, "0002", cost=1.0),
        active(SUBMITTED, "0003", cost=2.0),
        active(ENDED, "0004", cost=4.0),
        active(HELD, "0005", cost=8.0),
        active(REFUSED, "0006", cost=16.0, reason=Reason.ABANDONED),
        active(REFUSED, "0007", cost=100.0, reason=Reason.LOST),
        active(REFUSED, "0008", cost=100.0, reason=Reason.REPLACED),
        active(PLANNED, "0009", cost=32.0),
        active(PLANNED, "0010", cost=64.0),
    )
    assert (spent(value), at_stake(value), planned(value)) == (0.25, 31.0, 96.0)
    assert over_budget(value, replace(POLICY, max_cost_usd=127.25)) is False
    assert over_budget(value, replace(POLICY, max_cost_usd=127.24)) is True
    assert over_budget(value, POLICY) is False


def test_a_budget_that_nothing_planned_would_touch() -> None:
    policy = replace(POLICY, max_cost_usd=0.0)
    assert over_budget(state(active(SUBMITTED)), policy) is False
    assert over_budget(state(active(PLANNED, cost=0.0)), policy) is False
    assert over_budget(state(active(PLANNED, cost=0.01)), policy) is True


def test_a_budget_cannot_be_held_where_a_price_is_unknown() -> None:
    unknown = state(active(PLANNED, cost=None))
    assert over_budget(unknown, POLICY) is False
    assert over_budget(unknown, replace(POLICY, max_cost_usd=1e9)) is True


def test_over_budget_nothing_new_is_sent_and_the_rest_goes_on() -> None:
    policy = replace(POLICY, max_cost_usd=1.5)
    running, new = active(SUBMITTED), active(PLANNED, "0002")
    assert step(running, new, policy=policy) == Poll(running, sent("msgbatch_0001"))
    value = state(active(FETCHED, tally=tally(cost=0.75)), new)
    assert next_action(value, policy, NOW) is None
    assert (verdict(value, policy), exit_code(value, policy)) == (Verdict.OVER_BUDGET, ExitCode.NEEDS_PERSON)
    assert next_action(apply(value, events.CancelAsked()), policy, NOW) == Collect()


# ---- how it stands


@pytest.mark.parametrize(
    ("value", "word", "code"),
    [
        (EMPTY, Verdict.NEW, ExitCode.NOT_FINISHED),
        (state(active(PLANNED)), Verdict.NEW, ExitCode.NOT_FINISHED),
        (state(active(SUBMITTING)), Verdict.RUNNING, ExitCode.NOT_FINISHED),
        (state(active(SUBMITTED)), Verdict.RUNNING, ExitCode.NOT_FINISHED),
        (state(active(ENDED)), Verdict.RUNNING, ExitCode.NOT_FINISHED),
        (state(active(FETCHED)), Verdict.RUNNING, ExitCode.NOT_FINISHED),
        (state(active(REFUSED)), Verdict.RUNNING, ExitCode.NOT_FINISHED),
        (state(active(HELD), active(SUBMITTED, "0002")), Verdict.HELD, ExitCode.NEEDS_PERSON),
        (state(active(REFUSED, reason=Reason.REJECTED)), Verdict.REJECTED, ExitCode.DATA),
        (
            state(active(REFUSED, reason=Reason.REJECTED), active(SUBMITTED, "0002")),
            Verdict.RUNNING,
            ExitCode.NOT_FINISHED,
        ),
        (
            state(active(REFUSED, reason=Reason.REJECTED), canceled=True, collected=collected(good=False)),
            Verdict.DONE,
            ExitCode.ROWS_FAILED,
        ),
        (state(active(FETCHED), collected=collected()), Verdict.DONE, ExitCode.OK),
        (state(active(FETCHED), collected=collected(good=False)), Verdict.DONE, ExitCode.ROWS_FAILED),
        (state(collected=collected()), Verdict.DONE, ExitCode.OK),
        (
            state(active(PLANNED), canceled=True, collected=collected(good=False)),
            Verdict.DONE,
            ExitCode.ROWS_FAILED,
        ),
    ],
)
def test_how_it_stands(value: RunState, word: Verdict, code: ExitCode) -> None:
    assert (verdict(value, POLICY), exit_code(value, POLICY)) == (word, code)


@pytest.mark.parametrize(("phase", "expected"), [(p, p in (SUBMITTING, SUBMITTED, ENDED)) for p in Phase])
def test_what_is_under_way(phase: Phase, expected: bool) -> None:
    assert under_way(state(active(phase))) is expected


@pytest.mark.parametrize(
    ("one", "waits"),
    [
        (active(PLANNED), True),
        (active(SUBMITTING), True),
        (active(SUBMITTED), True),
        (active(ENDED), True),
        (active(HELD), True),
        (active(REFUSED, reason=Reason.LOST), True),
        (active(REFUSED, reason=Reason.TOO_LARGE), True),
        (active(REFUSED, reason=Reason.REJECTED), True),
        (active(REFUSED, reason=Reason.REPLACED), False),
        (active(REFUSED, reason=Reason.ABANDONED), False),
        (active(FETCHED), False),
    ],
)
def test_whose_requests_will_be_asked_or_are(one: Shard, waits: bool) -> None:
    assert bool(pending((one,))) is waits


def test_what_is_settled() -> None:
    for reason in (Reason.REPLACED, Reason.ABANDONED):
        assert settled(active(REFUSED, reason=reason), EMPTY)
    for one in (active(PLANNED), active(REFUSED), active(REFUSED, reason=Reason.REJECTED)):
        assert not settled(one, EMPTY)
        assert settled(one, replace(EMPTY, canceled=True))
    for one in (active(SUBMITTING), active(SUBMITTED), active(ENDED), active(HELD)):
        assert not settled(one, replace(EMPTY, canceled=True))


def test_results_that_are_gone_are_fetched_again() -> None:
    before = state(active(FETCHED), collected=collected())
    value = apply(before, events.ResultsGone("0001", "its results are not there"))
    [shard] = value.shards
    assert (shard.phase, shard.tally, shard.results_sha256, value.collected) == (ENDED, None, "", None)
    assert isinstance(next_action(value, POLICY, NOW), Fetch)
    assert apply(value, events.Fetched("0001", tally(), {}, "ab" * 32)).shards[0].phase is FETCHED


# ---- every event in every phase


@pytest.mark.parametrize("event", every_event(), ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("phase", list(Phase))
def test_any_event_in_any_phase(event: events.Event, phase: Phase) -> None:
    """Total: there is always a state after it, one that can be saved, read and carried on from."""
    before = state(active(phase), canceled=True)
    value = apply(before, event)
    assert value.revision == before.revision + 1
    assert loads(dumps(value), where="") == value
    found = next((s for s in value.shards if s.id == "0001"), None)
    if phase is FETCHED and not isinstance(event, events.ResultsGone):
        assert found is not None
        assert (found.phase, found.tally) == (FETCHED, tally())
    if phase in (SUBMITTING, SUBMITTED, ENDED, HELD):
        assert found is not None  # it may have been paid for
    next_action(value, POLICY, NOW)
    verdict(value, POLICY)


# ---- a batch that is gone ------------------------------------------------------------------------


def unseen(at: float, *, not_found: bool = True) -> events.Unseen:
    return events.Unseen("0001", at, at + 60, "no such batch", not_found)


def test_a_batch_that_stays_gone_for_a_day_waits_for_a_person() -> None:
    value = after(active(SUBMITTED), unseen(NOW), unseen(NOW + DAY))
    assert (only(value).phase, only(value).reason) == (SUBMITTED, Reason.NOT_FOUND)
    value = apply(wake(value), unseen(NOW + DAY + 1))  # over several runs, too
    assert (only(value).phase, only(value).reason) == (HELD, Reason.NOT_FOUND)
    assert exit_code(value, POLICY) is ExitCode.NEEDS_PERSON
    assert isinstance(step(only(wake(value))), Poll)  # each run looks once more
    assert only(apply(wake(value), unseen(NOW + 2 * DAY))).phase is HELD


def test_only_the_time_it_was_gone_counts() -> None:
    value = after(active(SUBMITTED), unseen(NOW, not_found=False), unseen(NOW + 2 * DAY))
    assert only(value).phase is SUBMITTED
    seen = apply(value, events.Polled("0001", batch("msgbatch_1"), NOW + 3 * DAY))
    assert only(apply(seen, unseen(NOW + 4 * DAY))).phase is SUBMITTED


def test_a_batch_that_is_archived_waits_for_a_person() -> None:
    gone = replace(batch("msgbatch_1"), processing_status="ended", archived_at=batch().created_at)
    value = after(active(SUBMITTED), events.Polled("0001", gone, NOW))
    assert (only(value).phase, only(value).detail) == (HELD, "the API has archived it: its results are gone")
    back = apply(wake(value), events.Polled("0001", replace(gone, archived_at=None), NOW))
    assert only(back).phase is ENDED
