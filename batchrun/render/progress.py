"""What a run is doing, for the person who watches: one line per change, and a live view on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from batchrun import events
from batchrun.events import Event
from batchrun.safetext import plain
from batchrun.state import Phase, RunState, Shard
from batchrun.units import format_duration, format_size, format_usd

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

HEARTBEAT = 60.0
"""Seconds of silence after which a log gets a line all the same."""
SHOWN = 8
"""Shards a live view lists at once."""


def line_of(event: Event, before: RunState | None, state: RunState) -> str | None:
    """The line that says what happened; None where it is not worth one."""
    match event:
        case events.Prepared(expansion, shards):
            new = sum(s.requests for s in shards)
            text = f"{_n(expansion.rows, 'row')}: {_n(new, 'new request')} in {_n(len(shards), 'shard')}"
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
        case events.Listed(shard_id, _, ()):
            return f"shard {shard_id}: no batch that could be it; looking again before sending anything"
        case events.Listed(shard_id, _, (batch,)):
            return f"shard {shard_id}: found as {batch.id}; its results will prove it"
        case events.ProvenLost(shard_id):
            return f"shard {shard_id}: was never created"
        case events.Polled(shard_id, batch):
            return _polled(shard_id, before, state)
        case events.Fetched(shard_id, tally):
            counts = ", ".join(
                f"{value:,} {name}"
                for name in ("succeeded", "errored", "canceled", "expired")
                if (value := getattr(tally.counts, name))
            )
            return f"shard {shard_id}: results are whole: {counts}; {format_usd(tally.cost_usd)}"
        case events.FetchFailed(shard_id, _, detail) | events.Disproved(shard_id, detail):
            return f"shard {shard_id}: {detail}"
        case events.Held(shard_id, _, detail):
            return f"shard {shard_id}: held: {detail}"
        case events.Replaced(shard_id, shards):
            return f"shard {shard_id}: its requests now stand in {', '.join(s.id for s in shards)}"
        case events.Retried(_, shards) if shards:
            return f"{_n(sum(s.requests for s in shards), 'row')} to be tried again"
        case events.CancelAsked(shard_ids) if shard_ids:
            return f"shard {', '.join(shard_ids)}: canceling"
    return None


def waiting_line(until: float, state: RunState, now: float) -> str:
    """What is waited for."""
    running = [s for s in state.shards if s.phase is Phase.SUBMITTED and s.batch]
    if not running:
        return f"waiting {format_duration(max(until - now, 1))} before looking again"
    oldest = now - min(s.batch.created_at.timestamp() for s in running if s.batch)
    requests = _n(sum(s.requests for s in running), "request")
    return f"waiting: {_n(len(running), 'batch')}, {requests}, for {format_duration(max(oldest, 0))}"


def _polled(shard_id: str, before: RunState | None, state: RunState) -> str | None:
    now = state.shard(shard_id).batch
    then = before.shard(shard_id).batch if before else None
    if now is None:
        return None
    if then and (then.processing_status, then.request_counts) == (now.processing_status, now.request_counts):
        return None
    return f"shard {shard_id}: {_status(state.shard(shard_id))}"


def _status(shard: Shard) -> str:
    if shard.batch is None:
        return shard.phase.value
    counts = shard.batch.request_counts
    done = counts.total - counts.processing
    progress = f", {done:,} of {counts.total:,}" if done and counts.processing else ""
    return plain(shard.batch.processing_status, 40) + progress


def _n(count: int, noun: str) -> str:
    plural = noun[:-2] + "ches" if noun.endswith("ch") else noun + "s"
    return f"{count:,} {noun if count == 1 else plural}"


class LineProgress:
    """For logs and pipes: a line per change, and a heartbeat."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.time) -> None:
        """`stream` None keeps quiet."""
        self._stream, self._clock = stream, clock
        self._before: RunState | None = None
        self._spoke_at = 0.0

    def event(self, event: Event, state: RunState) -> None:
        if line := line_of(event, self._before, state):
            self._say(line)
        self._before = state

    def waiting(self, until: float, state: RunState) -> None:
        if self._clock() - self._spoke_at >= HEARTBEAT:
            self._say(waiting_line(until, state, self._clock()))

    def close(self) -> None:
        """Nothing is left open."""

    def _say(self, line: str) -> None:
        self._spoke_at = self._clock()
        if self._stream is not None:
            print(plain(line, 500), file=self._stream, flush=True)


class LiveProgress:
    """For terminals: the lines scroll by, and the shards under way stand below them."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        from rich.console import Console
        from rich.live import Live

        self._clock = clock
        self._state: RunState | None = None
        self._console = Console(file=stream, highlight=False)
        self._live: Live = Live(
            get_renderable=self._view, console=self._console, refresh_per_second=4, transient=True
        )
        self._live.start()

    def event(self, event: Event, state: RunState) -> None:
        if line := line_of(event, self._state, state):
            self._console.print(plain(line, 500), markup=False)
        self._state = state

    def waiting(self, until: float, state: RunState) -> None:
        self._state = state

    def close(self) -> None:
        self._live.stop()

    def _view(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        state = self._state
        phases = (Phase.SUBMITTED, Phase.ENDED)
        active = [s for s in state.shards if s.batch and s.phase in phases] if state else []
        table = Table.grid(padding=(0, 2))
        for shard in active[:SHOWN]:
            assert shard.batch is not None
            age = format_duration(max(self._clock() - shard.batch.created_at.timestamp(), 0))
            table.add_row(
                Text(shard.id, style="bold"), shard.batch.id[:28], _status(shard), Text(age, style="dim")
            )
        if len(active) > SHOWN:
            table.add_row("", f"and {len(active) - SHOWN} more")
        return table
