"""Why a CSV record is not well formed: slow and exact, for the one record that the fast parser refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`line` and the columns in `message` count from 1, in characters."""

    message: str
    line: int
    hint: str


class _Cursor:
    """A place in the text; the text itself comes line by line."""

    def __init__(self, lines: Iterator[str], line: int) -> None:
        self._lines = lines
        self.text, self.line, self.at = next(lines, ""), line, 0

    def next_line(self) -> bool:
        text = next(self._lines, None)
        if text is None:
            return False
        self.text, self.line, self.at = text, self.line + 1, 0
        return True

    @property
    def rest(self) -> str:
        """What is left of the line, without its line end."""
        return self.text[self.at :].removesuffix("\n").removesuffix("\r")


def explain(lines: Iterator[str], line: int, delimiter: str) -> Fault | None:
    """What is wrong with the record that `lines` begins with; None when nothing is."""
    cursor = _Cursor(lines, line)
    while True:
        if cursor.text.startswith('"', cursor.at):
            fault = _quoted(cursor, delimiter)
        else:
            fault = _plain(cursor, delimiter)
        if fault or not cursor.rest:
            return fault
        cursor.at += 1  # the delimiter
        if not cursor.rest:
            return None


def _plain(cursor: _Cursor, delimiter: str) -> Fault | None:
    end = cursor.text.find(delimiter, cursor.at)
    field = cursor.rest if end < 0 else cursor.text[cursor.at : end]
    if "\r" in field:
        column = cursor.at + field.index("\r") + 1
        return Fault(
            f"a carriage return outside quotes, at column {column}",
            cursor.line,
            "end lines with LF or CR LF, and put quotes around a field that holds a CR",
        )
    cursor.at += len(field)
    return None


def _quoted(cursor: _Cursor, delimiter: str) -> Fault | None:
    line, column = cursor.line, cursor.at + 1
    began = f"the quoted field that begins at line {line}, column {column}"
    cursor.at += 1
    while (end := cursor.text.find('"', cursor.at)) < 0 or cursor.text.startswith('""', end):
        if end >= 0:
            cursor.at = end + 2
        elif not cursor.next_line():
            return Fault(f"{began}, never ends", line, 'close it with ", and write a quote inside it as ""')
    cursor.at = end + 1
    if cursor.rest and not cursor.rest.startswith(delimiter):
        found = cursor.rest[0]
        return Fault(
            f"{found!r} at line {cursor.line}, column {end + 2}, follows the closing quote of {began}",
            cursor.line,
            f'a quote inside a quoted field is written ""; a field ends with {delimiter!r} or a line end',
        )
    return None
