"""What is refused before anything is sent or written: a first spend that nobody allowed, a file that is not
ours, a run directory that belongs to another spec or another API."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchrun.errors import ConfigError, NameTaken, NeedsPerson
from batchrun.fs import STATE_FOLDER
from batchrun.lifecycle import phases
from batchrun.lifecycle.state import Phase, RunState
from batchrun.requests.expand import parts_of, settings_of
from batchrun.specnames import PUT_AWAY

if TYPE_CHECKING:
    from batchrun.run.engine import Engine

SANDBOX_ORIGIN = "sandbox"
Consent: TypeAlias = Callable[[RunState], bool]


def allow_first_spend(engine: Engine, consent: Consent | None = None) -> None:
    """Raise NeedsPerson when this is a first spend that neither a budget nor a person allows."""
    if engine.policy.max_cost_usd is not None or not is_first_spend(engine):
        return
    if not (consent and consent(engine.state)):
        raise NeedsPerson(
            "the spec sets no budget, and this would be the job's first spend; nothing was submitted",
            hint="set limits.max_cost_usd, or allow it with `batchrun run --yes`; batchrun plan shows the cost",
        )


def is_first_spend(engine: Engine) -> bool:
    """Whether nothing of the job was ever sent, and something is about to be paid for."""
    state = engine.state
    planned = any(shard.phase is Phase.PLANNED for shard in state.shards)
    return planned and not (_in_sandbox(engine) or state.canceled or phases.began(state))


# ---- the run directory -------------------------------------------------------------------------


def check_identity(engine: Engine, origin: str, because: str, *, watched: bool = False) -> None:
    """One run directory belongs to one spec and one API. `because` is what sets `origin`; `watched`: the spec was
    dropped, by whomever. Raises ConfigError."""
    state, job = engine.state, engine.job
    if not phases.began(state):
        _refuse_renamed(engine)
    if state.origin != origin:
        if phases.began(state):
            raise ConfigError(
                f"the job's batches are at {state.origin}, but {because} leads to {origin}",
                hint="run it with the base URL it was started with, or copy the spec to a folder of its own",
            )
        engine.state = replace(engine.state, origin=origin)
    if state.spec != job.spec.name:
        if (job.root / state.spec).exists():
            raise NameTaken(
                f"{job.spec.name} and {state.spec} both call their job '{job.name}'",
                hint="give one of them another name: key",
                other=state.spec,
            )
        if watched:
            _refuse_taken_over(engine)
        engine.state = replace(engine.state, spec=job.spec.name)


def _refuse_taken_over(engine: Engine) -> None:
    """A spec that names the job of another one, and asks something else or writes elsewhere, would replace that
    one's answers. A person who runs it means it; of one that was dropped nobody knows."""
    state, job = engine.state, engine.job
    if phases.began(state) and state.expansion and state.expansion.settings != settings_of(job):
        raise NameTaken(
            f"{job.spec.name} is to be the job '{job.name}', which was {state.spec} before, but asks something else;"
            " nothing was submitted",
            hint=f"drop it as {state.spec}, or give it another name: key; to carry on with that job on purpose, run it:"
            f" batchrun run {shlex.quote(job.spec.name)}",
        )


def _refuse_renamed(engine: Engine) -> None:
    """A spec that was renamed has a new job name, and would pay for everything again. It is known by what it
    reads and asks: the name may not be all that was edited."""
    job = engine.job
    for other in engine.store.others():
        if other.spec == job.spec.name and other.began:
            raise NameTaken(
                f"{job.spec.name} was the job '{other.job}' before, and that has begun; nothing was submitted",
                hint=f"name it `name: {other.job}` as before, or move {STATE_FOLDER}/{other.job} away to start afresh"
                " and pay again",
                job=other.job,
            )
        if other.input_paths != job.input.paths or not other.began or _is_around(other.spec, job.root):
            continue
        if other.asks == parts_of(job) or other.under_way:
            raise NameTaken(
                f"{job.spec.name} is {other.spec} under a new name, and its job '{other.job}' has begun;"
                " nothing was submitted",
                hint=f"add `name: {other.job}` to carry on with it, or move {STATE_FOLDER}/{other.job} away to start"
                " afresh and pay again",
                job=other.job,
            )


def _is_around(spec: str, root: Path) -> bool:
    """Whether a spec is where it was, or where a watcher puts specs: then no other is that one renamed."""
    return any((root / folder / spec).exists() for folder in (".", *PUT_AWAY))


def _in_sandbox(engine: Engine) -> bool:
    return engine.state.origin == SANDBOX_ORIGIN
