"""The run directory of one job (design §4): where things stand, the lock, loading and saving.

    .batchrun/<job>/state.json     the checkpoint, replaced atomically
                    lock           `rundir.lock`; the kernel releases it with the process
                    rows/          the expansion: one line a row, with its keys
                    shards/        immutable request lines; NNNN.sent: that shard was, or may have been, sent
                    results/       immutable result lines, proven complete
                    hooks.json     what hooks were told of (`hooks.notify`)
                    log.jsonl      for people; never read back for decisions
    .batchrun/.gitignore           so that no state is committed by mistake

Sandbox runs have a folder of their own, `.batchrun/@sandbox/`, so that no invented answer is ever taken
for a paid one. None of these folders may be a link: what lies where a link leads is not ours to write.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.errors import BatchrunError, ConfigError, DataError, DiskError, Locked, MissingInput
from batchrun.fs import STATE_FOLDER as FOLDER
from batchrun.fs import files
from batchrun.fs.confine import open_regular
from batchrun.fs.permissions import fault_of_folder, open_file
from batchrun.lifecycle import state
from batchrun.lifecycle.phases import never_created
from batchrun.lifecycle.state import RunState, Shard
from batchrun.rundir import lock as joblock
from batchrun.safetext import escaped

if TYPE_CHECKING:
    from batchrun.rundir.siblings import Neighbour

SANDBOX = "@sandbox"

_FILE = re.compile(r"[0-9]{4,}\.jsonl")
_PART = re.compile(r"\.[0-9]{4,}\.jsonl\.[0-9]+\.part")
"""The names that we give in shards/ and rows/, and so may remove."""
_TEMPORARY = re.compile(r"\..+\.[0-9]+\.part")
_LOG = "log.jsonl"
_OF_HOOKS = (b'"event": "HookCalled"', b'"event": "HookFailed"')


def runs_folder(root: Path, *, sandbox: bool = False) -> Path:
    """Where the jobs of the specs in `root` keep their run directories."""
    return root / FOLDER / SANDBOX if sandbox else root / FOLDER


def refuse_foreign_folders(folders: Iterable[Path]) -> None:
    """Whoever made the spec's folder may have put anything here. Raises ConfigError."""
    for folder in folders:
        try:
            fault = fault_of_folder(folder)
        except OSError as error:
            raise files.disk_error(error, folder, "read") from error
        if fault:
            raise ConfigError(
                f"{folder} {fault}; batchrun keeps its state only in folders of its own",
                hint="see who put it there, and move it away",
            )


