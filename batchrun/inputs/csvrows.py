"""CSV and TSV: RFC 4180 read strictly, over a file that need not fit in memory.

What the C parser makes of a file is what counts. It makes a `str` of every cell, though, which most cells need
not become: they go into JSON as the bytes they are. So even tables are cut by a regular expression over bytes,
and whatever that does not match is left to the parser.
"""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from operator import add
from typing import Protocol, cast

from batchrun.errors import DataError
from batchrun.inputs.columns import Columns
from batchrun.inputs.csvfault import explain
from batchrun.inputs.source import TEXT_LIMIT, Block, Record, Source, Table


class CsvRows:
    """Reads the CSV files of one input, which must agree on their columns."""

    def __init__(self, delimiter: str, id_column: str | None) -> None:
        self._delimiter, self._id, self._columns = delimiter, id_column, Columns(id_column)
        self._mark = re.escape(delimiter.encode())
        self._bare = rb'[^"\r\n%b][^\r\n%b]*+' % (self._mark, self._mark)

    def __call__(self, source: Source, before: int) -> Iterator[Record | Table]:
        """The rows of one file; `before` is the number of rows ahead of it. An empty file has none.

        Tables of a block each, as long as all is even; from the first oddity on row by row, which is slower
        and tells what is wrong and where.
        """
        blocks = source.blocks()
        header, rest = self._header(next(blocks, Block(b"", 1, 0)), source)
        number, even = before, self._even_rows(len(header or ()))
        while header and len(rest.data) <= _REST:
            rows = even.findall(rest.data)
            odd = rows.pop()[-1] if rows and rows[-1][-1] else b""
            even_data = rest.data[: len(rest.data) - len(odd)]
            source.decode(rest._replace(data=even_data))
            if rows:
                yield Table(rest.line, len(rows), dict(zip(header, _columns(rows), strict=True)))
            number += len(rows)
            if (block := next(blocks, None)) is None:
                rest = _below(rest, len(even_data))
                break
            rest = Block(odd + block.data, block.line - odd.count(b"\n"), block.offset - len(odd))
        texts = map(source.decode, chain((rest,), blocks))
        yield from self._one_by_one(texts, source, header, rest.line, number)

    def _header(self, block: Block, source: Source) -> tuple[list[str] | None, Block]:
        """The names of the columns and what follows them; None where all is to be read row by row."""
        cell = rb'(?:"%b"|%b)?' % (_QUOTED, self._bare)
        found = re.match(rb"(?:%b%b)*+%b\r?\n" % (cell, self._mark, cell), block.data)
        if found is None or not self._delimiter.isascii():  # which is one byte
            return None, block
        header = next(self._reader((source.decode(block._replace(data=found[0])),)))
        if not header or len(header) > _WIDE:
            return None, block
        self._columns.check(header, source, 1)
        return header, _below(block, found.end())

    def _even_rows(self, width: int) -> re.Pattern[bytes]:
        """Finds the rows of a block, each as the cells in quotes and without, by turns, of which one is empty;
        and in a last group what follows them.

        The parser finds the same in what is matched: a cell that begins with a quote ends with one, and any
        other is as it stands. No repeat gives anything back, so the time is linear whatever the data.
        """
        cell = rb'(?:"(%b)"|(%b)%b)' % (_QUOTED, self._bare, b"" if width == 1 else b"?")
        return re.compile(rb"%b\r?\n|(.+)" % self._mark.join([cell] * width), re.DOTALL)

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


def _columns(rows: list[tuple[bytes, ...]]) -> Iterator[bytes]:
    """The cells of each column, joined by NUL."""
    groups = list(zip(*rows, strict=True))
    for quoted, bare in zip(groups[0:-1:2], groups[1:-1:2], strict=True):
        cells = b"\0".join(bare)
        if not any(quoted):
            yield cells
        elif b'"' in cells:
            yield b"\0".join(q.replace(b'""', b'"') + b for q, b in zip(quoted, bare, strict=True))
        else:  # all quotes come in pairs, each for one; taking every other piece is faster than `replace`
            pieces = b"\0".join(map(add, quoted, bare)).split(b'"')
            yield b'"'.join(pieces[::2])


def _below(block: Block, end: int) -> Block:
    data, line, offset = block
    return Block(data[end:], line + data.count(b"\n", 0, end), offset + end)


_QUOTED = rb'[^"]*+(?:""[^"]*+)*+'

_REST = 1_000_000
"""Bytes of one unfinished row above which the row is left to the parser: no need to copy it again and again."""

_WIDE = 200
"""Columns above which all rows are left to the parser: it takes less time for cells of which few are used."""


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
