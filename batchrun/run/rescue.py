"""What is paid for is fetched and written, although the job cannot go on: its spec or its data is gone or wrong."""

from __future__ import annotations

from batchrun.errors import BatchrunError, CannotCreate, ConfigError, DataError, Interrupted
from batchrun.fs.files import shown
from batchrun.lifecycle import actions, phases, transitions
from batchrun.lifecycle.state import Collected
from batchrun.outputs.writers import check_installed
from batchrun.run.engine import Engine
from batchrun.run.recall import as_written
from batchrun.run.retired import price_of_another_request


def rescue(engine: Engine) -> str:
    """Fetch what has ended, and write the answer once all of it is there; send nothing and wait for nothing. What
    keeps the answer from being written, or "". Raises ApiError, DiskError."""
    engine.state = transitions.wake(engine.state)
    policy = transitions.sending_nothing(engine.policy)
    job, fault = None, ""
    try:
        job = as_written(engine.job, engine.state, engine.store)
        check_installed(job.output)
        engine.look_at_output(job)
    except (ConfigError, DataError) as error:
        fault = str(error)
    while True:
        match transitions.next_action(engine.state, policy, engine.now()):
            case (actions.Fetch() | actions.Poll() | actions.Reconcile()) as action:
                engine.perform(action)
            case actions.Collect():
                if job is None:
                    return fault
                try:
                    engine.collect(job)
                except (CannotCreate, DataError) as error:
                    return str(error)
            case _:
                return fault


def rescued(engine: Engine) -> str:
    """`rescue`, and in words what came of it: beside the error that keeps the job from going on, nothing else is one."""
    if not phases.began(engine.state):
        return ""
    before = engine.state.collected
    try:
        fault = rescue(engine)
    except Interrupted:
        raise
    except BatchrunError as error:
        return f"what was paid for was not looked after: {error}; the next run looks again"
    return words(engine, before, fault)


def words(engine: Engine, before: Collected | None, fault: str) -> str:
    """How what was paid for stands after `rescue`; `before` is what had been collected until then."""
    state, folder = engine.state, shown(engine.store.folder)
    if phases.under_way(state):
        then = (
            f"fetched to {folder} by the next runs, and not written: {fault}"
            if fault
            else "fetched and written"
        )
        said = f"what was submitted is under way all the same, and is {then}"
        said += "" if fault else " by the next runs"
    elif fault:
        said = f"what was paid for is fetched to {folder}, and not written: {fault}"
    elif state.collected is None:
        said = f"what was paid for is fetched to {folder}, and written once the rest was asked, or canceled"
    else:
        path = shown(engine.job.root / state.collected.output.path)
        said = f"{path} holds what was paid for, as the spec asked for it before"
        if before is None or before.output != state.collected.output:
            summary = state.collected.summary
            rows = f"{summary.succeeded:,} of {summary.records:,} rows succeeded"
            said = (
                f"what was paid for is written all the same, as the spec asked for it before: {rows}: {path}"
            )
    return "\n".join(filter(None, (said, price_of_another_request(state))))
