"""decide → perform → apply → save: the one place where effects are ordered.

`lifecycle.transitions` decides, this performs, and every event is on disk before the next effect. Nothing here
prints; an `Observer` hears of every event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import assert_never

from batchrun.cost.prices import PriceBook
from batchrun.errors import (
    ApiError,
    BillingStopped,
    DataError,
    DiskError,
    IncompleteResults,
    KeyRefused,
    NotFound,
    Problem,
    TooLarge,
)
from batchrun.fs import files
from batchrun.lifecycle import actions, candidates, events, phases, transitions
from batchrun.lifecycle.events import Event
from batchrun.lifecycle.observer import Observer, harmless
from batchrun.lifecycle.policy import policy_of
from batchrun.lifecycle.state import Collected, Intent, Phase, Reason, RunState, SentBatch, Shard
from batchrun.lifecycle.transitions import apply, next_action
from batchrun.model import Batch, FileFact, Job
from batchrun.outputs.collect import collect
from batchrun.providers.base import Baseline, OutcomeUnknown, Provider, Rejected, TryLater
from batchrun.results.proof import ForeignResults, prove
from batchrun.run.outputplace import refuse_foreign
from batchrun.run.prepare import prepare, still_current
from batchrun.run.reshard import outdated, resend, retry_rows, sources
from batchrun.run.retired import day_of, refuse_retired, retired_of
from batchrun.rundir.filefacts import relative, seen_at
from batchrun.rundir.integrity import body_to_send, expansion_is_whole, gone_results
from batchrun.rundir.shards import custom_ids
from batchrun.rundir.store import Store

SUBMIT_PAUSE = 900.0
"""The longest pause between two tries to submit, in seconds, unless the server asks for more."""

FETCH_PAUSE = 5.0
"""Seconds before results that did not prove complete are fetched again; doubled each time: almost three hours."""


class Engine:
    """Runs one job whose lock the caller holds.

    `connect` is called when the API is first needed, and not before: a finished job needs no key.
    """

    def __init__(
        self,
        job: Job,
        store: Store,
        connect: Callable[[], Provider],
        observer: Observer,
        *,
        origin: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
        today: date | None = None,
        retired: Sequence[Problem] = (),
    ) -> None:
        """`today` decides which models have retired; `retired` is what the spec's reader says of one that has."""
        self.job, self.store = job, store
        self._connect, self._observer = connect, observer
        self._clock, self._sleep, self._shield = clock, sleep, shield
        self._provider: Provider | None = None
        self.state = store.load() or RunState(job.name, job.spec.name, "anthropic", origin)
        self._today, self._retired = today or day_of(clock()), retired
        self.policy = replace(policy_of(job), retired=retired_of(self.state.shards, self._today))
        self.overwrite = False
        """Whether the caller lets the answer replace a file of somebody else."""
        store.refuse_older(self.state)

    # ---- the loop

    def prepare(self, media: set[str] | None = None) -> None:
        """Bring the expansion up to date; the files that rows name are added to `media`. Raises DataError
        before anything is sent."""
        self._heed_cancel_marker()  # before today's rows: it was about what was asked until now
        if not self.store.state_file.exists():
            self.store.save(self.state)
        expansion = self.state.expansion
        current = (
            still_current(expansion, self.job)
            if expansion and expansion_is_whole(self.state, self.store)
            else None
        )
        if current is None:
            found = prepare(self.job, self.state, self.store, media)
            for problem in found.warnings:
                with harmless():
                    self._observer.warning(problem)
            if not (
                self.state.canceled and expansion and expansion.rows_sha256 == found.expansion.rows_sha256
            ):
                self.refuse_retired(found.shards)
            gone = outdated(self.state, self.store.rows(found.expansion.rows_file), self.store)
            self.record(events.Prepared(found.expansion, found.shards, gone))
        else:
            if not self.state.canceled:
                self.refuse_retired([s for s in self.state.shards if phases.never_created(s)])
            if current != expansion:
                self.record(events.Refreshed(current))
        self.look_at_output(self.job)
        self.store.sweep(self.state)
        files.sweep_parts(self.job.output.path)

    def look_at_output(self, job: Job) -> None:
        """Take note of an answer that is not as `job` had it written."""
        if collected := self.state.collected:
            output = seen_at(job.output.path, collected.output, job.root)
            if output is None:
                self.record(events.OutputGone())
            elif output != collected.output:
                self.record(events.OutputTouched(output))

    def run(self, *, wait: bool, patient: bool = False) -> RunState:
        """Do all there is to do; with `wait`, also wait for it. Every event is saved as it happens.

        A run asks at once how the batches are; a `patient` one asks of each only when it is due.
        """
        if not patient:
            self.state = transitions.wake(self.state)
        while True:
            self._heed_cancel_marker()
            match next_action(self.state, self.policy, self._clock()):
                case None:
                    return self.state
                case actions.Wait(until):
                    if not wait:
                        return self.state
                    self._wait(until)
                case action:
                    self.perform(action)

    def record(self, event: Event) -> None:
        """Apply, save, tell: in this order."""
        before = self.state
        if isinstance(event, events.SubmitDeferred | events.SubmitRefused | events.ProvenLost):
            # First: a mark beside a shard that is planned tells of a state older than the POST.
            files.remove_mark(self.store.sent_mark(event.shard_id))
        self.state = apply(before, event)
        self.store.save(self.state)
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        self.store.log(now, type(event).__name__, _brief(event))
        with harmless():
            self._observer.event(event, before, self.state)

    def refuse_retired(self, shards: Sequence[Shard]) -> None:
        """Raise SpecError where one of `shards`, which would be sent, asks a model that is not there any more."""
        refuse_retired(shards, self._retired, self.state, self._today, where=str(self.job.spec))

    def now(self) -> float:
        """Seconds since the epoch, by the clock of this run."""
        return self._clock()

    @property
    def provider(self) -> Provider:
        if self._provider is None:
            self._provider = self._connect()
        return self._provider

    def perform(self, action: actions.Action) -> None:
        """Do it; every event is on disk before the next effect."""
        happening = self._perform(action)
        if not isinstance(action, actions.Submit):
            for event in happening:
                self.record(event)
            return
        # From the intent on, the outcome of a POST should be on disk before a signal is heard.
        self.record(next(happening))
        with self._shield():
            for event in happening:
                self.record(event)

    def _wait(self, until: float) -> None:
        with harmless():
            self._observer.waiting(until, self.state)
        # In short naps: a laptop that slept through the time, or a clock that was set, is noticed soon.
        self._sleep(min(max(until - self._clock(), 0.05), 5.0))

    def _heed_cancel_marker(self) -> None:
        if self.store.cancel_marker().exists():
            self.cancel()

    # ---- the effects

    def _perform(self, action: actions.Action) -> Iterator[Event]:
        match action:
            case actions.Submit(shard):
                return self._submit(shard)
            case actions.Reconcile(shard, intent):
                return self._reconcile(shard, intent)
            case actions.Resend(shard):
                return self._resend(shard)
            case actions.Poll(shard, batch):
                return self._poll(shard, batch)
            case actions.Fetch(shard, batch):
                return self._fetch(shard, batch)
            case actions.Retry(shards):
                return self._retry(shards)
            case actions.Collect():
                return self._collect(self.job)
            case actions.Wait():
                return iter(())
        assert_never(action)

    def _submit(self, shard: Shard) -> Iterator[Event]:
        """Design §4: baseline, intent on disk, one POST, outcome on disk."""
        path = body_to_send(shard, self.store)
        try:
            baseline = self.provider.newest()
        except (ApiError, TryLater) as error:
            error.hint = f"shard {shard.id} was not submitted\n{error.hint}".strip()
            if not isinstance(error, TryLater) or not phases.under_way(self.state):
                raise
            yield events.SubmitDeferred(shard.id, self._next_try(shard, error.after), str(error))
            return
        yield events.SubmitStarted(
            shard.id,
            Intent(
                started_at=self._clock(),
                server_time=baseline.server_time,
                credential=baseline.credential,
                baseline_id=baseline.batch_id,
                baseline_created_at=baseline.created_at,
                excluded=baseline.known,
                known_since=baseline.known_since,
            ),
        )
        try:
            files.leave_mark(self.store.sent_mark(shard.id))
            batch = self.provider.create(
                path, requests=shard.requests, betas=shard.betas, api_version=shard.api_version
            )
        except TryLater as error:
            yield events.SubmitDeferred(shard.id, self._next_try(shard, error.after), str(error))
        except Rejected as error:
            yield from self._rejected(shard, error)
        except (DataError, DiskError) as error:  # the shard's file or its mark: nothing left this machine
            yield events.SubmitDeferred(shard.id, 0.0, str(error))
            raise
        except OutcomeUnknown as error:
            yield events.SubmitUnknown(shard.id, str(error))
            # Only its results can tell whether it is ours; forgotten, it would be paid for twice.
            if error.batch:
                yield events.Adopted(shard.id, error.batch)
        else:
            yield events.SubmitAccepted(shard.id, batch, self._next_poll(None))

    def _rejected(self, shard: Shard, error: Rejected) -> Iterator[Event]:
        cause = error.__cause__
        if isinstance(cause, BillingStopped | KeyRefused):
            yield events.SubmitDeferred(shard.id, 0.0, str(error))
            raise cause
        too_large = isinstance(cause, TooLarge) and shard.requests > 1
        reason = Reason.TOO_LARGE if too_large else Reason.REJECTED
        yield events.SubmitRefused(shard.id, reason, str(error))

    def _resend(self, shard: Shard) -> Iterator[Event]:
        """What is lost again and again is tried less and less often."""
        found = resend(shard, self.job, self.state, self.store)
        if shard.reason is Reason.LOST:
            due = self._next_try(shard, None)
            found = replace(found, shards=tuple(replace(s, due=due) for s in found.shards))
        yield found

    def _reconcile(self, shard: Shard, intent: Intent) -> Iterator[Event]:
        """Design §4, "Reconciling": what became of a POST whose outcome we do not know?"""
        if transitions.proven_lost(intent, self.job.timing):
            yield events.ProvenLost(shard.id)
            return
        try:
            now = self.provider.newest()
            if now.credential != intent.credential:
                detail = "another key or workspace than the one it was submitted with"
                yield events.Held(shard.id, Reason.CREDENTIAL, detail)
                return
            newer = self.provider.since(_baseline(intent))
        except TryLater as error:
            yield self._unseen(shard, error)
            return
        found, claims = self._candidates(shard, intent, newer), self._claims(shard)
        free = tuple(b for b in found if b.id not in claims)
        # The proof counts in the server's time: our own clock may be set while we look.
        due = self._clock() + transitions.listing_gap(self.job.timing)
        if found and not free:  # neither clean nor a candidate
            named = found[0].id
            detail = (
                f"first the results of {named} have to tell whether it is the batch of shard {claims[named]}"
            )
            yield events.Unseen(shard.id, self._clock(), due, detail)
        elif free and not any(candidates.fits(b, shard) for b in free):
            yield events.Unclear(shard.id, self._clock(), free, due)
        else:
            chosen = candidates.choose(free, shard)
            yield events.Listed(shard.id, now.server_time.timestamp(), chosen, due)

    def _candidates(self, shard: Shard, intent: Intent, newer: Sequence[Batch]) -> list[Batch]:
        """The batches that could be the shard's, for all that is proven."""
        batches = [s.batch for s in self.state.shards if s.batch and s.id != shard.id]
        proven = {b.id for b in batches if not b.provisional}
        taken = proven | self.store.owned_elsewhere() | set(intent.excluded)
        return [b for b in newer if b.id not in taken and candidates.could_be(b, shard)]

    def _claims(self, shard: Shard) -> dict[str, str]:
        """The batches that other shards have taken for theirs, proven or not, with the shard."""
        others = (s for s in self.state.shards if s.id != shard.id and s.phase is not Phase.REFUSED)
        return {s.batch.id: s.id for s in others if s.batch}

    def _poll(self, shard: Shard, sent: SentBatch) -> Iterator[Event]:
        try:
            polled = self.provider.retrieve(sent.id)
        except TryLater as error:
            yield self._unseen(shard, error)
            return
        yield events.Polled(shard.id, polled.batch, self._next_poll(polled.retry_after))
        if self.state.canceled and phases.cancelable(shard) and not polled.batch.ended:
            yield from self._cancel(shard, sent)

    def _fetch(self, shard: Shard, sent: SentBatch) -> Iterator[Event]:
        part, book = self.store.part(shard.id), PriceBook(self.state.prices)
        counts = sent.request_counts
        try:
            if shard.fetch_tries:  # perhaps the counts were what was wrong
                counts = self.provider.retrieve(sent.id).batch.request_counts
            self.provider.download(sent.id, part)
            tally = prove(part, custom_ids(self.store.whole_shard(shard)), counts, book)
        except TryLater as error:
            yield self._unseen(shard, error)
        except IncompleteResults as error:
            if isinstance(error, ForeignResults) and sent.provisional:
                part.unlink(missing_ok=True)
                yield events.Disproved(shard.id, str(error))
                return
            # Of a batch that is ours, results that are not are a mistake that may pass. What arrived stays as
            # `.part`: quarantined, should this have been the last try.
            pause = FETCH_PAUSE * 2**shard.fetch_tries
            yield events.FetchFailed(shard.id, self._clock() + pause, str(error))
        else:
            sha256 = files.digest(part)
            files.settle(part, self.store.results(shard.id))
            yield events.Fetched(shard.id, tally, book.known, sha256)

    def _unseen(self, shard: Shard, error: TryLater) -> events.Unseen:
        missing = shard.batch is not None and isinstance(error.cause, NotFound)
        return events.Unseen(shard.id, self._clock(), self._next_poll(error.after), str(error), missing)

    def _next_poll(self, hint: float | None) -> float:
        """The server's hint is a minimum (api-facts §1.2)."""
        return self._clock() + max(self.job.timing.poll_interval, hint or 0.0)

    def _retry(self, shards: tuple[Shard, ...]) -> Iterator[Event]:
        if gone := gone_results(self.state, self.store):
            yield from gone
        else:
            yield retry_rows(shards, self.job, self.state, self.store)

    def _next_try(self, shard: Shard, hint: float | None) -> float:
        """When to submit what could not be: as long again as it has been put off for, within bounds. A body may
        have 240 MB."""
        put_off = self._clock() - shard.stuck_since if shard.stuck_since else 0.0
        return max(self._next_poll(hint), self._clock() + min(put_off, SUBMIT_PAUSE))

    def collect(self, job: Job) -> None:
        """Write the answer as `job` says. Raises CannotCreate, DataError, DiskError."""
        for event in self._collect(job):
            self.record(event)

    def _collect(self, job: Job) -> Iterator[Event]:
        if gone := gone_results(self.state, self.store):
            yield from gone
        elif self.state.expansion is not None:
            # What stood there when the run began may not be what stands there now.
            if not self.overwrite:
                refuse_foreign(job, self.state, self.store, "the answers are kept")
            rows, book = self.store.rows(self.state.expansion.rows_file), PriceBook(self.state.prices)
            done = collect(job, rows, sources(self.state, self.store), book, self._about_to_replace)
            output = relative(done.output, job.root)
            yield events.Gathered(Collected(output, done.summary.all_succeeded, done.summary))

    def _about_to_replace(self, fact: FileFact) -> None:
        self.record(events.Gathering(relative(fact, self.job.root)))

    # ---- what a person asks for

    def cancel(self) -> None:
        """Send nothing more, and cancel what is under way and known to be ours; what was already answered is
        still collected."""
        self.record(events.CancelAsked())
        self.store.cancel_marker().unlink(missing_ok=True)
        for shard in self.state.shards:
            if shard.batch and phases.cancelable(shard):
                for event in self._cancel(shard, shard.batch):
                    self.record(event)

    def _cancel(self, shard: Shard, sent: SentBatch) -> Iterator[Event]:
        try:
            batch: Batch = self.provider.cancel(sent.id)
        except TryLater as error:
            yield self._unseen(shard, error)
        except Rejected:  # it ended before we asked
            yield events.CancelAsked((shard.id,))
        else:
            yield events.CancelAsked((shard.id,))
            yield events.Polled(shard.id, batch, 0.0)


def _baseline(intent: Intent) -> Baseline:
    return Baseline(
        intent.baseline_id,
        intent.baseline_created_at,
        intent.server_time,
        intent.credential,
        known=intent.excluded,
        known_since=intent.known_since,
    )


def _brief(event: Event) -> Mapping[str, object]:
    """An event as a line of the log: its own fields, and of what it carries the names."""
    line: dict[str, object] = {}
    for name in event.__dataclass_fields__:
        match value := getattr(event, name):
            case Batch():
                line["batch"] = {"id": value.id, "processing_status": value.processing_status}
            case (Shard(), *shards):
                line[name] = [s.id for s in (value[0], *shards)]
            case str() | float() | bool():
                line[name] = value
    return line
