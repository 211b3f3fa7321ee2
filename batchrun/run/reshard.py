"""New shards from the requests of old ones: what was lost, too large, or worth another attempt.

A fetched or accepted shard stays as it is; its requests are written anew, under a new nonce.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from batchrun.cost.prices import price_of
from batchrun.lifecycle.events import Replaced, Retried
from batchrun.lifecycle.phases import pending
from batchrun.lifecycle.retry import row_askable, row_retryable
from batchrun.lifecycle.state import ACTIVE, Phase, Reason, RunState, Shard
from batchrun.model import Job
from batchrun.requests.expand import Request
from batchrun.results.answers import Answers, Source
from batchrun.run.prepare import new_nonce, next_number
from batchrun.rundir.shards import Cutter, keys_in, keys_needed, requests_in
from batchrun.rundir.store import Store


def sources(state: RunState, store: Store) -> list[Source]:
    """The results we hold, in shard order."""
    return [
        Source(
            results=store.results(s.id),
            nonce=s.nonce,
            batch_id=s.batch.id,
            attempt=s.attempt,
            canceled_by_user=s.canceling,
            requests=store.shard(s.id),
        )
        for s in state.shards
        if s.phase is Phase.FETCHED and s.batch
    ]


def resend(shard: Shard, job: Job, state: RunState, store: Store, *, abandoned: bool = False) -> Replaced:
    """The shard's requests under a new nonce, as far as today's rows need them; in two halves where it was
    too large.

    `abandoned`: a person accepts that the old shard may have been created, and paid for.
    """
    limit = (shard.requests + 1) // 2 if shard.reason is Reason.TOO_LARGE else shard.requests
    halves = replace(job, limits=replace(job.limits, batch_requests=limit))
    needed = _unasked(state, store, but=shard.id)
    requests = (r for r in requests_in(store.whole_shard(shard)) if r.key in needed)
    # As many as it was made for: a remainder of a few would be a shard of its own.
    return Replaced(
        shard.id, _cut(requests, shard, halves, store, next_number(state), marked=False), abandoned
    )


def retry_rows(
    shards: Iterable[Shard], job: Job, state: RunState, store: Store, *, every: bool = False
) -> Retried:
    """The rows of today's answer whose last attempt stands in `shards` and is worth another, in new shards.

    `every`: all that did not succeed, however often they were tried, but for what must fail again.
    """
    looked_at = tuple(shards)
    # One stream of rows for each setting that a batch has as a whole, however many shards they come from.
    alike: dict[tuple[object, ...], list[Shard]] = {}
    for shard in looked_at:
        alike.setdefault((shard.attempt, shard.betas, shard.api_version), []).append(shard)
    new: list[Shard] = []
    needed = _unasked(state, store)
    with Answers(sources(state, store)) as answers:
        for group in alike.values():
            again = chain.from_iterable(_again(s, store, answers, needed, every=every) for s in group)
            like = replace(group[0], attempt=group[0].attempt + 1)
            new += _cut(again, like, job, store, next_number(state) + len(new))
    return Retried(tuple(s.id for s in looked_at), tuple(new))


def outdated(state: RunState, rows: Path, store: Store) -> tuple[str, ...]:
    """The shards without results of which no row needs a request."""
    waiting = [s for s in state.shards if s.phase in (*ACTIVE, Phase.HELD)]
    needed = keys_needed(rows) if waiting else set()
    return tuple(s.id for s in waiting if needed.isdisjoint(keys_in([store.whole_shard(s)])))


def _unasked(state: RunState, store: Store, *, but: str = "") -> set[bytes]:
    """The keys of today's rows that no other shard than `but` asks for, or will."""
    if state.expansion is None:
        return set()
    others = (s for s in pending(state.shards) if s.id != but)
    return keys_needed(store.rows(state.expansion.rows_file)) - keys_in(map(store.whole_shard, others))


def _again(
    shard: Shard, store: Store, answers: Answers, needed: set[bytes], *, every: bool
) -> Iterator[Request]:
    for request in requests_in(store.whole_shard(shard)):
        if request.key not in needed:
            continue
        answer = answers.get(request.key.hex())
        if answer is None or answer.source.nonce != shard.nonce:
            continue  # a later attempt of this row has its own say
        by_itself = row_retryable(answer.result, canceled_by_user=answer.source.canceled_by_user)
        if by_itself or (every and row_askable(answer.result)):
            yield request


def _cut(
    requests: Iterable[Request], like: Shard, job: Job, store: Store, first: int, *, marked: bool = True
) -> tuple[Shard, ...]:
    cutter = Cutter(
        job,
        first=first,
        nonce=new_nonce,
        price_of=price_of,
        path_of=store.shard,
        attempt=like.attempt,
        marked=marked,
    )
    with cutter:
        for request in requests:
            cutter.add(request)
        shards = cutter.close()
    # What they were first asked under holds: betas and version belong to the batch.
    return tuple(replace(s, betas=like.betas, api_version=like.api_version) for s in shards)
