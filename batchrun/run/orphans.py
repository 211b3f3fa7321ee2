"""Jobs under way whose spec cannot be read any more, or is gone: what is paid for is fetched and written all the same."""

from __future__ import annotations

from datetime import UTC, datetime

from batchrun.errors import BatchrunError, MissingInput
from batchrun.fs.files import shown
from batchrun.lifecycle import phases, transitions
from batchrun.lifecycle.observer import Observer
from batchrun.lifecycle.policy import policy_of
from batchrun.lifecycle.state import ACTIVE, Collected
from batchrun.model import Job
from batchrun.run.jobs import Shield, at_work
from batchrun.run.rescue import rescue, words
from batchrun.run.target import Target
from batchrun.rundir.store import Store
from batchrun.spec.loader import Loaded


def gone(job: Job, *, sandbox: bool) -> MissingInput:
    """What there is to say of an orphan whose spec is not there any more. Raises ConfigError."""
    store = Store(job.root, job.name, sandbox=sandbox)
    state = store.load()
    batches = [s.batch for s in state.shards if s.phase in ACTIVE and s.batch] if state else []
    known = state is not None and state.expansion is not None and state.expansion.layout is not None
    then = "and written all the same" if known else "all the same; put it back to have them written"
    hints = [f"its answers are fetched to {shown(store.folder)} {then}"]
    if batches:
        kept = min(batch.created_at.timestamp() for batch in batches) + phases.RETENTION
        hints.append(
            f"the API keeps them until {datetime.fromtimestamp(kept, UTC):%Y-%m-%d}; to cancel instead:"
        )
        hints += [f"batchrun batches cancel {batch.id}" for batch in batches]
    return MissingInput(
        f"{job.spec.name} is gone, but what its job submitted is under way", hint="\n".join(hints)
    )


def look_after(
    job: Job, error: BatchrunError, target: Target, *, observer: Observer, shield: Shield, now: float
) -> tuple[float | None, Collected | None]:
    """Fetch what has ended, and write the answer once all of it is there; let hooks hear of `error`, once. When to do
    so again, in seconds since the epoch, None when nothing is left to fetch; and the answer, where it is written.
    Raises Locked, ConfigError, ApiError."""
    due = collected = None

    def fetch() -> None:
        nonlocal due, collected
        with at_work(Loaded(job), target=target, observer=observer, shield=shield) as engine:
            before = engine.state.collected
            fault = rescue(engine)
            if phases.under_way(engine.state):
                waiting = transitions.sending_nothing(policy_of(engine.job))
                due = transitions.next_due(engine.state, waiting, now)
            else:
                error.note = words(engine, before, fault)
            collected = engine.state.collected
            raise error

    try:
        fetch()
    except BatchrunError as raised:
        if raised is not error:
            raise
    return due, collected
