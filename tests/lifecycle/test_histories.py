"""Random histories of a job, against a model of the API: what `lifecycle.transitions` promises, whatever happens.

The machine plays the engine with every outcome the world may have: lost replies, lagging lists, other people's
batches, crashes (the state is saved and read after every event), clocks that are set, new rows, and people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from batchrun.cost.amounts import Estimate, Tally
from batchrun.lifecycle import actions, events, phases, transitions, verdicts
from batchrun.lifecycle.phases import live, pending
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Phase, Reason, Shard, dumps, loads
from batchrun.lifecycle.transitions import apply, next_action
from batchrun.lifecycle.verdicts import Verdict
from batchrun.model import Batch, RequestCounts, Timing
from tests.states import EMPTY, NOW, batch, collected, expansion, intent

KEYS = range(12)
LAG = 300.0
"""Seconds for which a new batch may be missing from the list; design §4 allows for a quarter of an hour."""

TIMING = Timing(poll_interval=60.0, poll_timeout=25 * 3600.0)
SUCCEEDED, ERRORED, EXPIRED, CANCELED = "succeeded", "errored", "expired", "canceled"


@dataclass
class Remote:
    """A batch at the API. `keys` by result, once it has ended; None for somebody else's."""

    number: int
    nonce: str
    requests: int
    created_at: float
    keys: frozenset[int] | None
    results: dict[int, str] = field(default_factory=dict)
    ended: bool = False
    canceling: bool = False

    @property
    def id(self) -> str:
        return f"msgbatch_{self.number}"


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = EMPTY
        self.server = self.clock = NOW
        self.remotes: list[Remote] = []
        self.keys: dict[str, frozenset[int]] = {}  # of every shard there ever was
        self.wanted: frozenset[int] = frozenset()
        self.fetched: dict[str, Tally] = {}
        self.answers: dict[int, tuple[str, str]] = {}  # key → its last result, and the nonce of its shard
        self.posted: dict[str, str] = {}  # nonce → what came of its POST
        self.counter = 0

    @initialize(
        attempts=st.integers(1, 3),
        in_flight=st.none() | st.integers(1, 6),
        budget=st.none() | st.integers(0, 60),
    )
    def begin(self, attempts: int, in_flight: int | None, budget: int | None) -> None:
        self.policy = Policy(TIMING, attempts, in_flight, budget)
        self.record(events.Prepared(expansion(), ()))

    # ---- the engine's part

    def record(self, event: events.Event) -> None:
        before = self.state
        after = apply(before, event)
        assert after.revision == before.revision + 1
        self.state = loads(dumps(after), where="")  # as a process finds it that starts now
        assert self.state == after

    def cut(self, keys: Iterable[int], size: int, attempt: int = 1) -> tuple[Shard, ...]:
        rest, shards = sorted(keys), []
        while rest:
            self.counter += 1
            name, here, rest = f"{self.counter:04d}", rest[:size], rest[size:]
            self.keys[name] = frozenset(here)
            bound = Estimate(requests=len(here), cost_high=float(len(here)))
            shards.append(Shard(name, f"nonce-{name}", len(here), 99, "", bound, attempt))
        return tuple(shards)

    def held_back(self) -> set[int]:
        """The keys that must not be asked: answered, under way, or perhaps so."""
        return {key for s in live(self.state.shards) for key in self.keys[s.id]}

    def submit(self, shard: Shard, outcome: str) -> None:
        assert not self.state.canceled
        assert self.posted.get(shard.nonce) in (None, "deferred", "refused"), "nothing may be sent twice"
        if self.policy.max_cost_usd is not None:
            assert self.committed() + shard.requests <= self.policy.max_cost_usd + 1e-9
        newest = self.remotes[-1] if self.remotes else None
        baseline = newest.id if newest else None
        self.record(events.SubmitStarted(shard.id, intent(self.clock, baseline_id=baseline)))
        self.posted[shard.nonce] = outcome
        match outcome:
            case "accepted":
                self.record(events.SubmitAccepted(shard.id, self.seen(self.create(shard)), self.clock + 60))
            case "lost reply":
                self.create(shard)
                self.record(events.SubmitUnknown(shard.id, "read timed out"))
            case "crash after":
                self.create(shard)
            case "crash before":
                pass
            case "deferred":
                self.record(events.SubmitDeferred(shard.id, self.clock + 60, "429"))
            case "refused":
                reason = Reason.TOO_LARGE if shard.requests > 1 else Reason.REJECTED
                self.record(events.SubmitRefused(shard.id, reason, "4xx"))

    def create(self, shard: Shard) -> Remote:
        number = len(self.remotes) + 1
        remote = Remote(number, shard.nonce, shard.requests, self.server, self.keys[shard.id])
        self.remotes.append(remote)
        return remote

    def seen(self, remote: Remote) -> Batch:
        plain = batch(remote.id, at=remote.created_at, requests=remote.requests, ended=remote.ended)
        return replace(plain, request_counts=counts(remote) if remote.ended else plain.request_counts)

    def remote(self, name: str) -> Remote:
        return next(r for r in self.remotes if r.id == name)

    def reconcile(self, action: actions.Reconcile, lagging: bool) -> None:
        shard, found = action.shard, action.intent
        if transitions.proven_lost(found, TIMING):
            self.record(events.ProvenLost(shard.id))
            return
        first = self.remote(found.baseline_id).number if found.baseline_id else 0
        others = [s for s in self.state.shards if s.batch and s.id != shard.id]
        proven = {s.batch.id for s in others if s.batch and not s.batch.provisional} | set(found.excluded)
        claimed = {s.batch.id for s in others if s.batch and s.phase is not Phase.REFUSED}
        fitting = [
            self.seen(r)
            for r in self.remotes[first:]
            if r.id not in proven
            and r.requests == shard.requests
            and not (lagging and self.server < r.created_at + LAG)
        ]
        due = self.clock + transitions.listing_gap(TIMING)
        free = tuple(b for b in reversed(fitting) if b.id not in claimed)
        if free or not fitting:
            self.record(events.Listed(shard.id, self.server, free, due))
        else:  # whose it is, its results have to tell
            self.record(events.Unseen(shard.id, self.clock, due, "another shard may have it"))

    def fetch(self, action: actions.Fetch, outcome: str) -> None:
        shard, remote = action.shard, self.remote(action.batch.id)
        if outcome == "unseen" or not remote.ended:
            self.record(events.Unseen(shard.id, self.clock, self.clock + 60, "503"))
        elif outcome == "cut":
            self.record(events.FetchFailed(shard.id, self.clock + 5, "cut"))
        elif remote.nonce != shard.nonce:
            self.record(events.Disproved(shard.id, "another nonce"))
        else:
            errors = {"api_error": n} if (n := counts(remote).errored) else {}
            tally = Tally(counts(remote), errors, cost_usd=counts(remote).succeeded * 0.5)
            for key, result in remote.results.items():
                if self.answers.get(key, ("",))[0] != SUCCEEDED:
                    self.answers[key] = (result, shard.nonce)
            self.fetched[shard.id] = tally
            self.record(events.Fetched(shard.id, tally, {}))

    def again(self, shard: Shard, *, every: bool) -> Iterator[int]:
        needed = self.wanted - {key for s in pending(self.state.shards) for key in self.keys[s.id]}
        for key in self.keys[shard.id] & needed:
            result, nonce = self.answers[key]
            worth = result in (EXPIRED, ERRORED) or (result == CANCELED and not shard.canceling)
            if nonce == shard.nonce and (worth or (every and result != SUCCEEDED)):
                yield key

    def retry(self, shards: Iterable[Shard], size: int, *, every: bool) -> None:
        looked_at = tuple(shards)
        new: list[Shard] = []
        for shard in looked_at:
            new += self.cut(self.again(shard, every=every), size, shard.attempt + 1)
        self.record(events.Retried(tuple(s.id for s in looked_at), tuple(new)))

    def perform(self, action: actions.Action, data: Any, size: int) -> None:
        match action:
            case actions.Submit(shard):
                outcomes = ["accepted", "lost reply", "crash after", "crash before", "deferred", "refused"]
                self.submit(shard, data.draw(st.sampled_from(outcomes)))
            case actions.Reconcile():
                self.reconcile(action, data.draw(st.booleans()))
            case actions.Resend(shard):
                limit = (shard.requests + 1) // 2 if shard.reason is Reason.TOO_LARGE else shard.requests
                others = [s for s in pending(self.state.shards) if s.id != shard.id]
                needed = self.wanted - {key for s in others for key in self.keys[s.id]}
                again = self.cut(self.keys[shard.id] & needed, limit, shard.attempt)
                self.record(events.Replaced(shard.id, again))
            case actions.Poll(shard, sent):
                remote = self.remote(sent.id)
                if data.draw(st.booleans()):
                    self.record(events.Polled(shard.id, self.seen(remote), self.clock + 60))
                    if self.state.canceled and phases.cancelable(shard) and not remote.ended:
                        remote.canceling = True
                        self.record(events.CancelAsked((shard.id,)))
                else:
                    self.record(events.Unseen(shard.id, self.clock, self.clock + 60, "404"))
            case actions.Fetch():
                self.fetch(action, data.draw(st.sampled_from(["whole", "whole", "cut", "unseen"])))
            case actions.Retry(shards):
                self.retry(shards, size, every=False)
            case actions.Collect():
                self.record(events.Gathering(collected().output))
                self.record(events.Gathered(collected()))

    # ---- what happens

    @rule(data=st.data(), size=st.integers(1, 4))
    def run(self, data: Any, size: int) -> None:
        """All there is to do now. It ends, though no time passes."""
        self.state = transitions.wake(self.state)
        for _ in range(400):
            action = next_action(self.state, self.policy, self.clock)
            if action is None or isinstance(action, actions.Wait):
                assert action is None or action.until > self.clock
                return
            self.perform(action, data, size)
        raise AssertionError("it never ends")

    @rule(seconds=st.sampled_from([1.0, 60.0, 450.0, 3600.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.clock += seconds
        self.server += seconds

    @rule(seconds=st.sampled_from([-1e9, -7200.0, 7200.0, 1e9]))
    def set_the_clock(self, seconds: float) -> None:
        self.clock += seconds

    @rule(data=st.data())
    def batches_end(self, data: Any) -> None:
        for remote in self.remotes:
            if remote.ended or not data.draw(st.booleans()):
                continue
            words = [SUCCEEDED, SUCCEEDED, ERRORED, EXPIRED, *([CANCELED] if remote.canceling else [])]
            remote.ended = True
            keys = remote.keys if remote.keys is not None else range(-remote.requests, 0)
            remote.results = {key: data.draw(st.sampled_from(words)) for key in keys}

    @rule(requests=st.integers(1, 4))
    def somebody_else_submits(self, requests: int) -> None:
        number = len(self.remotes) + 1
        self.remotes.append(Remote(number, "not-ours", requests, self.server, None))

    @rule(wanted=st.frozensets(st.sampled_from(KEYS)), size=st.integers(1, 4))
    def rows_change(self, wanted: frozenset[int], size: int) -> None:
        self.wanted = wanted
        new = wanted - self.held_back()
        digest = "".join(f"{key:02x}" for key in sorted(wanted)).ljust(64, "0")
        self.record(events.Prepared(expansion(rows_sha256=digest), self.cut(new, size)))

    @rule()
    def cancel(self) -> None:
        self.record(events.CancelAsked())

    @rule(size=st.integers(1, 4))
    def retry_by_hand(self, size: int) -> None:
        self.record(events.Reopened())
        self.retry([s for s in self.state.shards if s.phase is Phase.FETCHED], size, every=True)

    @rule()
    def output_is_touched(self) -> None:
        if self.state.collected:
            self.record(events.OutputTouched(self.state.collected.output))

    @rule()
    def output_disappears(self) -> None:
        self.record(events.OutputGone())

    @precondition(lambda self: any(s.phase is Phase.HELD for s in self.state.shards))
    @rule(data=st.data())
    def decide(self, data: Any) -> None:
        shard = data.draw(st.sampled_from([s for s in self.state.shards if s.phase is Phase.HELD]))
        owned = {s.batch.id for s in self.state.shards if s.batch and s.id != shard.id}
        fitting = [r for r in self.remotes if r.id not in owned and r.requests == shard.requests]
        if fitting and data.draw(st.booleans()):
            self.record(events.Adopted(shard.id, self.seen(data.draw(st.sampled_from(fitting)))))
        else:
            new = self.cut(self.keys[shard.id], shard.requests, shard.attempt)
            self.record(events.Replaced(shard.id, new, abandoned=True))

    # ---- what always holds

    def committed(self) -> float:
        """What the API may charge for what it has of ours: results at their cost, the rest at its bound."""
        cost = {self.state.shard(name).nonce: tally.cost_usd for name, tally in self.fetched.items()}
        return sum(cost.get(r.nonce, r.requests) for r in self.remotes if r.keys is not None)

    @invariant()
    def no_request_is_under_way_twice(self) -> None:
        going = [s for s in self.state.shards if s.phase not in (Phase.FETCHED, Phase.REFUSED)]
        keys = [key for s in going for key in self.keys[s.id]]
        assert len(keys) == len(set(keys))

    @invariant()
    def what_succeeded_is_not_asked_again(self) -> None:
        for shard in self.state.shards:
            if shard.phase is Phase.PLANNED:
                assert all(self.answers.get(k, ("",))[0] != SUCCEEDED for k in self.keys[shard.id])

    @invariant()
    def what_is_fetched_stays(self) -> None:
        for name, tally in self.fetched.items():
            shard = self.state.shard(name)
            assert (shard.phase, shard.tally) == (Phase.FETCHED, tally)

    @invariant()
    def what_may_be_paid_for_is_known(self) -> None:
        """A batch of ours is a live shard's, or one that a person gave up."""
        known = {s.nonce for s in self.state.shards if s in live((s,)) or s.reason is Reason.ABANDONED}
        assert {r.nonce for r in self.remotes if r.keys is not None} <= known

    @invariant()
    def done_means_that_every_row_has_its_answer(self) -> None:
        if verdicts.verdict(self.state, self.policy) is Verdict.DONE and not self.state.canceled:
            assert self.wanted <= self.answers.keys()
            assert next_action(self.state, self.policy, self.clock) is None


def counts(remote: Remote) -> RequestCounts:
    results = list(remote.results.values())
    return RequestCounts(**{word: results.count(word) for word in set(results)})


Histories.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestHistories = Histories.TestCase
