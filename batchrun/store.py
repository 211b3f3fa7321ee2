"""The run directory of one job (design §4): where things stand, the lock, loading and saving.

    .batchrun/<job>/state.json     the checkpoint, replaced atomically
                    lock           flock; the kernel releases it with the process
                    rows/          the expansion: one line a row, with its keys
                    shards/        immutable request lines
                    results/       immutable result lines, proven complete
                    log.jsonl      for people; never read back for decisions

Sandbox runs have a folder of their own, `.batchrun/@sandbox/`, so that no invented answer is ever taken
for a paid one.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import orjson

from batchrun import files, state
from batchrun.errors import BatchrunError, ConfigError, DiskError, Locked
from batchrun.state import RunState

FOLDER = ".batchrun"
SANDBOX = "@sandbox"


def runs_folder(root: Path, *, sandbox: bool = False) -> Path:
    """Where the jobs of the specs in `root` keep their run directories."""
    return root / FOLDER / SANDBOX if sandbox else root / FOLDER


class Store:
    """One job's run directory. Nothing is created before `locked()`."""

    def __init__(self, root: Path, job: str, *, sandbox: bool = False) -> None:
        self.folder = runs_folder(root, sandbox=sandbox) / job
        self.state_file = self.folder / "state.json"

    # ---- paths

    def shard(self, shard_id: str) -> Path:
        return self.folder / "shards" / f"{shard_id}.jsonl"

    def results(self, shard_id: str) -> Path:
        return self.folder / "results" / f"{shard_id}.jsonl"

    def part(self, shard_id: str) -> Path:
        return self.folder / "results" / f"{shard_id}.part"

    def rows(self, name: str) -> Path:
        return self.folder / "rows" / name

    # ---- the state

    def load(self) -> RunState | None:
        """The state, or None where this job was never run. Raises ConfigError when it is damaged."""
        try:
            data = self.state_file.read_bytes()
        except FileNotFoundError:
            self._refuse_to_start_afresh()
            return None
        except OSError as error:
            raise files.disk_error(error, self.state_file, "read") from error
        return state.loads(data, where=str(self.state_file))

    def save(self, value: RunState) -> None:
        files.write_atomic(self.state_file, state.dumps(value))

    def _refuse_to_start_afresh(self) -> None:
        """A state is saved before the first shard is written, so shards without one mean that it was lost."""
        if any(any((self.folder / name).glob("*.jsonl")) for name in ("shards", "results")):
            raise ConfigError(
                "the state file is missing, but shards or results of an earlier run are here",
                where=str(self.state_file),
                hint="restore it from a backup, or move the folder away to start afresh and pay again",
            )

    # ---- the lock

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the job for this process. Raises Locked at once when another one has it."""
        for folder in (self.folder, *(self.folder / n for n in ("shards", "results", "rows"))):
            files.make_private_dir(folder)
        path = self.folder / "lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, files.PRIVATE_FILE)
        except OSError as error:
            raise files.disk_error(error, path, "open") from error
        with os.fdopen(handle, "r+b") as stream:
            self._lock(stream)
            yield

    def _lock(self, stream: BinaryIO) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"another process is working on the job '{self.folder.name}'{_holder(stream)}",
                hint="it goes on there; run it again later, or see how it stands: batchrun status",
            ) from None
        except OSError as error:
            raise DiskError(f"cannot lock {stream.name}: {error.strerror}") from error
        # For the person who finds the lock held; a full disk must not stop us here.
        with suppress(OSError):
            stream.truncate(0)
            stream.write(orjson.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            stream.flush()

    # ---- the rest

    def log(self, now: str, event: str, facts: Mapping[str, object]) -> None:
        """Add a line for people. Never fails: the log decides nothing."""
        path = self.folder / "log.jsonl"
        with suppress(OSError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, files.PRIVATE_FILE)
            with os.fdopen(handle, "ab") as stream:
                line = json.dumps({"at": now, "event": event, **facts}, default=str, ensure_ascii=False)
                stream.write(line.encode("utf-8", "replace") + b"\n")

    def cancel_marker(self) -> Path:
        """Exists while someone asked a running process to cancel the job."""
        return self.folder / "cancel"

    def ask_to_cancel(self) -> None:
        """Leave the wish for whoever runs the job. Raises DiskError."""
        try:
            self.cancel_marker().touch(mode=files.PRIVATE_FILE)
        except OSError as error:
            raise files.disk_error(error, self.cancel_marker(), "create") from error

    def sweep(self, current: RunState) -> None:
        """Remove what a crash left behind: files that the state does not name. Results stay, always."""
        files.sweep_parts(self.state_file)
        keep = {f"{s.id}.jsonl" for s in current.shards}
        rows = current.expansion.rows_file if current.expansion else ""
        with suppress(OSError):  # what stays behind does no harm
            left = [p for p in (self.folder / "shards").iterdir() if p.name not in keep]
            left += [p for p in (self.folder / "rows").iterdir() if p.name != rows]
            for path in left:
                path.unlink()

    def others(self) -> Iterator[RunState]:
        """The states of the other jobs of this folder, as far as they can be read."""
        for path in sorted(self.folder.parent.glob("*/state.json")):
            if path != self.state_file:
                with suppress(OSError, BatchrunError):
                    yield state.loads(path.read_bytes(), where=str(path))

    def owned_elsewhere(self) -> frozenset[str]:
        """The batches that other jobs of this folder own (design §4, reconciling)."""
        batches = [s.batch for other in self.others() for s in other.shards]
        return frozenset(b.id for b in batches if b and not b.provisional)


def _holder(stream: BinaryIO) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        stream.seek(0)
        holder = orjson.loads(stream.read(1000))
        return f" (process {holder['pid']} on {holder['host']})"
    return ""
