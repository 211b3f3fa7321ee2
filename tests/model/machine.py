"""A job, its run directory and the API as one value, and every step that leads on from it.

The engine itself performs what talks to the API, proves results, and saves; only what cuts rows into shards, and
writes the answer, is done by values here, as its files play no part. A crash comes before or after each save, and
before or after a batch is created; then the next run starts, as any does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from batchrun.cost.amounts import Estimate
from batchrun.errors import BatchrunError, ConfigError
from batchrun.lifecycle import actions, events, transitions
from batchrun.lifecycle.observer import Silent
from batchrun.lifecycle.phases import live, pending
from batchrun.lifecycle.policy import Policy, policy_of
from batchrun.lifecycle.retry import shard_retryable
from batchrun.lifecycle.state import ACTIVE, Phase, Reason, RunState, Shard
from batchrun.model import Job, Timing
from batchrun.providers.base import TryLater
from batchrun.run.engine import Engine
from batchrun.rundir.store import Store
from tests.jobs import job as plain_job
from tests.model.api import SUCCEEDED, TICK, Api, Crash, Remote, keys_of, nonce_of, shard_line
from tests.model.choices import Choices, every
from tests.model.times import Canon
from tests.states import EMPTY, NOW, collected, expansion

TIMING = Timing(TICK, 25 * 3600.0, 3, 2 * TICK)
"""Hours in place of minutes: what waits for a poll, a listing or a refusal is due at the same time, so that fewer
states differ by nothing but their times."""

Rows = tuple[frozenset[int], ...]
"""The keys that are asked for: at first, and after each edit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may happen beside the ordinary."""

    faults: int
    cancels: int = 0
    retries: int = 0
    edits: int = 0
    decisions: int = 0
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """`files`: the marks and results in the run directory, by name. `accepted`: how often a person has agreed to pay
    twice. `failed`: whether the last step raised what a person has to mend."""

    state: RunState
    left: Bounds
    remotes: tuple[Remote, ...] = ()
    files: frozenset[str] = frozenset()
    edits: int = 0
    accepted: int = 0
    posted: tuple[str, ...] = ()
    """The nonces of every POST that was accepted, in order: twice the same one is a fault."""


@dataclass(frozen=True, slots=True)
class Step:
    """`usual`: neither a fault nor a person was needed."""

    name: str
    usual: bool
    world: World


class ModelStore(Store):
    """A run directory whose state is a value, and dies before or after it is saved. Marks and results are files."""

    def __init__(self, root: Path, pool: Path) -> None:
        super().__init__(root, "job")
        self.value: RunState = EMPTY
        self.choices = Choices(0)
        self._pool = pool
        self._there: frozenset[str] | None = None
        for name in ("shards", "results", "rows"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def load(self) -> RunState:
        return self.value

    def save(self, value: RunState) -> None:
        match self.choices.pick("save", ["done"], ["crash before", "crash after"]):
            case "crash before":
                raise Crash
            case "crash after":
                self.value = value
                raise Crash
        self.value = value

    def log(self, now: str, event: str, facts: Mapping[str, object]) -> None:
        """For people."""

    def whole_shard(self, shard: Shard) -> Path:
        """The file of its requests, which is one for all who ask the same under the same nonce."""
        path = self._pool / f"{shard.nonce}.jsonl"
        if not path.exists():
            path.write_bytes(b"".join(shard_line(key, shard.nonce) for key in sorted(keys_of(shard.nonce))))
        return path

    def lay_out(self, files: frozenset[str]) -> None:
        """Let these marks and results be there, and no others."""
        there = self._there if self._there is not None else self.files()
        for name in there - files:
            (self.folder / name).unlink()
        for name in files - there:
            (self.folder / name).touch()
        self._there = None  # a step may change them

    def files(self) -> frozenset[str]:
        found: set[str] = set()
        for folder in ("shards", "results"):
            found.update(f"{folder}/{entry.name}" for entry in os.scandir(self.folder / folder))
        self._there = frozenset(name for name in found if name.endswith((".sent", ".jsonl")))
        return self._there


class ModelEngine(Engine):
    """The engine, whose cutting of shards is done by values."""

    model: Model
    api: Api
    rows: frozenset[int]

    def _resend(self, shard: Shard) -> Iterator[events.Event]:
        found = self.resent(shard)
        if shard.reason is Reason.LOST:
            due = self._next_try(shard, None)
            found = replace(found, shards=tuple(replace(s, due=due) for s in found.shards))
        yield found

    def resent(self, shard: Shard, *, abandoned: bool = False) -> events.Replaced:
        limit = (shard.requests + 1) // 2 if shard.reason is Reason.TOO_LARGE else shard.requests
        others = (s for s in pending(self.state.shards) if s.id != shard.id)
        needed = self.rows - {key for s in others for key in keys_of(s.nonce)}
        return events.Replaced(
            shard.id, self._cut(keys_of(shard.nonce) & needed, limit, shard.attempt), abandoned
        )

    def _retry(self, shards: tuple[Shard, ...]) -> Iterator[events.Event]:
        yield self.retried(shards)

    def retried(self, shards: tuple[Shard, ...], *, by_hand: bool = False) -> events.Retried:
        new: list[Shard] = []
        needed = self.rows - {key for s in pending(self.state.shards) for key in keys_of(s.nonce)}
        results = {r.nonce: r.result for r in self.api.remotes}
        fetched = [s for s in self.state.shards if s.phase is Phase.FETCHED]
        for shard in shards:
            keys = keys_of(shard.nonce) & needed
            for other in fetched:  # a later answer, or one that succeeded, has its own say
                if other.id > shard.id or results[other.nonce] == SUCCEEDED:
                    keys -= keys_of(other.nonce) - (keys_of(shard.nonce) if other is shard else frozenset())
            worth = results[shard.nonce] != SUCCEEDED if by_hand else shard_retryable(shard, self.policy)
            if worth and keys:
                new += self._cut(keys, self.model.size, shard.attempt + 1, made=new)
        return events.Retried(tuple(s.id for s in shards), tuple(new))

    def _cut(
        self, keys: frozenset[int], size: int, attempt: int = 1, made: list[Shard] | None = None
    ) -> tuple[Shard, ...]:
        there = [*self.state.shards, *(made or ())]
        number = max((int(s.id) for s in there), default=0)
        nonces = [*(s.nonce for s in there), *(r.nonce for r in self.api.remotes if r.ours)]
        nonce = max((int(n[:8], 16) for n in nonces), default=0)
        rest, shards = sorted(keys), []
        while rest:
            here, rest = frozenset(rest[:size]), rest[size:]
            number, nonce = number + 1, nonce + 1
            bound = Estimate(requests=len(here), cost_high=0.01)
            shards.append(Shard(f"{number:04d}", nonce_of(nonce, here), len(here), 9, "", bound, attempt))
        return tuple(shards)

    def _collect(self, job: Job) -> Iterator[events.Event]:
        self._about_to_replace(collected().output)
        yield events.Gathered(collected())

    def expand(self) -> None:
        """What `prepare` does where the rows ask for something else than before."""
        digest = f"{sum(1 << key for key in self.rows):064x}"
        if self.state.expansion is None or self.state.expansion.rows_sha256 != digest:
            answered = {key for s in live(self.state.shards) for key in keys_of(s.nonce)}
            waiting = [s for s in self.state.shards if s.phase in (*ACTIVE, Phase.HELD)]
            gone = tuple(s.id for s in waiting if self.rows.isdisjoint(keys_of(s.nonce)))
            new = self._cut(self.rows - answered, self.model.size)
            self.record(events.Prepared(expansion(rows_sha256=digest), new, gone))


@dataclass
class Model:
    """`folder`: for the few files there are. `rows`, and how many requests a shard may have."""

    folder: Path
    rows: Rows
    size: int
    bounds: Bounds
    timing: Timing = TIMING
    lag: int = 1
    _store: ModelStore = field(init=False)
    _job: Job = field(init=False)
    policy: Policy = field(init=False)
    canon: Canon = field(init=False, default_factory=Canon)

    def __post_init__(self) -> None:
        (self.folder / "pool").mkdir(parents=True)
        self._store = ModelStore(self.folder / "job", self.folder / "pool")
        self._job = replace(plain_job(self.folder / "job"), timing=self.timing, max_attempts=2)
        self.policy = policy_of(self._job)

    # ---- where it begins, and what leads on

    def first(self) -> World:
        [(_, world)] = every(0, lambda choices: self._run(World(EMPTY, self.bounds), choices, _nothing))
        return world

    def steps(self, world: World) -> Iterator[Step]:
        """Everything that can happen next. Raises AssertionError where a run does what it must not."""
        yield from self._machine(world)
        yield from self._people(world)
        left = world.left
        if left.strangers and any(s.phase is Phase.SUBMITTING for s in world.state.shards):
            [size] = {s.requests for s in world.state.shards if s.phase is Phase.SUBMITTING}
            theirs = Remote(nonce_of(0xFF, frozenset(range(size))), result=SUCCEEDED, ours=False)
            rest = replace(left, strangers=left.strangers - 1)
            yield Step(
                "a stranger submits as many",
                False,
                replace(world, left=rest, remotes=(*world.remotes, theirs)),
            )

    def _machine(self, world: World) -> Iterator[Step]:
        action = transitions.next_action(world.state, self.policy, NOW)
        match action:
            case None:
                woken = self.canon.aged(transitions.wake(world.state))
                if woken != world.state:
                    yield Step("run it again", True, replace(world, state=woken))
            case actions.Wait(until):
                assert until > NOW, "it waits for what is due"
                yield Step(f"{(until - NOW) / 3600:g} hours pass", True, self._later(world, until - NOW))
            case _:
                yield from self._each(world, type(action).__name__, lambda e: e.perform(action))

    def _people(self, world: World) -> Iterator[Step]:
        left, shards = world.left, world.state.shards
        if left.cancels:
            rest = replace(world, left=replace(left, cancels=left.cancels - 1))
            yield from self._each(rest, "cancel", lambda e: e.cancel(), by_person=True)
        if left.retries and any(s.phase in (Phase.FETCHED, Phase.HELD, Phase.REFUSED) for s in shards):
            rest = replace(world, left=replace(left, retries=left.retries - 1))
            yield from self._each(rest, "retry", _retry_by_hand, by_person=True)
        if left.edits:
            rest = replace(world, left=replace(left, edits=left.edits - 1), edits=world.edits + 1)
            yield from self._each(rest, "edit the rows", _nothing, by_person=True)
        for shard in shards if left.decisions else ():
            if shard.phase is Phase.HELD:
                yield from self._decisions(world, shard)

    def _decisions(self, world: World, shard: Shard) -> Iterator[Step]:
        rest = replace(world, left=replace(world.left, decisions=world.left.decisions - 1))
        agreed = replace(rest, accepted=rest.accepted + 1)
        again = f"resubmit {shard.id}"
        yield from self._each(
            agreed,
            again,
            lambda e: e.record(e.resent(e.state.shard(shard.id), abandoned=True)),
            by_person=True,
        )
        if shard.batch and not shard.batch.provisional:
            return
        owned = {s.batch.id for s in world.state.shards if s.batch and s.id != shard.id}
        for number, remote in enumerate(world.remotes):
            if f"msgbatch_{number}" not in owned and remote.requests == shard.requests:
                yield from self._each(
                    rest, f"adopt {number} for {shard.id}", _adopting(shard.id, number), by_person=True
                )

    # ---- one step

    def _each(
        self, world: World, name: str, work: Callable[[ModelEngine], object], *, by_person: bool = False
    ) -> Iterator[Step]:
        for choices, after in every(world.left.faults, lambda c: self._run(world, c, work)):
            rest = replace(after.left, faults=after.left.faults - choices.faults)
            told = "; ".join([name, *choices.said])
            yield Step(told, not (by_person or choices.faults), replace(after, left=rest))

    def _run(self, world: World, choices: Choices, work: Callable[[ModelEngine], object]) -> World:
        """Work, and should the process die of it, start the next."""
        engine = self._engine(world, choices)
        try:
            if work in (_nothing, _retry_by_hand):  # what a command does before anything else
                engine.expand()
            work(engine)
        except (Crash, TryLater):  # it dies, or leaves with 69, as nothing is under way
            self._again(engine, world)
        except BatchrunError as error:
            raise AssertionError(f"it raised {type(error).__name__}: {error}") from error
        state = self.canon.aged(self._store.value)
        posted = (*world.posted, *engine.api.posted)
        remotes = tuple(engine.api.remotes)
        return replace(world, state=state, remotes=remotes, files=self._store.files(), posted=posted)

    def _engine(self, world: World, choices: Choices) -> ModelEngine:
        store = self._store
        store.value, store.choices = world.state, choices
        store.lay_out(world.files)
        api = Api(list(world.remotes), choices, self.folder / "pool", self.lag)
        return self._opened(api, world)

    def _opened(self, api: Api, world: World) -> ModelEngine:
        try:
            engine = ModelEngine(
                self._job, self._store, lambda: api, Silent(), origin=api.origin, clock=lambda: NOW
            )
        except ConfigError as error:
            raise AssertionError(f"a run refuses what a crash left: {error}") from error
        engine.model, engine.api, engine.rows = self, api, self.rows[world.edits]
        return engine

    def _again(self, engine: ModelEngine, world: World) -> None:
        """The next run begins, and may die in its turn."""
        while True:
            engine = self._opened(engine.api, world)
            try:
                engine.expand()
            except Crash:
                continue
            self._store.value = transitions.wake(self._store.value)
            return

    def _later(self, world: World, seconds: float) -> World:
        remotes = tuple(r.aged(seconds) for r in world.remotes)
        return replace(world, state=self.canon.aged(world.state, seconds), remotes=remotes)


def _nothing(engine: ModelEngine) -> None:
    """A command that has done its work once it has read the rows."""


def _retry_by_hand(engine: ModelEngine) -> None:
    engine.record(events.Reopened())
    fetched = tuple(s for s in engine.state.shards if s.phase is Phase.FETCHED)
    engine.record(engine.retried(fetched, by_hand=True))


def _adopting(shard_id: str, number: int) -> Callable[[ModelEngine], None]:
    def adopt(engine: ModelEngine) -> None:
        engine.record(events.Adopted(shard_id, engine.api.batch(number)))

    return adopt
