"""Jobs under way whose spec cannot be read any more, or is gone: what is paid for is fetched all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from batchrun.errors import BatchrunError, MissingInput
from batchrun.fs.confine import without_links
from batchrun.fs.files import shown
from batchrun.lifecycle import phases, transitions
from batchrun.lifecycle.observer import Observer
from batchrun.lifecycle.policy import policy_of
from batchrun.lifecycle.state import ACTIVE
from batchrun.model import InputSpec, Job, OutputFormat, OutputSpec, Place
from batchrun.run.jobs import Shield, at_work
from batchrun.run.target import Target
from batchrun.rundir.siblings import neighbours
from batchrun.rundir.store import Store, runs_folder
from batchrun.spec.loader import Loaded


def orphan(spec: Path, *, sandbox: bool) -> Job | None:
    """A job that is under way and began as this spec, as far as it is known without the spec; None when there is
    none. Found by the file's name: a broken spec does not tell that of its job."""
    root = without_links(spec.absolute().parent)
    for other in neighbours(runs_folder(root, sandbox=sandbox), leaving_out=""):
        if other.spec == spec.name and other.under_way:
            # Nothing is expanded or written from these: only batches are asked for, at the usual pace.
            data, output = (
                InputSpec(other.input_paths, Place(spec.name)),
                OutputSpec(root, OutputFormat.JSONL),
            )
            return Job(other.job, root / spec.name, root, (), data, None, output)
    return None


def gone(job: Job, *, sandbox: bool) -> MissingInput:
    """What there is to say of an orphan whose spec is not there any more. Raises ConfigError."""
    store = Store(job.root, job.name, sandbox=sandbox)
    state = store.load()
    batches = [s.batch for s in state.shards if s.phase in ACTIVE and s.batch] if state else []
    hints = [
        f"its answers are fetched to {shown(store.folder)} all the same; put it back to have them written"
    ]
    if batches:
        kept = min(batch.created_at.timestamp() for batch in batches) + phases.RETENTION
        hints.append(
            f"the API keeps them until {datetime.fromtimestamp(kept, UTC):%Y-%m-%d}; to cancel instead:"
        )
        hints += [f"batchrun batches cancel {batch.id}" for batch in batches]
    return MissingInput(
        f"{job.spec.name} is gone, but what its job submitted is under way", hint="\n".join(hints)
    )


def rescue(
    job: Job, error: BatchrunError, target: Target, *, observer: Observer, shield: Shield, now: float
) -> float | None:
    """Fetch what has ended, and let hooks hear of `error`, once. When to do so again, in seconds since the epoch;
    None when nothing is left to fetch. Raises Locked, ConfigError, ApiError."""
    due = None

    def fetch() -> None:
        nonlocal due
        with at_work(Loaded(job), target=target, observer=observer, shield=shield) as engine:
            engine.rescue()
            if phases.under_way(engine.state):
                waiting = transitions.sending_nothing(engine.state)
                due = transitions.next_due(waiting, policy_of(engine.job), now)
            raise error

    try:
        fetch()
    except BatchrunError as raised:
        if raised is not error:
            raise
    return due
