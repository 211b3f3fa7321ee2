"""From the paths of a spec to files and their formats: lists, globs and folders, all inside the jail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import NamedTuple

from batchrun.errors import DataError, MissingInput
from batchrun.fs import STATE_FOLDER
from batchrun.fs.confine import confine
from batchrun.fs.files import disk_error
from batchrun.model import REHEARSAL, InputFormat, InputSpec

_MARKS = "*?["
_BY_SUFFIX = {
    ".csv": InputFormat.CSV,
    ".tsv": InputFormat.TSV,
    ".tab": InputFormat.TSV,
    ".jsonl": InputFormat.JSONL,
    ".ndjson": InputFormat.JSONL,
    ".json": InputFormat.JSON,
    ".parquet": InputFormat.PARQUET,
    ".txt": InputFormat.TEXT,
    ".md": InputFormat.TEXT,
}
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")


class Found(NamedTuple):
    path: Path
    format: InputFormat


def find(spec: InputSpec, *, root: Path, roots: Sequence[Path] = ()) -> list[Found]:
    """The files of an input, absolute, in the order of the spec, sorted within a glob or folder, none twice.

    A path that exists is taken as it stands; otherwise `*`, `?` and `[` make it a glob. Neither globs nor
    folders show hidden files, nor anything of batchrun's own. Raises MissingInput, DataError and DiskError.
    """
    files: dict[Path, Found] = {}
    for text in spec.paths:
        try:
            found = _one(text, spec, root, roots)
        except OSError as error:
            raise disk_error(error, root / text, "read") from error
        except DataError as error:
            where = error.where or str(spec.place)
            raise DataError(f"input.path: {error}", where=where, hint=error.hint) from error
        for file in found:
            files.setdefault(file.path, file)
    return list(files.values())


def looked_in(spec: InputSpec, *, root: Path, roots: Sequence[Path] = ()) -> set[Path]:
    """The folders whose files the spec asks for whatever they are called: a file that comes into one may be
    input. Raises DataError."""
    folders: set[Path] = set()
    for text in spec.paths:
        path = confine(text, root=root, roots=roots)
        if path.is_dir():
            folders.add(path)
        elif not path.exists() and _is_glob(text):
            folders |= {match.parent for match in _glob(text, root, roots)}
            folders.add(_fixed(text, root, roots)[0])
    return folders


def _one(text: str, spec: InputSpec, root: Path, roots: Sequence[Path]) -> list[Found]:
    path = confine(text, root=root, roots=roots)
    if path.is_dir():
        return _folder(path, text, spec, root, roots)
    if path.exists():
        return [_found(path, spec)]
    matches = list(_glob(text, root, roots)) if _is_glob(text) else []
    if not matches:
        what = "no file matches" if _is_glob(text) else "there is no file"
        hint = f"paths are seen from the spec's folder, {root}"
        raise MissingInput(f"input.path: {what} {text!r}", where=str(spec.place), hint=hint)
    return [_found(match, spec) for match in matches]


def _glob(text: str, root: Path, roots: Sequence[Path]) -> Iterator[Path]:
    base, pattern = _fixed(text, root, roots)
    dotted = [part for part in pattern.parts if part.startswith(".")]
    if ".." in pattern.parts:
        raise DataError(f"'..' after a wildcard: {text!r}")
    if not base.is_dir():
        return
    for match in sorted(base.glob(str(pattern))):
        inner = match.relative_to(base).parts
        shown = all(any(fnmatchcase(part, mark) for mark in dotted) for part in inner if part[0] == ".")
        if _is_rehearsal(match) and REHEARSAL not in text:
            shown = False
        if shown and STATE_FOLDER not in (*PurePath(text).parts, *inner) and match.is_file():
            yield confine(str(match), root=root, roots=roots)


def _is_rehearsal(path: Path) -> bool:
    """Whether a rehearsal wrote it, by its name: invented answers are not taken for data by accident."""
    return path.stem.endswith(REHEARSAL)


def _fixed(text: str, root: Path, roots: Sequence[Path]) -> tuple[Path, PurePath]:
    """The folder that a glob starts from, and the rest of the glob."""
    parts = PurePath(text).parts
    fixed = next(index for index, part in enumerate(parts) if _is_glob(part))
    base = confine(str(PurePath(*parts[:fixed])), root=root, roots=roots)
    return base, PurePath(*parts[fixed:])


def _folder(path: Path, text: str, spec: InputSpec, root: Path, roots: Sequence[Path]) -> list[Found]:
    """The files right inside a folder. They are text unless the spec says otherwise.

    A table among them is refused: sending a whole table as the text of one request is seldom meant.
    """
    files = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and not file.name.startswith(".") and not _is_rehearsal(file)
    )
    if not files:
        hint = "put a file into it, or name another"
        raise MissingInput(
            f"input.path: the folder {text!r} holds no files", where=str(spec.place), hint=hint
        )
    for file in files:
        if spec.format is None and _by_name(file) not in (None, InputFormat.TEXT):
            pattern = f"{text.rstrip('/')}/*{file.suffix}"
            hint = f"for the rows of tables write {pattern}; for whole files as text set input.format: text"
            raise DataError(f"a folder of text files, but {file.name!r} is a table", hint=hint)
    inside = [confine(str(file), root=root, roots=roots) for file in files]
    return [Found(_named(file), spec.format or InputFormat.TEXT) for file in inside]


def _found(path: Path, spec: InputSpec) -> Found:
    format = spec.format or _by_name(path)
    if format is None:
        hint = f"set input.format to one of {', '.join(InputFormat)}"
        if path.suffix.lower() in _SHEETS:
            hint = "export the sheet as CSV"
        raise DataError(f"the name of {path.name!r} does not tell its format", hint=hint)
    return Found(_named(path), format)


def _by_name(path: Path) -> InputFormat | None:
    return _BY_SUFFIX.get(PurePath(path.name.lower().removesuffix(".gz")).suffix)


def _named(path: Path) -> Path:
    """`path`, whose name must be text: it stands in messages, in the state and in rows."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(f"a file name that is not UTF-8: {str(path)!a}", hint="rename the file") from None
    return path


def _is_glob(text: str) -> bool:
    return any(mark in text for mark in _MARKS)