class Store:
    """One job's run directory. Nothing is created before `locked()`."""

    def __init__(self, root: Path, job: str, *, sandbox: bool = False) -> None:
        self.folder, self.sandbox = runs_folder(root, sandbox=sandbox) / job, sandbox
        self._parts = tuple(self.folder / name for name in ("shards", "results", "rows"))
        above = (root / FOLDER, root / FOLDER / SANDBOX) if sandbox else (root / FOLDER,)
        self._folders = (*above, self.folder, *self._parts)
        self.state_file = self.folder / "state.json"
        self.hooks_file = self.folder / "hooks.json"
        self._whole: set[str] = set()
        self._lock_file = self.folder / "lock"
        self._lock: joblock.JobLock | None = None

    # ---- paths

    def shard(self, shard_id: str) -> Path:
        return self.folder / "shards" / f"{shard_id}.jsonl"

    def whole_shard(self, shard: Shard) -> Path:
        """The shard's file, which is as it was written: reading fewer keys out of it than were asked would pay
        for the rest again, and what is sent is what was planned. Raises DiskError. Looks once in its life."""
        # Here: a job that is done needs no shard, and is to be seen quickly.
        from batchrun.rundir.shards import body_digest

        path = self.shard(shard.id)
        if shard.nonce not in self._whole:
            if body_digest(path) != shard.sha256:
                raise DiskError(
                    f"{path} is damaged: it is not what was written", hint="restore it from a backup"
                )
            self._whole.add(shard.nonce)
        return path

    def results(self, shard_id: str) -> Path:
        return self.folder / "results" / f"{shard_id}.jsonl"

    def part(self, shard_id: str) -> Path:
        return self.folder / "results" / f"{shard_id}.part"

    def rows(self, name: str) -> Path:
        return self.folder / "rows" / name

    def sent_mark(self, shard_id: str) -> Path:
        """Exists from before a shard's POST until it is certain that the POST created nothing."""
        return self.folder / "shards" / f"{shard_id}.sent"

    # ---- the state

    def load(self) -> RunState | None:
        """The state, or None where this job was never run. Raises ConfigError when it is damaged."""
        refuse_foreign_folders(self._folders)
        try:
            with open_regular(self.state_file) as stream:
                data = stream.read()
        except MissingInput:
            self._refuse_to_start_afresh()
            return None
        except DataError as error:
            if isinstance(cause := error.__cause__, OSError):
                raise files.disk_error(cause, self.state_file, "read") from error
            raise DiskError(str(error)) from error
        except OSError as error:
            raise files.disk_error(error, self.state_file, "read") from error
        found = state.loads(data, where=str(self.state_file))
        self._refuse_foreign_names(found)
        return found

    def save(self, value: RunState) -> None:
        """Raises DiskError; ConfigError where the folder is not the one that was locked any more."""
        self._refuse_lost_lock()
        files.write_atomic(self.state_file, state.dumps(value))

    def _refuse_to_start_afresh(self) -> None:
        """A state is saved before anything else is written, so whatever is here without one means that it was
        lost, with what it knew of batches that were sent."""
        if left := next(self._left_by_a_run(), None):
            raise ConfigError(
                f"the state file is missing, but {left} of an earlier run is here",
                where=str(self.state_file),
                hint="restore it from a backup, or move the folder away to start afresh and pay again",
            )

    def _left_by_a_run(self) -> Iterator[str]:
        """What only a run that had saved its state can have left. What hooks were told may come before that."""
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            before = name in ("lock", self.state_file.name, self.hooks_file.name) or _TEMPORARY.fullmatch(
                path.name
            )
            if path.is_dir() or before or (name == _LOG and _tells_of_hooks_alone(path)):
                continue
            yield name

    def knows_more(self, current: RunState) -> list[str]:
        """The shards that were sent, by the files, and not by `current`: the mark goes before the state says
        that nothing was created."""
        sent = [p.stem for p in (self.folder / "shards").glob("*.sent")]
        sent += [p.stem for p in (self.folder / "results").glob("*.jsonl") if _FILE.fullmatch(p.name)]
        known = {s.id for s in current.shards if not never_created(s)}
        return sorted(set(sent) - known)

    def refuse_older(self, current: RunState) -> None:
        """Raise ConfigError when more was sent than `current` knows of: going on would pay for it again, and
        sweep what belongs to it. For the holder of the lock: elsewhere the state may be older than the files
        because it changes."""
        if unknown := self.knows_more(current):
            raise ConfigError(
                f"the state is older than what was submitted: shard {unknown[0]} was sent",
                where=str(self.state_file),
                hint="restore a newer backup; or look with `batchrun batches list` at what was sent, and move the"
                " folder away to start afresh and pay again",
            )

    def _refuse_foreign_names(self, current: RunState) -> None:
        """Ids become names of files that are written: they must not lead out. Raises ConfigError."""
        rows = (current.expansion.rows_file,) if current.expansion else ()
        for name in (*(f"{shard.id}.jsonl" for shard in current.shards), *rows):
            if not _FILE.fullmatch(name):
                raise ConfigError(
                    f"the state file is damaged: it names {name!r}, which is no file of ours",
                    where=str(self.state_file),
                    hint="see who put it there, and move the folder away",
                )

    # ---- the lock

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the job for this process. Raises Locked at once when another one has it."""
        refuse_foreign_folders(self._folders)
        try:
            self._lock = lock = joblock.claim(str(self._lock_file))
        except joblock.Held as held:
            raise Locked(held.about(self.folder.name), hint="it goes on there; run it again later") from None
        try:
            for folder in self._parts:
                files.make_private_dir(folder)
            files.keep_out_of_git(self._folders[0])
            yield
        finally:
            self._lock = None
            lock.let_go()

    def _refuse_lost_lock(self) -> None:
        """Raise ConfigError when somebody moved the folder away, and somebody else has locked a new one."""
        with suppress(OSError):  # that the folder is gone shows when it is written to
            if self._lock and self._lock.is_lost():
                raise ConfigError(
                    f"{self.folder} was moved away while a run worked in it, and another run began there",
                    hint="put the folder back: it knows what was submitted; and run it again",
                )

    # ---- the rest

    def log(self, now: str, event: str, facts: Mapping[str, object]) -> None:
        """Add a line for people. Never fails: the log decides nothing."""
        path = self.folder / _LOG
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            handle = open_file(path, flags)
            with os.fdopen(handle, "ab") as stream:
                line = json.dumps(
                    {"at": now, "event": event, **facts} | {"at": now}, default=str, ensure_ascii=False
                )
                stream.write(escaped(line.encode("utf-8", "replace")) + b"\n")

    def cancel_marker(self) -> Path:
        """Exists while someone asked a running process to cancel the job."""
        return self.folder / "cancel"

    def ask_to_cancel(self) -> None:
        """Leave the wish for whoever runs the job. Raises DiskError."""
        files.leave_mark(self.cancel_marker())

    def sweep(self, current: RunState) -> None:
        """Remove what a crash left behind: files of ours that the state does not name. Results stay, always."""
        files.sweep_parts(self.state_file)
        keep = {f"{s.id}.jsonl" for s in current.shards}
        rows = current.expansion.rows_file if current.expansion else ""
        with suppress(OSError):  # what stays behind does no harm
            left = [p for p in (self.folder / "shards").iterdir() if p.name not in keep]
            left += [p for p in (self.folder / "rows").iterdir() if p.name != rows]
            for path in left:
                if _FILE.fullmatch(path.name) or _PART.fullmatch(path.name):
                    path.unlink()

    def others(self) -> Iterator[Neighbour]:
        """The other jobs of this folder, as far as their states can be read."""
        # Here: a job that is done asks for none, and is to be seen quickly.
        from batchrun.rundir.siblings import neighbours

        return neighbours(self.folder.parent, leaving_out=self.folder.name)

    def owned_elsewhere(self) -> frozenset[str]:
        """The batches that other jobs of this folder own (design §4, reconciling)."""
        return frozenset(batch for other in self.others() for batch in other.batches)


def _tells_of_hooks_alone(log: Path) -> bool:
    """Whether the log has no line of a run: hooks may have been called for one that never came to begin."""
    with suppress(BatchrunError, OSError), open_regular(log) as stream:
        return all(any(event in line for event in _OF_HOOKS) for line in stream)
    return False
