"""What is refused before anything is sent or written: a first spend that nobody allowed, a file that is not
ours, a run directory that belongs to another spec or another API."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchrun.errors import CannotCreate, ConfigError, NameTaken, NeedsPerson
from batchrun.fs.confine import STATE_FOLDER
from batchrun.fs.files import file_fact, shown, sweep_parts
from batchrun.lifecycle import phases
from batchrun.lifecycle.state import Phase, RunState
from batchrun.model import FileFact
from batchrun.outputs.writers import check_installed, plain_file, try_creating
from batchrun.requests.expand import parts_of
from batchrun.rundir.filefacts import relative, unchanged
from batchrun.specnames import PUT_AWAY

if TYPE_CHECKING:
    from batchrun.run.engine import Engine

SANDBOX_ORIGIN = "sandbox"
Consent: TypeAlias = Callable[[RunState], bool]


def allow_first_spend(engine: Engine, consent: Consent | None = None) -> None:
    """Raise NeedsPerson when this is a first spend that neither a budget nor a person allows."""
    state = engine.state
    if _in_sandbox(engine) or engine.policy.max_cost_usd is not None or state.canceled:
        return
    if phases.began(state) or all(s.phase is not Phase.PLANNED for s in state.shards):
        return
    if not (consent and consent(state)):
        raise NeedsPerson(
            "the spec sets no budget, and this would be the job's first spend; nothing was submitted",
            hint="set limits.max_cost_usd, or allow it with `batchrun run --yes`; batchrun plan shows the cost",
        )


# ---- the output --------------------------------------------------------------------------------


def guard_output(engine: Engine) -> None:
    """Refuse an output that could not be written, and one that is not ours to replace. Raises CannotCreate
    and ConfigError; nothing was submitted."""
    check_installed(engine.job.output)
    _refuse_unfit_folder(engine.job.output.path, owner=engine.store.folder)
    refuse_foreign(engine, "nothing was submitted")


def refuse_foreign(engine: Engine, comfort: str) -> None:
    """Raise CannotCreate for a file that this job did not write, or no plain file. `comfort` says what is
    not lost by it."""
    path, state, root = engine.job.output.path, engine.state, engine.job.root
    if plain_file(path) is None or engine.overwrite:
        return
    if is_at(path, state.written, root) or is_at(path, state.writing, root):
        return
    for other in engine.store.others():
        if is_at(path, other.written, root):
            raise CannotCreate(
                f"{shown(path)} was written by the job '{other.job}' ({other.spec}); {comfort}",
                hint=f"name another output; or add `name: {other.job}` to carry on with that job's answers",
            )
    ours = state.written is not None and root / state.written.path == path
    what = "was changed since batchrun wrote it" if ours else "exists, and batchrun did not write it"
    raise CannotCreate(
        f"{shown(path)} {what}; {comfort}", hint="move it away, or replace it with --overwrite"
    )


def _refuse_unfit_folder(path: Path, owner: Path) -> None:
    """Found out now, and not after the answers are paid for."""
    folder = next(p for p in path.parents if os.path.exists(p))  # noqa: PTH110 (Path raises for a long name)
    if not folder.is_dir():
        fault = f"{shown(folder)} is not a folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        fault = f"{shown(folder)} may not be written to"
    else:
        fault = _fault_of_names(path, folder, owner)
    if fault:
        raise CannotCreate(
            f"cannot create {shown(path)}: {fault}; nothing was submitted",
            hint="name another output.path, or make room for this one",
        )


def _fault_of_names(path: Path, folder: Path, owner: Path) -> str:
    """Why nothing of these names can be made in `folder`, or "". The names themselves are not used for it:
    another job may be writing there just now. One job always tries the same name, so that it clears away what
    a kill left behind."""
    names = [os.fsencode(name) for name in path.relative_to(folder).parts]
    try:
        for name in names[:-1]:
            with suppress(FileNotFoundError):
                (folder / ("x" * len(name))).lstat()
        digest_of_owner = hashlib.sha256(os.fsencode(owner)).hexdigest()
        trial = folder / (digest_of_owner * len(names[-1]))[: len(names[-1])]
        sweep_parts(trial)
        try_creating(trial)
        sweep_parts(trial)  # should its removal have failed
    except OSError as error:
        return error.strerror or str(error)
    except CannotCreate as error:
        return str(error).rpartition(": ")[2]
    return ""


def is_at(path: Path, fact: FileFact | None, root: Path) -> bool:
    """Whether the file at `path` is the very one that `fact` tells of: a fact of another place says nothing."""
    return seen_at(path, fact, root) is not None


def seen_at(path: Path, fact: FileFact | None, root: Path) -> FileFact | None:
    """`fact` with today's time, if `is_at`; else None."""
    if fact is None or root / fact.path != path or not path.is_file():
        return None
    if unchanged(fact, root):
        return fact
    now = relative(file_fact(path), root)
    return now if now.sha256 == fact.sha256 else None


# ---- the run directory -------------------------------------------------------------------------


def check_identity(engine: Engine, origin: str, because: str) -> None:
    """One run directory belongs to one spec and one API. `because` is what sets `origin`. Raises ConfigError."""
    state, job = engine.state, engine.job
    if state.expansion is None:
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
        engine.state = replace(engine.state, spec=job.spec.name)


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
