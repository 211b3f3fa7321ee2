"""CSV and TSV: RFC 4180 read strictly, by the C parser, over a file that need not fit in memory."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Protocol, cast

from batchrun.errors import DataError
from batchrun.inputs.columns import Columns
from batchrun.inputs.csvfault import explain
from batchrun.inputs.source import TEXT_LIMIT, Block, Record, Source, Table


class CsvRows:
    """Reads the CSV files of one input, which must agree on their columns."""

    def __init__(self, delimiter: str, id_column: str | None) -> None:
        self._delimiter, self._id, self._columns = delimiter, id_column, Columns(id_column)

    def __call__(self, source: Source, before: int) -> Iterator[Record | Table]:
        """The rows of one file; `before` is the number of rows ahead of it. An empty file has none.

        Tables of a block each, as long as all is even; from the first oddity on row by row, which is slower
        and tells what is wrong and where.
        """
        blocks = source.blocks()
        header: list[str] | None = None
        number, rest = before, Block(b"", 1, 0)
        for block in blocks:
            whole, rest = _cut(Block(rest.data + block.data, rest.line, rest.offset) if rest.data else block)
            rows = self._parsed(source.decode(whole))
            if rows and rows[0] and header is None and _even(rows, len(rows[0])):
                header = rows.pop(0)
                self._columns.check(header, source, 1)
                top = _height(header)
            elif rows is not None and header is not None and _even(rows, len(header)):
                top = 0
            else:
                rest = Block(whole.data + rest.data, whole.line, whole.offset)
                break
            if rows:
                yield Table(whole.line + top, header, rows)
            number += len(rows)
            if len(rest.data) > _REST:
                break
        texts = map(source.decode, chain((rest,), blocks))
        yield from self._one_by_one(texts, source, header, rest.line, number)

    def _parsed(self, text: str) -> list[list[str]] | None:
        """Its rows, or None when it is no whole number of them."""
        try:
            return list(self._reader((text,)))
        except _parser().Error:
            return None

    def _reader(self, texts: Iterable[str]) -> _Reader:
        """Over lines that end in LF; a CR stays where it is, so that fields keep their bytes."""
        lines = chain.from_iterable(io.StringIO(text, newline="\n") for text in texts)
        return _parser().reader(lines, delimiter=self._delimiter, strict=True)

    def _one_by_one(
        self, texts: Iterable[str], source: Source, header: list[str] | None, line: int, before: int
    ) -> Iterator[Record]:
        """The rows of `texts`, which begin on `line`, and with the header where that is not known yet."""
        reader = self._reader(texts)
        above, number = line - 1, before
        try:
            if header is None:
                if (header := next(reader, None)) is None:
                    self._refuse_empty(source)
                    return
                if not header:
                    raise source.error("the first line is blank", line=1, hint="put the column names there")
                self._columns.check(header, source, 1)
            line, number, width = above + reader.line_num + 1, before + 1, len(header)
            for fields in reader:
                if len(fields) != width:
                    if fields or _more(reader):  # blank lines at the end mean nothing
                        raise self._ragged(fields, header, source, line, number)
                    return
                yield line, dict(zip(header, fields, strict=True))
                line, number = above + reader.line_num + 1, number + 1
        except _parser().Error as error:
            raise self._fault(str(error), source, line, number) from None

    def _refuse_empty(self, source: Source) -> None:
        if self._id:
            raise DataError(
                f"the file is empty: it has no header, and so no column {self._id!r}",
                where=source.name,
                hint="put the header back; a file with a header alone has no rows",
            )

    def _ragged(
        self, fields: Sequence[str], header: Sequence[str], source: Source, line: int, number: int
    ) -> DataError:
        if not fields:
            return source.error(
                f"row {number} is a blank line", line=line, hint='remove it, or write an empty value as ""'
            )
        counts = (
            f"row {number} has {len(fields)} field{'s'[: len(fields) != 1]}, the header has {len(header)}"
        )
        if len(fields) > len(header):
            hint = f"a field that holds {self._delimiter!r}, a quote or a line end needs quotes around it"
        else:
            hint = (
                f"its last value stands in column {header[len(fields) - 1]!r}; leave none out, even if empty"
            )
        return source.error(counts, line=line, hint=hint)

    def _fault(self, reason: str, source: Source, line: int, number: int) -> DataError:
        """The parser says that something is wrong; a second, slower reading says what and where."""
        row = f"row {number}" if line > 1 else "the header"
        if "limit" in reason:
            reason = f"has a field of more than {TEXT_LIMIT // 1_000_000} million characters"
            return source.error(f"{row} {reason}", line=line, hint="is the quote that ends it missing?")
        with Source(source.path, source.name) as again:
            fault = explain(_from_line(again, line), line, self._delimiter)
        if fault is None:  # the file is not what it was a moment ago
            return source.error(f"{row} cannot be read: {reason}", line=line)
        return source.error(f"{row}: {fault.message}", line=fault.line, hint=fault.hint)


def _cut(block: Block) -> tuple[Block, Block]:
    """The lines up to the end of the last whole row, and the rest, if quotes come in pairs as they should.
    Where they don't, the parser finds that a field is open at the end."""
    data, line, offset = block
    end = len(data)
    even = data.count(b'"') % 2 == 0
    while not even and end:
        cut = data.rfind(b"\n", 0, end - 1) + 1
        even = data.count(b'"', cut, end) % 2 == 1
        end = cut
    return Block(data[:end], line, offset), Block(data[end:], line + data.count(b"\n", 0, end), offset + end)


def _even(rows: Sequence[Sequence[str]], width: int) -> bool:
    return set(map(len, rows)) <= {width}


def _height(fields: Sequence[str]) -> int:
    """The lines that a row takes."""
    return 1 + sum(field.count("\n") for field in fields)


_REST = 1_000_000
"""Bytes of one unfinished row above which the row is left to the parser: no need to copy it again and again."""


def _from_line(source: Source, line: int) -> Iterator[str]:
    for block in source.blocks():
        for number, content in enumerate(io.StringIO(source.decode(block), newline="\n"), block.line):
            if number >= line:
                yield content


def _more(reader: _Reader) -> bool:
    try:
        return any(reader)
    except _parser().Error:
        return True


class _Reader(Protocol):
    line_num: int

    def __iter__(self) -> _Reader: ...
    def __next__(self) -> list[str]: ...


class _Parser(Protocol):
    Error: type[Exception]

    def reader(self, lines: Iterable[str], *, delimiter: str, strict: bool) -> _Reader: ...
    def field_size_limit(self, limit: int) -> int: ...


@cache
def _parser() -> _Parser:
    """The C module behind `csv`, as a copy of our own.

    Its field size limit (131,072 characters) is one setting for the whole process. Raising it in `csv` would
    change what other code of a program that uses batchrun as a library accepts; the copy has its own.
    """
    spec = importlib.util.find_spec("_csv")
    if spec is None or spec.loader is None:  # an interpreter without the C module
        raise ImportError("the csv module is missing from this Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parser = cast(_Parser, module)
    parser.field_size_limit(TEXT_LIMIT)
    return parser
