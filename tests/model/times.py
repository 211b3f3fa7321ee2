"""Time as a value: it is always NOW, and what was, was so long ago. Older than every limit is one age."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import ceil

from batchrun.lifecycle.phases import RETENTION
from batchrun.lifecycle.state import Intent, Phase, Reason, RunState, SentBatch, Shard
from tests.model.api import GONE, OLD, TICK
from tests.states import NOW, moment

_SETTLED = (Reason.REPLACED, Reason.ABANDONED)


class Canon:
    """States without what no decision reads: words, revisions, and the times of what is settled. Equal shards are one
    object with one number, so that states are compared in no time."""

    def __init__(self) -> None:
        self._one: dict[str, Shard] = {}
        self._numbers: dict[int, int] = {}
        self._later: dict[tuple[int, float], Shard] = {}

    def aged(self, state: RunState, seconds: float = 0.0) -> RunState:
        """The state as it is when so much time has passed."""
        return replace(state, revision=0, shards=tuple(self._aged(s, seconds) for s in state.shards))

    def numbers(self, state: RunState) -> tuple[int, ...]:
        """Of its shards. Raises KeyError for a state that is not from here."""
        return tuple(self._numbers[id(s)] for s in state.shards)

    def __len__(self) -> int:
        """How many different shards there were."""
        return len(self._one)

    def _aged(self, shard: Shard, seconds: float) -> Shard:
        number = self._numbers.get(id(shard))
        if number is None:
            return self._kept(_shard(shard, seconds))
        if not seconds:
            return shard
        if (number, seconds) not in self._later:
            self._later[number, seconds] = self._kept(_shard(shard, seconds))
        return self._later[number, seconds]

    def _kept(self, shard: Shard) -> Shard:
        one = self._one.setdefault(repr(shard), shard)
        self._numbers.setdefault(id(one), len(self._numbers))
        return one


def _shard(shard: Shard, seconds: float) -> Shard:
    settled = shard.phase is Phase.FETCHED or shard.reason in _SETTLED
    by = GONE if settled else seconds
    return replace(
        shard,
        detail="",
        results_sha256="",
        due=0.0 if settled else _due(shard.due, seconds),
        stuck_since=0.0 if settled else _past(shard.stuck_since, seconds),
        intent=shard.intent and _intent(shard.intent, by, settled=settled),
        batch=shard.batch and _batch(shard.batch, by, settled=settled),
    )


def _due(at: float, seconds: float) -> float:
    """On the next TICK; what is due already, is."""
    return NOW + max(ceil((at - NOW - seconds) / TICK), 0) * TICK if at else 0.0


def _past(at: float, seconds: float, *, forever: bool = False) -> float:
    """`forever`: however old, it is no older than OLD."""
    if not at:
        return 0.0
    age = NOW - at + seconds
    return NOW - (GONE if age > RETENTION and not forever else min(age, OLD))


def _moment(at: datetime, seconds: float, *, forever: bool = False) -> datetime:
    return moment(_past(at.timestamp(), seconds, forever=forever))


def _intent(intent: Intent, seconds: float, *, settled: bool) -> Intent:
    created = intent.baseline_created_at
    return replace(
        intent,
        started_at=_past(intent.started_at, seconds, forever=True),
        server_time=_moment(intent.server_time, seconds, forever=True),
        baseline_created_at=created and _moment(created, seconds, forever=True),
        clean=() if settled else tuple(_past(at, seconds, forever=True) for at in intent.clean),
    )


def _batch(batch: SentBatch, seconds: float, *, settled: bool) -> SentBatch:
    return replace(
        batch,
        created_at=_moment(batch.created_at, seconds, forever=settled),
        expires_at=moment(NOW),
        ended_at=None,
    )
