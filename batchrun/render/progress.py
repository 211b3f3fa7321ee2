"""What a run is doing, for the person who watches: a line per change, and a live view on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from batchrun.cost.amounts import Tally
from batchrun.errors import Problem
from batchrun.lifecycle import events
from batchrun.lifecycle.events import Event
from batchrun.lifecycle.state import Phase, RunState, Shard
from batchrun.render.problems import problem_lines
from batchrun.safetext import plain
from batchrun.units import format_duration, format_size, format_usd

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

HEARTBEAT = 60.0
"""Seconds of silence after which a log gets a line all the same."""
SHOWN = 8
"""Shards a live view lists at once."""
LINE = 500
"""Characters of a line; the messages of the API may be long."""


def line_of(event: Event, before: RunState, state: RunState) -> str | None:
    """The line that says what happened; None where it is not worth one."""
    match event:
        case events.Prepared(expansion, shards):
            new = sum(s.requests for s in shards)
            what = f"{_n(new, 'new request')} in {_n(len(shards), 'shard')}" if new else "no new requests"
            text = f"{_n(expansion.rows, 'row')}: {what}"
            old = expansion.requests - new
            return f"{text}, {old:,} already asked" if old else text
        case events.SubmitStarted(shard_id):
            shard = state.shard(shard_id)
            return f"shard {shard_id}: submitting {_n(shard.requests, 'request')}, {format_size(shard.bytes)}"
        case events.SubmitAccepted(shard_id, batch):
            return f"shard {shard_id}: submitted as {batch.id}"
        case events.SubmitDeferred(shard_id, _, detail):
            return f"shard {shard_id}: not submitted yet: {detail}"
        case events.SubmitRefused(shard_id, _, detail):
            return f"shard {shard_id}: refused, nothing was submitted: {detail}"
        case events.SubmitUnknown(shard_id, detail):
            return f"shard {shard_id}: may have been submitted ({detail}); looking for it"
        case events.Listed(shard_id, _, batches):
            return f"shard {shard_id}: {_found([b.id for b in batches])}"
        case events.Unclear(shard_id, _, (one,)):
            return f"shard {shard_id}: {_found([one.id])}"
        case events.Unclear(shard_id):
            detail = state.shard(shard_id).detail
            return None if before.shard(shard_id).detail == detail else f"shard {shard_id}: {detail}"
        case events.ProvenLost(shard_id):
            then = "" if state.canceled else ": submitting it again"
            return f"shard {shard_id}: no batch of it exists{then}"
        case events.Polled(shard_id):
            return _polled(before.shard(shard_id), state.shard(shard_id))
        case events.Unseen(shard_id, _, _, detail):
            known = before.shard(shard_id).detail == detail
            return None if known else f"shard {shard_id}: cannot be looked at now: {detail}"
        case events.Fetched(shard_id, tally):
            return f"shard {shard_id}: results are complete: {_counts(tally)}; {format_usd(tally.cost_usd)}"
        case (
            events.FetchFailed(shard_id, _, detail)
            | events.Disproved(shard_id, detail)
            | events.ResultsGone(shard_id, detail)
        ):
            return f"shard {shard_id}: {detail}"
        case events.Held(shard_id, _, detail):
            return f"shard {shard_id}: held: {detail}"
        case events.Replaced(shard_id, ()):
            return f"shard {shard_id}: no row asks for it now; it is not submitted again"
        case events.Replaced(shard_id, shards):
            return f"shard {shard_id}: its requests now stand in {', '.join(s.id for s in shards)}"
        case events.Retried(_, shards) if shards:
            return f"{_n(sum(s.requests for s in shards), 'row')} to be tried again"
    return None


def only_counts(event: Event, before: RunState) -> bool:
    """Whether the event tells no more than how far a batch has come: that may be often."""
    if not isinstance(event, events.Polled):
        return False
    batch = before.shard(event.shard_id).batch
    return batch is not None and batch.processing_status == event.batch.processing_status


def waiting_line(until: float, state: RunState, now: float) -> str:
    """What is waited for."""
    running = [s for s in state.shards if s.phase is Phase.SUBMITTED and s.batch]
    if not running:
        return f"waiting {format_duration(max(until - now, 1))} before looking again"
    oldest = now - min(s.batch.created_at.timestamp() for s in running if s.batch)
    requests = _n(sum(s.requests for s in running), "request")
    batches = _n(len(running), "batch", "batches")
    trouble = next((f"; the last look failed: {s.detail}" for s in running if s.detail), "")
    return f"waiting: {batches}, {requests}, for {format_duration(max(oldest, 0))}{trouble}"


def _found(batches: list[str]) -> str:
    match batches:
        case []:
            return "no batch that could be it; looking again before sending anything"
        case [one]:
            return f"found as {one}; its results will prove it"
    return f"held: {len(batches)} batches could be it"


def _polled(then: Shard, now: Shard) -> str | None:
    if then.batch is None or now.batch is None:
        return None
    if (then.batch.processing_status, then.batch.request_counts) == (
        now.batch.processing_status,
        now.batch.request_counts,
    ):
        return None
    return f"shard {now.id}: {_status(now)}"


def _status(shard: Shard) -> str:
    if shard.batch is None:
        return shard.phase.value
    counts = shard.batch.request_counts
    done = counts.total - counts.processing
    progress = f", {done:,} of {counts.total:,}" if done and counts.processing else ""
    return plain(shard.batch.processing_status, 40).replace("_", " ") + progress


def _counts(tally: Tally) -> str:
    kinds = ("succeeded", "errored", "canceled", "expired")
    return ", ".join(f"{count:,} {kind}" for kind in kinds if (count := getattr(tally.counts, kind)))


def _n(count: int, noun: str, many: str = "") -> str:
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def under_way(state: RunState, now: float) -> Table:
    """The shards that are being submitted, processed or fetched, with their counts, and the sum of several."""
    from rich.table import Table

    active = [s for s in state.shards if s.phase in (Phase.SUBMITTING, Phase.SUBMITTED, Phase.ENDED)]
    table = Table.grid(padding=(0, 2))
    for shard in active[:SHOWN]:
        table.add_row(f"  {shard.id}", _n(shard.requests, "request"), _status(shard), _age(shard, now))
    if len(active) > SHOWN:
        table.add_row("", f"and {_n(len(active) - SHOWN, 'more shard')}")
    if len(active) > 1:
        total = sum(s.requests for s in active)
        counts = [s.batch.request_counts for s in active if s.batch]
        done = sum(c.total - c.processing for c in counts)
        table.add_row("  total", _n(total, "request"), f"{done:,} of {total:,}" if done else "")
    return table


def _age(shard: Shard, now: float) -> str:
    return format_duration(max(now - shard.batch.created_at.timestamp(), 0)) if shard.batch else ""


class LineProgress:
    """For logs and pipes: a line per change, and a heartbeat. How far a shard has come is told no more often
    than that."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float]) -> None:
        """`stream` None keeps quiet; `clock` is in seconds since the epoch."""
        self._stream, self._clock = stream, clock
        self._spoke_at = 0.0
        self._polled_at: dict[str, float] = {}
        """When the last line about a shard's batch was written."""

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        if not (line := line_of(event, before, state)):
            return
        if isinstance(event, events.Polled):
            now = self._clock()
            silence = now - self._polled_at.get(event.shard_id, 0.0)
            if only_counts(event, before) and silence < HEARTBEAT:
                return
            self._polled_at[event.shard_id] = now
        self._say(plain(line, LINE))

    def waiting(self, until: float, state: RunState) -> None:
        if self._clock() - self._spoke_at >= HEARTBEAT:
            self._say(plain(waiting_line(until, state, self._clock()), LINE))

    def warning(self, problem: Problem) -> None:
        for line in problem_lines(problem, "warning"):
            self._say(line)

    def close(self) -> None:
        """Nothing is left open."""

    def _say(self, line: str) -> None:
        self._spoke_at = self._clock()
        if self._stream is not None:
            print(line, file=self._stream, flush=True)


