"""Rows from one JSON array of objects, read through a window: only one row needs to fit in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchrun.errors import DataError
from batchrun.inputs.jsonrows import not_object
from batchrun.inputs.jsontext import BadJson, decode
from batchrun.inputs.source import LINE_LIMIT, Record, Source
from batchrun.model import Json

_SPACES = re.compile(r"[ \t\r\n]*")
_TOKEN = 64
"""Longer than any token but a string or a number: an error further from the window's end is a real one."""

_LINES = "for one object a line set input.format: jsonl"


def json_array(source: Source, before: int, *, limit: int = LINE_LIMIT) -> Iterator[Record]:
    """The rows of a file; `before` is the number of rows ahead of it. An empty file has none."""
    window = _Window(source, limit)
    if not window.peek():
        return
    if window.peek() != "[":
        raise window.error("the file is not an array of rows", f"it must begin with [; {_LINES}")
    window.take()
    if window.peek() != "]":
        yield from _rows(source, window, before)
    if window.peek() != "]":
        raise window.error("the array does not end", "is the file complete?")
    window.take()
    if window.peek():
        raise window.error("there is more after the array", f"a file holds one array; {_LINES}")


def _rows(source: Source, window: _Window, number: int) -> Iterator[Record]:
    while True:
        number += 1
        window.peek()
        line, value = window.line, window.value(number)
        if type(value) is not dict:
            raise not_object(source, value, line, number)
        yield line, value
        if window.peek() != ",":
            if window.peek() not in ("", "]"):
                raise window.error(
                    f"after row {number} comes neither , nor ]", "rows are separated by commas"
                )
            return
        window.take()


class _Window:
    """The part of the text that is in memory: from the value in hand to as far as it needed to look."""

    def __init__(self, source: Source, limit: int) -> None:
        self._source, self._pieces, self._limit = source, source.pieces(), limit
        self._text, self._at = "", 0
        self.line, self._column = 1, 1

    def peek(self) -> str:
        """The next character that is not a space, "" at the end; the spaces are taken."""
        while True:
            spaces = _SPACES.match(self._text, self._at)
            if spaces:
                self._advance(spaces.end())
            if self._at < len(self._text) or not self._grow():
                return self._text[self._at : self._at + 1]

    def take(self) -> None:
        """Go past the character that `peek` showed."""
        self._advance(self._at + 1)

    def value(self, number: int) -> Json:
        """The next value, row `number` of the input. Raises DataError."""
        while True:
            try:
                value, end = decode(self._text, self._at)
            except BadJson as error:
                if self._is_final(error) or not self._grow():
                    raise self._bad(error, number) from None
            else:
                self._advance(end)
                return value
            if len(self._text) > self._limit:
                message = f"row {number} is longer than {self._limit // 1_000_000} million characters"
                raise self.error(message, "no batch can hold it")

    def error(self, message: str, hint: str) -> DataError:
        return self._source.error(f"{message} (column {self._column})", line=self.line, hint=hint)

    def _is_final(self, error: BadJson) -> bool:
        """False when the value may just go on behind the window."""
        if error.at is None:
            return self._text[-1] not in "0123456789.eE+-"
        return error.at < len(self._text) - _TOKEN and "unterminated" not in str(error)

    def _bad(self, error: BadJson, number: int) -> DataError:
        message = f"row {number} is not valid JSON: {error}"
        if error.at is None:
            return self._source.error(message, line=self.line)
        line, column = self._place(error.at)
        return self._source.error(f"{message}, column {column}", line=line)

    def _grow(self) -> bool:
        """Let go of what is behind, and read as much again as is ahead: long rows cost linear time."""
        ahead, more = self._text[self._at :], 0
        parts = [ahead]
        while more <= len(ahead) and (piece := next(self._pieces, None)) is not None:
            parts.append(self._source.decode(piece))
            more += len(parts[-1])
        if not more:
            return False  # and the window stays: an error counts its place from the start of it
        self._text, self._at = "".join(parts), 0
        return True

    def _place(self, at: int) -> tuple[int, int]:
        lines = self._text.count("\n", self._at, at)
        if lines:
            return self.line + lines, at - self._text.rfind("\n", self._at, at)
        return self.line, self._column + at - self._at

    def _advance(self, at: int) -> None:
        self.line, self._column = self._place(at)
        self._at = at
