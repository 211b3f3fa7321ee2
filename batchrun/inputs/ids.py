"""The id of every row: taken from a column, none empty, none twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batchrun.errors import DataError
from batchrun.inputs.columns import no_column
from batchrun.model import Json, Row


class Ids:
    """`find` looks up the row, ahead of number n, that bears an id: a second reading, for the error only.

    What is kept of a row is the 64-bit hash of its id, about 65 MB for a million rows; ids of any length, or
    the numbers of their rows, would take more. Equal hashes are proof of nothing, hence `find`.
    """

    def __init__(self, column: str, find: Callable[[str, int], Row | None]) -> None:
        self._column, self._find = column, find
        self._seen: set[int] = set()

    def take(self, values: Mapping[str, Json], number: int, where: str) -> str:
        """The id of a row. Raises DataError when there is none, or an earlier row has it."""
        if self._column not in values:
            raise no_column(self._column, values, where)
        value = values[self._column]
        if type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            raise self._unusable(
                f"{_NAMES.get(type(value), 'null')}, not text or a whole number", number, where
            )
        if not value.strip():
            raise self._unusable("empty", number, where)
        mark = hash(value)
        if mark in self._seen and (first := self._find(value, number)):
            raise DataError(
                f"row {number} has the id {value!r} of row {first.number} ({first.where})",
                where=where,
                hint=f"make {self._column!r} unique, or set input.id to a column that is",
            )
        self._seen.add(mark)
        return value

    def take_all(self, cells: Mapping[str, bytes]) -> list[str] | None:
        """The ids of many rows; None, and nothing is taken, where `take` may refuse one of them."""
        if self._column not in cells:
            return None
        values = cells[self._column].decode().split("\0")
        marks = set(map(hash, values))
        if len(marks) < len(values) or not self._seen.isdisjoint(marks) or not all(map(str.strip, values)):
            return None
        self._seen |= marks
        return values

    def _unusable(self, what: str, number: int, where: str) -> DataError:
        hint = "every row needs an id of its own; without input.id it is the row's number"
        return DataError(f"row {number}: the id ({self._column!r}) is {what}", where=where, hint=hint)


_NAMES = {list: "an array", dict: "an object", float: "a fraction", bool: "a boolean"}
