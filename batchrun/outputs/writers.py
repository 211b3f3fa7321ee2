"""Records → the file the user asked for: whole or not there, the same bytes for the same answers."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import orjson

from batchrun import jsonbytes
from batchrun.errors import CannotCreate
from batchrun.fs.files import digest, replacing, shown
from batchrun.model import FileFact, Job, Json, OutputFormat, OutputSpec
from batchrun.outputs import columns as tables
from batchrun.outputs.records import Record

InputRows = Callable[[], Iterable[Mapping[str, Json]]]


class Writer(Protocol):
    def write(self, records: Sequence[Record]) -> None: ...

    def close(self) -> None: ...


def check_installed(output: OutputSpec) -> None:
    """Raise ConfigError where what writes this format is missing: before anything is paid for, not after."""
    if output.format is OutputFormat.PARQUET:
        from batchrun.outputs.parquet import load_pyarrow

        load_pyarrow()


def writer_for(job: Job, stream: BinaryIO, input_rows: InputRows) -> Writer:
    """The writer of the job's output format.

    A table names its columns before its first row: `input_rows` gives the rows' own columns for a first pass,
    used only where the output includes them.
    """
    if job.output.format is OutputFormat.JSONL:
        return JsonLines(stream)
    inputs = tables.input_columns(input_rows()) if job.output.include_input else []
    if job.output.format is OutputFormat.CSV:
        return Csv(stream, tables.chosen(job.output.columns) or tables.ours(job.samples), inputs)
    from batchrun.outputs.parquet import Parquet

    return Parquet(stream, tables.chosen(job.output.columns), job.samples, inputs)


class JsonLines:
    """Writes some lines at once: hashing each by itself takes longer than making it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, records: Sequence[Record]) -> None:
        lines = [jsonbytes.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records]
        self._stream.write(b"".join(lines))

    def close(self) -> None:
        pass


class Csv:
    """UTF-8 without a byte order mark, LF at the end of each line; see `columns.csv_line`."""

    def __init__(
        self, stream: BinaryIO, columns: Sequence[tables.Column], inputs: Sequence[tables.InputColumn]
    ) -> None:
        names = [name for name, _ in columns]
        placed = list(tables.placed(inputs, names))
        self._stream = stream
        self._getters = [getter for _, getter in columns] + [getter for _, getter, _ in placed]
        stream.write(tables.csv_line([*names, *(name for name, _, _ in placed)]))

    def write(self, records: Sequence[Record]) -> None:
        getters = self._getters
        self._stream.write(b"".join([tables.csv_line(get(record) for get in getters) for record in records]))

    def close(self) -> None:
        pass


# ---- the file ----------------------------------------------------------------------------------


def write_file(
    path: Path,
    fill: Callable[[BinaryIO], None],
    about_to_replace: Callable[[FileFact], None] | None = None,
) -> tuple[FileFact, bool]:
    """Let `fill` write what becomes `path`; says what stands there now, and whether it changed.

    Where the same bytes stand already the file stays as it is, its time included: make sees no change where
    there is none. Missing folders are made. Permissions are those of the file that is replaced, or what the
    umask gives. `about_to_replace` hears how the file will stand there, just before it does.
    Raises CannotCreate where something stands that is no plain file, or where something came or changed
    meanwhile; DiskError.
    """
    before = _standing(path)
    try:
        with replacing(path, mode=None if before is None else stat.S_IMODE(before.st_mode)) as stream:
            hashing = _Hashing(stream)
            fill(cast(BinaryIO, hashing))
            sha256 = hashing.sha256.hexdigest()
            if _identity(_standing(path)) != _identity(before):
                raise CannotCreate(
                    f"{shown(path)} came or changed while the answer was written; the answers are kept",
                    hint="move it away, or replace it with --overwrite",
                )
            if before is not None and before.st_size == hashing.size and digest(path) == sha256:
                raise _Unchanged
            stream.flush()
            mtime_ns = os.fstat(stream.fileno()).st_mtime_ns
            if about_to_replace is not None:
                about_to_replace(FileFact(str(path), hashing.size, mtime_ns, sha256))
    except _Unchanged:
        assert before is not None
        return FileFact(str(path), before.st_size, before.st_mtime_ns, sha256), False
    after = path.stat()
    return FileFact(str(path), after.st_size, after.st_mtime_ns, sha256), True


def try_creating(path: Path) -> None:
    """Create the temporary of `path` and remove it. Raises CannotCreate and DiskError as `write_file` would."""
    with suppress(_Unchanged), replacing(path, mode=None):
        raise _Unchanged


def _standing(path: Path) -> os.stat_result | None:
    """The plain file at `path`, None where there is nothing yet; its folder exists afterwards."""
    try:
        # The jail was left without links: one that stands in the way now was put there since.
        if path.parent.resolve() != path.parent:
            raise CannotCreate(
                f"cannot create {path}: its folder has become a link that leads elsewhere",
                hint="put the folder back, and run it again: the answers are kept",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CannotCreate(f"cannot create {path}: {path.parent} is not a folder") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise CannotCreate(f"cannot create {path}: {getattr(error, 'strerror', error)}") from error
    return plain_file(path)


def plain_file(path: Path) -> os.stat_result | None:
    """The plain file at `path`, None where there is nothing. Raises CannotCreate where something else stands;
    opens nothing: a pipe would wait for a writer."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotCreate(f"cannot create {path}: {error.strerror}") from error
    if stat.S_ISREG(found.st_mode):
        return found
    kind = (
        "a folder"
        if stat.S_ISDIR(found.st_mode)
        else "a symbolic link"
        if stat.S_ISLNK(found.st_mode)
        else ""
    )
    raise CannotCreate(
        f"cannot create {path}: it is {kind or 'no plain file'}",
        hint="move it away, or name another output.path",
    )


def _identity(found: os.stat_result | None) -> tuple[int, ...] | None:
    return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class _Unchanged(Exception):
    """Leaves the block of `replacing` without replacing."""


class _Hashing:
    """As much of a binary stream as the writers use, counting and hashing what passes."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._stream.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing: `replacing` flushes at the end."""

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing: the stream belongs to `replacing`."""