class QuietProgress(LineProgress):
    """For cron: only of hooks that failed, which nobody hears of otherwise, and that in one line."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        super().__init__(None, clock)
        self._errors = stream

    def warning(self, problem: Problem) -> None:
        if problem.field.startswith("on."):
            print(plain(f"warning: {problem.message}", LINE), file=self._errors, flush=True)


class LiveProgress:
    """For terminals: the lines scroll by, and the shards under way stand below them with their counts.

    The view stands from the first event on; `close` takes it away, and a later event brings it back.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._clock = clock
        self._state: RunState | None = None
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            get_renderable=self._view, console=self._console, refresh_per_second=4, transient=True
        )

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        line = line_of(event, before, state)
        if line and not only_counts(event, before):
            self._console.print(plain(line, LINE), markup=False)
        self._show(state)

    def waiting(self, until: float, state: RunState) -> None:
        self._show(state)

    def warning(self, problem: Problem) -> None:
        for line in problem_lines(problem, "warning"):
            self._console.print(line, markup=False)

    def close(self) -> None:
        self._live.stop()

    def _show(self, state: RunState) -> None:
        self._state = state
        if not self._live.is_started:
            self._live.start()

    def _view(self) -> RenderableType:
        return under_way(self._state, self._clock()) if self._state else ""
