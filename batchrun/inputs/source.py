"""One input file while it is read: bounded pieces of bytes, hashed on the way, changes noticed."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from batchrun.errors import DataError
from batchrun.fs.confine import open_confined
from batchrun.fs.files import disk_error
from batchrun.inputs.gunzip import MAGIC, gunzip
from batchrun.model import FileFact, Json

LINE_LIMIT = 256_000_000
"""Bytes of one line: as much as a whole batch may hold (api-facts §5)."""

TEXT_LIMIT = 64_000_000
"""Bytes of one text file, characters of one CSV field: twice a Messages request (api-facts §5)."""

BLOCK = 1 << 16
"""Bytes read at a time. What is made of them (text takes up to four bytes a character) stays in the processor's
cache: a mebibyte at a time takes a third longer."""

BOM = b"\xef\xbb\xbf"


Record = tuple[int, Mapping[str, Json]]
"""One row as a format's reader yields it: the line it begins on (0: it has none), and its values."""


class Table(NamedTuple):
    """Many rows at once, as a reader of tables yields them: the line the first begins on, how many they are,
    and the cells of each column as UTF-8, NUL between them."""

    line: int
    rows: int
    cells: Mapping[str, bytes]


class Block(NamedTuple):
    """Whole lines, LF included. `line` (from 1) and `offset` (in bytes, gzip undone) are its start's."""

    data: bytes
    line: int
    offset: int


class Source:
    """A context manager over one file; `name` is its path as messages and `FileFact` show it.

    The bytes can be asked for once. `fact` belongs after them.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._hash = hashlib.sha256()
        self.stream = open_confined(path)
        self._before = os.fstat(self.stream.fileno())
        self._size = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()

    def error(self, message: str, *, line: int = 0, hint: str = "") -> DataError:
        return DataError(message, where=f"{self.name}:{line}" if line else self.name, hint=hint)

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they stand on the disk, hashed. Raises DiskError when they cannot be read."""
        while True:
            try:
                chunk = self.stream.read(BLOCK)
            except OSError as error:
                raise disk_error(error, self.path, "read") from error
            if not chunk:
                return
            self._hash.update(chunk)
            self._size += len(chunk)
            yield chunk

    def data(self) -> Iterator[bytes]:
        """The bytes with gzip undone; the name (.gz) or the first two bytes tell that it is gzip."""
        chunks = self.chunks()
        first = next(chunks, b"")
        if first.startswith(MAGIC):
            yield from self._gunzip(chain((first,), chunks))
        elif first and self.path.suffix.lower() == ".gz":
            raise self.error("the name ends in .gz, but this is not gzip data", hint="take .gz off the name")
        elif first:
            yield first
            yield from chunks

    def _gunzip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        hint = "copy or make the file again; gzip -t FILE checks it"
        try:
            yield from _filled(gunzip(chunks, piece=BLOCK))
        except EOFError as error:
            raise self.error("the gzip data stops in the middle", hint=hint) from error
        except zlib.error as error:
            raise self.error(f"the gzip data is damaged ({error})", hint=hint) from error

    def blocks(self, limit: int = LINE_LIMIT) -> Iterator[Block]:
        """Whole lines in blocks of about `BLOCK` bytes, the last perhaps without LF, a BOM left out.

        Raises DataError for a line longer than about `limit` bytes, whatever follows it.
        """
        line, offset = 1, 0
        parts: list[bytes] = []
        size = 0
        for piece in self.data():
            cut = piece.rfind(b"\n") + 1
            if cut:
                data = b"".join((*parts, piece[:cut]))
                yield (block := _without_bom(Block(data, line, offset)))
                line, offset = line + block.data.count(b"\n"), offset + len(data)
                parts, size = [], 0
            parts.append(piece[cut:])
            size += len(piece) - cut
            if size > limit:
                message = f"line {line} is longer than {limit // 1_000_000} MB"
                raise self.error(message, line=line, hint="no batch can hold it")
        if data := b"".join(parts):
            yield _without_bom(Block(data, line, offset))

    def pieces(self) -> Iterator[Block]:
        """Pieces that end between two characters but not at a line's end: lines may be of any length."""
        line, offset, rest = 1, 0, b""
        for piece in self.data():
            data = rest + piece
            cut = _characters(data)
            yield _without_bom(Block(data[:cut], line, offset))
            line, offset, rest = line + data.count(b"\n", 0, cut), offset + cut, data[cut:]
        if rest:
            yield Block(rest, line, offset)

    def decode(self, block: Block) -> str:
        """The text of a block. Raises DataError, with line and byte, for what is not UTF-8 and for NUL."""
        try:
            text = block.data.decode()
        except UnicodeDecodeError as error:
            raise self._not_text(block, error.start, "not UTF-8") from None
        if b"\0" in block.data:
            raise self._not_text(block, block.data.index(0), "a NUL byte, which no text holds")
        return text

    def _not_text(self, block: Block, at: int, what: str) -> DataError:
        line = block.line + block.data.count(b"\n", 0, at)
        message = f"{what}: byte 0x{block.data[at]:02x} at offset {block.offset + at}"
        return self.error(message, line=line, hint=_encoding_hint(block, at))

    def fact(self) -> FileFact:
        """What the whole reading showed. Raises DataError when the file changed meanwhile."""
        try:
            after = (os.fstat(self.stream.fileno()), self.path.stat())
        except OSError as error:
            raise self.error(
                f"the file went away while it was read: {error.strerror}", hint=_STILL
            ) from error
        before = _identity(self._before)
        if any(_identity(stat) != before for stat in after) or self._size != self._before.st_size:
            raise self.error("the file changed while it was read", hint=_STILL)
        return FileFact(self.name, self._size, self._before.st_mtime_ns, self._hash.hexdigest())


def _filled(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in no smaller pieces than `BLOCK`, the last one left out: what is made of many small gzip
    members would be looked at again and again where a line, or a row, goes through many of them."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


_STILL = "run it again when nothing writes to the file any more"


def _identity(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _without_bom(block: Block) -> Block:
    """A BOM stands at the start of the file only; `offset` keeps counting the file's own bytes."""
    if block.offset or not block.data.startswith(BOM):
        return block
    return Block(block.data[3:], block.line, 3)


def _characters(data: bytes) -> int:
    """How many bytes of `data` hold whole UTF-8 characters: its end may have cut one."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2
            return len(data) - back if back < needed else len(data)
        if byte < 0x80:
            break
    return len(data)


def _encoding_hint(block: Block, at: int) -> str:
    start = block.data[:2] if not block.offset else b""
    if start == b"PK":
        return "this is a zip archive, as spreadsheets are too: export the sheet as CSV"
    if start == MAGIC:
        return "it is compressed twice: undo it once"
    wide = start in (b"\xff\xfe", b"\xfe\xff") or block.data[at] == 0
    encoding = "utf-16" if wide else "windows-1252"
    return f"save it as UTF-8, for instance: iconv -f {encoding} -t utf-8 OLD > NEW"
