"""Run states built from plain values, and through `lifecycle.transitions.apply`, for tests of what decides on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from batchrun.cost.amounts import Cause, Estimate, Price, Rates, Summary, Tally
from batchrun.lifecycle import events, transitions
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Collected, Expansion, Intent, Phase, Reason, RunState, SentBatch, Shard
from batchrun.model import Batch, FileFact, ProcessingStatus, RequestCounts, Timing, Usage

NOW = 1_795_000_000.0
POLICY = Policy(Timing())
EMPTY = RunState("job", "job.yaml", "anthropic", "https://api.anthropic.com")


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def shard(name: str = "0001", *, cost: float | None = 1.0, requests: int = 10, **changes: Any) -> Shard:
    plain = Shard(
        name, f"nonce-{name}", requests, 1000, "ab" * 32, Estimate(requests=requests, cost_high=cost)
    )
    return replace(plain, **changes)


def intent(at: float = NOW, **changes: Any) -> Intent:
    plain = Intent(at, moment(at), "credential", "msgbatch_0", moment(at - 60))
    return replace(plain, **changes)


def batch(name: str = "msgbatch_1", *, at: float = NOW, requests: int = 10, ended: bool = False) -> Batch:
    return Batch(
        id=name,
        processing_status=ProcessingStatus.ENDED if ended else ProcessingStatus.IN_PROGRESS,
        request_counts=RequestCounts(succeeded=requests) if ended else RequestCounts(processing=requests),
        created_at=moment(at),
        expires_at=moment(at) + timedelta(days=1),
        ended_at=moment(at + 600) if ended else None,
    )


def sent(name: str = "msgbatch_1", *, at: float = NOW, **changes: Any) -> SentBatch:
    counts = RequestCounts(processing=10)
    return replace(
        SentBatch(name, moment(at), moment(at) + timedelta(days=1), "in_progress", counts), **changes
    )


def tally(*, cost: float = 0.5, **counts: int) -> Tally:
    errors = {"api_error": n} if (n := counts.get("errored", 0)) else {}
    return Tally(RequestCounts(**(counts or {"succeeded": 10})), errors, {"end_turn": 1}, Usage(1, 2), cost)


def expansion(**changes: Any) -> Expansion:
    fact = FileFact("job.yaml", 10, 1_795_000_000_123_456_789, "cd" * 32)
    data = FileFact("data/zeilen ü.csv", 10, 1, "ef" * 32)
    plain = Expansion(
        (fact,), ("data/*.csv",), (data,), "000001.jsonl", "ab" * 32, 12, 10, "0011", {"model": "22"}
    )
    return replace(plain, **changes)


def collected(*, good: bool = True) -> Collected:
    causes = () if good else (Cause("api_error", "Internal server error", 1, "T-1", money=True),)
    statuses = {"succeeded": 12} if good else {"succeeded": 11, "errored": 1}
    summary = Summary("job", "out/a.jsonl", 12, 12, statuses, {"end_turn": statuses["succeeded"]}, (), causes)
    return Collected(FileFact("out/a.jsonl", 99, 5, "aa" * 32), good, summary)


def state(*shards: Shard, **changes: Any) -> RunState:
    return replace(EMPTY, expansion=expansion(), shards=shards, **changes)


def active(phase: Phase, name: str = "0001", **changes: Any) -> Shard:
    """A shard as it is when it has come to this phase in the usual way."""
    facts: dict[str, Any] = {"phase": phase}
    if phase is not Phase.PLANNED:
        facts["intent"] = intent()
    if phase in (Phase.SUBMITTED, Phase.ENDED, Phase.FETCHED):
        facts["batch"] = sent(f"msgbatch_{name}")
    if phase is Phase.FETCHED:
        facts["tally"] = tally()
    if phase is Phase.REFUSED:
        facts["reason"] = Reason.LOST
    if phase is Phase.HELD:
        facts["reason"], facts["candidates"] = Reason.SEVERAL, ("msgbatch_7", "msgbatch_8")
    return shard(name, **{**facts, **changes})


def every_event(name: str = "0001") -> list[events.Event]:
    """One of each, about the shard `name`."""
    new = shard("0099")
    return [
        events.Prepared(expansion(), (new,)),
        events.Refreshed(expansion(rows=13)),
        events.OutputTouched(replace(collected().output, mtime_ns=9)),
        events.OutputGone(),
        events.SubmitStarted(name, intent()),
        events.SubmitAccepted(name, batch(), NOW + 60),
        events.SubmitDeferred(name, NOW + 60, "429"),
        events.SubmitRefused(name, Reason.REJECTED, "400"),
        events.SubmitUnknown(name, "read timed out"),
        events.Listed(name, NOW, (), NOW + 60),
        events.Listed(name, NOW, (batch(),), NOW + 60),
        events.Listed(name, NOW, (batch("msgbatch_7"), batch("msgbatch_8")), NOW + 60),
        events.Unclear(name, NOW, (batch(),), NOW + 60),
        events.Unclear(name, NOW, (batch("msgbatch_7"), batch("msgbatch_8")), NOW + 60),
        events.ProvenLost(name),
        events.Held(name, Reason.CREDENTIAL, "another key"),
        events.Polled(name, batch(), NOW + 60),
        events.Polled(name, batch(ended=True), NOW + 60),
        events.Unseen(name, NOW, NOW + 60, "404"),
        events.Fetched(name, tally(succeeded=8, errored=1, expired=1), {"m": Price((Rates(1, 2, 3, 4, 5),))}),
        events.ResultsGone(name, "its results are damaged; fetching them again"),
        events.FetchFailed(name, NOW + 5, "broke off"),
        events.Disproved(name, "another nonce"),
        events.Replaced(name, (new,)),
        events.Replaced(name, (new,), abandoned=True),
        events.Retried((name,), (new,)),
        events.Retried((name,), ()),
        events.Gathering(collected().output),
        events.Gathered(collected()),
        events.Gathered(collected(good=False)),
        events.Adopted(name, batch("msgbatch_7")),
        events.CancelAsked(),
        events.CancelAsked((name,)),
        events.Reopened(),
    ]


def every_state() -> Iterator[RunState]:
    """A state for each phase, and what every event makes of it."""
    for phase in Phase:
        before = state(active(phase), active(Phase.FETCHED, "0002"))
        yield before
        for event in every_event():
            yield transitions.apply(before, event)
