"""The rows of an input, one at a time, whatever files and formats it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from batchrun.errors import DataError
from batchrun.inputs.csvrows import CsvRows
from batchrun.inputs.find import Found, find
from batchrun.inputs.ids import Ids
from batchrun.inputs.jsonarray import json_array
from batchrun.inputs.jsonrows import json_lines
from batchrun.inputs.parquetrows import ParquetRows
from batchrun.inputs.requestrows import check_requests
from batchrun.inputs.source import Record, Source, Table
from batchrun.inputs.textrows import text_file
from batchrun.model import FileFact, InputFormat, InputSpec, Row, Slice

_Reader = Callable[[Source, int], Iterator[Record] | Iterator[Record | Table]]


def resolve(spec: InputSpec, *, root: Path, roots: Sequence[Path] = ()) -> list[Path]:
    """The files of an input, as `find` finds them."""
    return [found.path for found in find(spec, root=root, roots=roots)]


def open_rows(spec: InputSpec, *, root: Path, roots: Sequence[Path] = ()) -> Rows:
    """Find the files of an input. Raises MissingInput and DataError; nothing is read yet."""
    if spec.delimiter is not None and (len(spec.delimiter) != 1 or spec.delimiter in '"\r\n\0'):
        hint = 'write one character, such as ; or "\\t"'
        raise DataError(
            f"input.delimiter: {spec.delimiter!r} cannot separate columns", where=str(spec.place), hint=hint
        )
    return Rows(spec, find(spec, root=root, roots=roots), root)


class Rows:
    """Iterates over the rows; each time anew. Raises DataError, DiskError, MissingInput and ConfigError.

    `files` holds a fact for every file that was read to its end: all of them once an iteration is through.
    """

    def __init__(self, spec: InputSpec, found: Sequence[Found], root: Path) -> None:
        self._spec, self._found, self._root = spec, found, root.resolve()
        self.files: list[FileFact] = []

    def __iter__(self) -> Iterator[Row]:
        return _one_by_one(self.pieces())

    def pieces(self) -> Iterator[Row | Slice]:
        """The same, with many rows at a time where the format is a table and all in it is even."""
        requests = self._spec.format is InputFormat.REQUESTS
        column = self._spec.id or ("custom_id" if requests else None)
        self.files = []
        return self._pieces(Ids(column, self._earlier) if column else None, self.files)

    def _pieces(self, ids: Ids | None, facts: list[FileFact]) -> Iterator[Row | Slice]:
        readers = self._readers()
        number = 0
        for path, format in self._found:
            with Source(path, self._name(path)) as source:
                for piece in readers[format](source, number):
                    if isinstance(piece, Table):
                        yield from _slice(piece, number + 1, ids, source.name)
                        number += piece.rows
                        continue
                    number += 1
                    line, values = piece
                    where = f"{source.name}:{line}" if line else source.name
                    yield Row(number, ids.take(values, number, where) if ids else str(number), values, where)
                facts.append(source.fact())

    def _earlier(self, id: str, number: int) -> Row | None:
        column = self._spec.id or "custom_id"
        for row in _one_by_one(self._pieces(None, [])):
            if row.number >= number:
                return None
            value = row.values.get(column)
            if value == id or (type(value) is int and str(value) == id):
                return row
        return None

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)

    def _readers(self) -> dict[InputFormat, _Reader]:
        """A new set for every iteration: CSV and Parquet remember the columns of the first file."""
        spec = self._spec
        return {
            InputFormat.CSV: CsvRows(spec.delimiter or ",", spec.id),
            InputFormat.TSV: CsvRows(spec.delimiter or "\t", spec.id),
            InputFormat.JSONL: json_lines,
            InputFormat.JSON: json_array,
            InputFormat.TEXT: text_file,
            InputFormat.PARQUET: ParquetRows(spec.id),
            InputFormat.REQUESTS: _requests,
        }


def _one_by_one(pieces: Iterator[Row | Slice]) -> Iterator[Row]:
    for piece in pieces:
        if isinstance(piece, Slice):
            yield from piece.rows()
        else:
            yield piece


def _slice(table: Table, first: int, ids: Ids | None, name: str) -> Iterator[Row | Slice]:
    """The table with the ids of its rows; row by row where not all of them are good, for the one that is not."""
    numbers = range(first, first + table.rows)
    named = ids.take_all(table.cells) if ids else list(map(str, numbers))
    whole = Slice(first, named or [""] * table.rows, table.cells, name, table.line)
    if named is not None:
        yield whole
    elif ids:
        for row in whole.rows():
            yield replace(row, id=ids.take(row.values, row.number, row.where))


def _requests(source: Source, before: int) -> Iterator[Record]:
    """Lines, or one array where the file's name says so."""
    array = source.path.name.lower().removesuffix(".gz").endswith(".json")
    return check_requests((json_array if array else json_lines)(source, before), source, before)
