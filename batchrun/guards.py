"""What is refused before anything is sent or written: a first spend that nobody allowed, a file that is not
ours, a run directory that belongs to another spec or another API."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchrun import lifecycle
from batchrun.errors import CannotCreate, ConfigError, NeedsPerson
from batchrun.expand import parts_of
from batchrun.files import digest, shown
from batchrun.model import FileFact
from batchrun.outputs.writers import check_installed
from batchrun.prepare import unchanged
from batchrun.state import Phase, RunState
from batchrun.store import FOLDER

if TYPE_CHECKING:
    from batchrun.engine import Engine

SANDBOX_ORIGIN = "sandbox"
Consent: TypeAlias = Callable[[RunState], bool]


def allow_first_spend(engine: Engine, consent: Consent | None = None) -> None:
    """Raise NeedsPerson when this is a first spend that neither a budget nor a person allows."""
    state = engine.state
    if _in_sandbox(engine) or engine.policy.max_cost_usd is not None or state.canceled:
        return
    if _began(state) or all(s.phase is not Phase.PLANNED for s in state.shards):
        return
    if not (consent and consent(state)):
        raise NeedsPerson(
            "the spec sets no budget, and this would be the job's first spend; nothing was submitted",
            hint="set limits.max_cost_usd, or allow it with `batchrun run --yes`; batchrun plan shows the cost",
        )


# ---- the output --------------------------------------------------------------------------------


def guard_output(engine: Engine, *, overwrite: bool = False) -> None:
    """Refuse to replace a file that this job did not write, or one that could not be written. Raises
    CannotCreate and ConfigError; nothing was submitted."""
    check_installed(engine.job.output)
    path, state, root = engine.job.output.path, engine.state, engine.job.root
    _refuse_unfit_folder(path)
    if overwrite or state.writing or not path.exists() or _is(path, state.written, root):
        return
    for other in engine.store.others():
        if _is(path, other.written, root):
            raise CannotCreate(
                f"{shown(path)} was written by the job '{other.job}' ({other.spec}); nothing was submitted",
                hint=f"name another output; or add `name: {other.job}` to carry on with that job's answers",
            )
    what = "was changed since batchrun wrote it" if state.written else "exists, and batchrun did not write it"
    raise CannotCreate(
        f"{shown(path)} {what}; nothing was submitted", hint="move it away, or replace it with --overwrite"
    )


def _refuse_unfit_folder(path: Path) -> None:
    """Found out now, and not after the answers are paid for."""
    folder = next(p for p in path.parents if p.exists())
    if not folder.is_dir():
        fault = "is not a folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        fault = "may not be written to"
    else:
        return
    raise CannotCreate(
        f"cannot create {shown(path)}: {shown(folder)} {fault}; nothing was submitted",
        hint="name another output.path, or make room for this one",
    )


def _is(path: Path, fact: FileFact | None, root: Path) -> bool:
    return fact is not None and (unchanged(fact, root) or digest(path) == fact.sha256)


# ---- the run directory -------------------------------------------------------------------------


def check_identity(engine: Engine, origin: str) -> None:
    """One run directory belongs to one spec and one API. Raises ConfigError."""
    state, job = engine.state, engine.job
    if state.expansion is None:
        _refuse_renamed(engine)
    if state.origin != origin:
        if _began(state):
            raise ConfigError(
                f"the job's batches are at {state.origin}, but ANTHROPIC_BASE_URL leads to {origin}",
                hint="run it with the base URL it was started with, or copy the spec to a folder of its own",
            )
        engine.state = replace(engine.state, origin=origin)
    if state.spec != job.spec.name:
        if (job.root / state.spec).exists():
            raise ConfigError(
                f"{job.spec.name} and {state.spec} both call their job '{job.name}'",
                hint="give one of them another name: key",
            )
        engine.state = replace(engine.state, spec=job.spec.name)


def _refuse_renamed(engine: Engine) -> None:
    """A spec that was renamed has a new job name, and would pay for everything again. It is known by what it
    reads and asks: the name may not be all that was edited."""
    job = engine.job
    for other in engine.store.others():
        last = other.expansion
        if last is None or not _began(other) or (job.root / other.spec).exists():
            continue
        asks_alike = last.parts == parts_of(job) or lifecycle.under_way(other)
        if asks_alike and last.input_paths == job.input.paths:
            raise ConfigError(
                f"{job.spec.name} is {other.spec} under a new name, and its job '{other.job}' has begun;"
                " nothing was submitted",
                hint=f"add `name: {other.job}` to carry on with it, or move {FOLDER}/{other.job} away to start"
                " afresh and pay again",
            )


def _began(state: RunState) -> bool:
    """Whether anything was sent, or may have been."""
    return any(s.batch or s.intent for s in state.shards)


def _in_sandbox(engine: Engine) -> bool:
    return engine.state.origin == SANDBOX_ORIGIN
