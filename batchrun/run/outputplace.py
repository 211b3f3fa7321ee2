"""Whether the output may be written where the spec says: found out before anything is sent."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.errors import CannotCreate
from batchrun.fs.files import shown, sweep_parts
from batchrun.outputs.writers import check_installed, plain_file, try_creating
from batchrun.rundir.filefacts import is_at

if TYPE_CHECKING:
    from batchrun.lifecycle.state import RunState
    from batchrun.model import Job
    from batchrun.rundir.store import Store


def guard_output(job: Job, state: RunState, store: Store, *, overwrite: bool) -> None:
    """Refuse an output that could not be written, and, without `overwrite`, one that is not ours to replace.
    Raises CannotCreate and ConfigError; nothing was submitted."""
    check_installed(job.output)
    _refuse_unfit_folder(job.output.path, owner=store.folder)
    if not overwrite:
        refuse_foreign(job, state, store, "nothing was submitted")


def refuse_foreign(job: Job, state: RunState, store: Store, comfort: str) -> None:
    """Raise CannotCreate for a file that this job did not write, or no plain file. `comfort` says what is
    not lost by it."""
    path, root = job.output.path, job.root
    if plain_file(path) is None:
        return
    if is_at(path, state.written, root) or is_at(path, state.writing, root):
        return
    for other in store.others():
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
