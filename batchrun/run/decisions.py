"""What a person decides about a job: cancel, try again, name a batch, submit a held shard again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.clockwork import REAL, Clockwork
from batchrun.errors import Locked, NotFinished, UsageError
from batchrun.lifecycle import events, phases
from batchrun.lifecycle.candidates import could_be
from batchrun.lifecycle.state import Phase, Reason, Shard
from batchrun.providers.base import TryLater
from batchrun.reports.outcome import Outcome, standing
from batchrun.run.elsewhere import refuse_asked_elsewhere
from batchrun.run.jobs import Shield, look, opened
from batchrun.run.outputplace import guard_output
from batchrun.run.preflight import allow_first_spend
from batchrun.run.recall import load_or_recall
from batchrun.run.rescue import rescue
from batchrun.run.reshard import resend, retry_rows
from batchrun.run.target import Target
from batchrun.rundir.integrity import gone_results
from batchrun.rundir.store import Store

if TYPE_CHECKING:
    from batchrun.config.values import Config
    from batchrun.lifecycle.observer import Observer
    from batchrun.run.engine import Engine


def cancel_job(
    spec: Path,
    *,
    sandbox: bool = False,
    roots: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    config: Config | None = None,
    observer: Observer | None = None,
    clockwork: Clockwork = REAL,
) -> Outcome | None:
    """Cancel every batch under way and send nothing more; nothing changes where nothing was ever sent.

    None: another process runs the job, and was asked. Raises NotFinished when a batch could not be reached;
    the next run cancels it.
    """
    job = load_or_recall(Target(sandbox, environ, clockwork, config), spec, roots).job
    store = Store(job.root, job.name, sandbox=sandbox)
    state = store.load()
    if state is None or not phases.began(state):
        return look(spec, sandbox=sandbox, roots=roots, config=config)
    # The wish outlives this process: whoever holds the lock, or comes next, sees it.
    store.ask_to_cancel()
    try:
        with opened(
            spec,
            target=Target(sandbox, environ, clockwork, config),
            roots=roots,
            observer=observer,
            recall=True,
        ) as engine:
            engine.cancel()
            for shard in engine.state.shards:
                if phases.cancelable(shard):
                    raise NotFinished(
                        f"shard {shard.id} could not be canceled: {shard.detail}",
                        hint="cancel it again; a run would cancel it, too",
                    )
            return standing(engine.job, engine.state)
    except Locked:
        return None


def retry_job(
    spec: Path,
    *,
    sandbox: bool = False,
    wait: bool = True,
    roots: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    config: Config | None = None,
    observer: Observer | None = None,
    shield: Shield = nullcontext,
    clockwork: Clockwork = REAL,
) -> Outcome:
    """Put everything that did not succeed into new shards, then run. Succeeded rows are left alone."""
    with opened(
        spec,
        target=Target(sandbox, environ, clockwork, config),
        roots=roots,
        observer=observer,
        shield=shield,
    ) as engine:
        guard_output(engine.job, engine.state, engine.store, overwrite=engine.overwrite)
        engine.prepare()
        engine.record(events.Reopened())
        if gone := gone_results(engine.state, engine.store):  # which rows failed stands in the results
            for event in gone:
                engine.record(event)
            rescue(engine)
        fetched = [s for s in engine.state.shards if s.phase is Phase.FETCHED]
        again = retry_rows(fetched, engine.job, engine.state, engine.store, every=True)
        engine.refuse_retired(again.shards)
        engine.record(again)
        refuse_asked_elsewhere(engine)
        allow_first_spend(engine)
        engine.run(wait=wait)
        return standing(engine.job, engine.state)


def adopt_batch(
    spec: Path,
    shard_id: str,
    batch_id: str,
    *,
    sandbox: bool = False,
    roots: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    config: Config | None = None,
    observer: Observer | None = None,
    clockwork: Clockwork = REAL,
) -> Outcome:
    """Take `batch_id` for the batch of a held shard; its results still have to prove it.

    Raises UsageError when it cannot be: another number of requests, or another job's.
    """
    with opened(
        spec,
        target=Target(sandbox, environ, clockwork, config),
        roots=roots,
        observer=observer,
        recall=True,
    ) as engine:
        shard = _undecided(engine, shard_id)
        if shard.batch and not shard.batch.provisional:
            raise UsageError(
                f"{shard.batch.id} is the batch of shard {shard.id}: the API said so when it was submitted",
                hint="fetch it again with `batchrun retry`, or submit again with `batchrun resubmit`",
            )
        owned = {s.batch.id for s in engine.state.shards if s.batch and s.id != shard.id}
        if batch_id in owned | engine.store.owned_elsewhere():
            raise UsageError(f"{batch_id} belongs to another shard or job")
        try:
            batch = engine.provider.retrieve(batch_id).batch
        except TryLater as error:
            raise UsageError(
                f"{batch_id}: {error}", hint="batchrun batches list shows what there is"
            ) from error
        if not could_be(batch, shard):
            raise UsageError(
                f"{batch_id} has {batch.request_counts.total:,} requests, shard {shard.id} {shard.requests:,}:"
                " it cannot be its batch"
            )
        engine.record(events.Adopted(shard.id, batch))
        return standing(engine.job, engine.state)


def resubmit_shard(
    spec: Path,
    shard_id: str,
    *,
    sandbox: bool = False,
    wait: bool = True,
    roots: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    config: Config | None = None,
    observer: Observer | None = None,
    shield: Shield = nullcontext,
    clockwork: Clockwork = REAL,
) -> Outcome:
    """Submit what today's rows need of a held shard, or of one whose batch is gone, again, although it may be
    paid for twice: the caller accepts that."""
    with opened(
        spec,
        target=Target(sandbox, environ, clockwork, config),
        roots=roots,
        observer=observer,
        shield=shield,
    ) as engine:
        shard = _undecided(engine, shard_id, gone=True)
        guard_output(engine.job, engine.state, engine.store, overwrite=engine.overwrite)
        engine.prepare()
        refuse_asked_elsewhere(engine)
        again = resend(shard, engine.job, engine.state, engine.store, abandoned=True)
        engine.refuse_retired(again.shards)
        engine.record(again)
        engine.run(wait=wait)
        return standing(engine.job, engine.state)


def _undecided(engine: Engine, shard_id: str, *, gone: bool = False) -> Shard:
    """The shard, if its fate is open; with `gone`, also one whose batch the API does not know. Raises
    UsageError, naming those whose is."""
    open_ = [
        s
        for s in engine.state.shards
        if s.phase in (Phase.HELD, Phase.SUBMITTING) or (gone and s.reason is Reason.NOT_FOUND)
    ]
    for shard in open_:
        if shard.id == shard_id:
            return shard
    names = ", ".join(s.id for s in open_) or "none"
    raise UsageError(f"shard {shard_id!r} is not held", hint=f"held shards: {names}")
