"""Requests that another job of the folder has asked: one whose spec is gone, or says something else by now.

A spec and its data may both have been renamed, edited or swapped: whose they were shows in what is asked. A job
whose spec is still there is another matter: a copy of it was meant to be a job of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.errors import BatchrunError, NameTaken
from batchrun.fs import STATE_FOLDER
from batchrun.lifecycle.phases import live
from batchrun.lifecycle.state import Phase
from batchrun.requests.expand import settings_of
from batchrun.rundir.filefacts import seen_at
from batchrun.rundir.integrity import body_to_send
from batchrun.rundir.shards import keys_in, keys_needed
from batchrun.rundir.store import Store
from batchrun.specnames import PUT_AWAY

if TYPE_CHECKING:
    from pathlib import Path

    from batchrun.model import Job
    from batchrun.run.engine import Engine
    from batchrun.rundir.siblings import Neighbour

PART = 10
"""Of what is about to be asked, or of what the other job asked, one in so many makes them the same. Rows that happen
to be asked by two jobs are fewer."""


def refuse_asked_elsewhere(engine: Engine) -> None:
    """Raise NameTaken where what is about to be sent was asked as another job, and so would be paid for again."""
    state, job, store = engine.state, engine.job, engine.store
    planned = [s for s in state.shards if s.phase is Phase.PLANNED]
    if state.canceled or not planned:
        return
    others = [
        other for other in store.others() if other.began and (other.outrun or not _stands(other, job.root))
    ]
    if not others:  # as almost always
        return
    asked = keys_in(body_to_send(shard, store) for shard in planned)
    asked -= keys_in(map(store.whole_shard, live(state.shards)))  # tried again: this job's own
    for other in others:
        theirs = _answers_of(other, engine)
        shared = len(asked & theirs)
        if shared and shared * PART >= min(len(asked), len(theirs)):
            raise _taken(engine, other, f"{shared:,} of the {len(asked):,} new requests")


def _taken(engine: Engine, other: Neighbour, share: str) -> NameTaken:
    """The error, with the way to carry on. Where the other spec is there, it has its job's name already."""
    spec, away = engine.job.spec.name, f"move {STATE_FOLDER}/{other.job} away to start afresh and pay again"
    there = (engine.job.root / other.spec).exists()
    what = "says something else by now" if there else "is gone"
    carry_on = (
        f"run {other.spec} first, or put it back as it was"
        if there
        else f"add `name: {other.job}` to carry on with it"
    )
    return NameTaken(
        f"{share} of {spec} were asked as the job '{other.job}', whose spec {other.spec} {what}; nothing was submitted",
        hint=f"{carry_on}, or {away}",
        job="" if there else other.job,
    )


def _stands(other: Neighbour, root: Path) -> bool:
    """Whether the job's spec is where it was, as it was, or where a watcher put it."""
    path = root / other.spec
    if path.exists():
        return other.asked is None or seen_at(path, other.asked, root) is not None
    return any((root / folder / other.spec).exists() for folder in PUT_AWAY)


def _answers_of(other: Neighbour, engine: Engine) -> set[bytes]:
    """The keys that are answered in the other job, or under way, and that its spec does not ask for as it stands.
    What cannot be read any more counts for none."""
    store = Store(engine.job.root, other.job, sandbox=engine.store.sandbox)
    try:
        state = store.load()
        keys = keys_in(map(store.whole_shard, live(state.shards))) if state else set()
        if state and state.expansion and keys and _asks_as_before(other, engine.job):
            keys -= keys_needed(store.rows(state.expansion.rows_file))
    except BatchrunError:
        return set()
    return keys


def _asks_as_before(other: Neighbour, job: Job) -> bool:
    """Whether the job's spec asks what it did when its rows were last read: a budget may be all that was edited."""
    from batchrun.spec import load  # seldom needed

    try:
        return settings_of(load(job.root / other.spec, roots=job.roots).job) == other.settings
    except BatchrunError:
        return False
