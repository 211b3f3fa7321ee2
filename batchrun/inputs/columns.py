"""What can be wrong with column names, said the same way for every format that has a header."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from batchrun.errors import DataError
from batchrun.inputs.source import Source

_SHOWN = 40


class Columns:
    """The columns that all the files of one input must have, learnt from the first.

    Their order may differ between files, as a row is a mapping.
    """

    def __init__(self, id_column: str | None) -> None:
        self._id_column = id_column
        self._first: Sequence[str] | None = None
        self._first_name = ""

    def check(self, names: Sequence[str], source: Source, line: int = 0) -> None:
        """Raise DataError for unnamed and equally named columns, no id column, columns unlike the first's."""
        _check_names(names, source, line)
        if self._first is None:
            if self._id_column is not None and self._id_column not in names:
                raise no_column(self._id_column, names, f"{source.name}:{line}" if line else source.name)
            self._first, self._first_name = names, source.name
        else:
            self._check_same(names, self._first, source, line)

    def _check_same(self, names: Sequence[str], first: Sequence[str], source: Source, line: int) -> None:
        missing = [name for name in first if name not in set(names)]
        extra = [name for name in names if name not in set(first)]
        if missing or extra:
            parts = [
                f"{word} {listing(them)}" for word, them in (("lacks", missing), ("adds", extra)) if them
            ]
            raise source.error(
                f"the columns are not those of {self._first_name}: it {' and '.join(parts)}",
                line=line,
                hint="files of one input have the same columns; give these a job of their own",
            )


def _check_names(names: Sequence[str], source: Source, line: int) -> None:
    seen: dict[str, int] = {}
    for column, name in enumerate(names, 1):
        if not name.strip():
            message = f"column {column} of {len(names)} has no name"
            raise source.error(message, line=line, hint="name every column in the header")
        if name in seen:
            message = f"columns {seen[name]} and {column} are both named {name!r}"
            raise source.error(message, line=line, hint="give every column a name of its own")
        seen[name] = column


def no_column(name: str, columns: Iterable[str], where: str) -> DataError:
    """The DataError for an `input.id` that names no column."""
    names = list(columns)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    hint += f"the columns are {listing(names)}" if names else "there are no columns"
    if len(names) == 1 and (found := next((mark for mark in ";\t|" if mark in names[0]), "")):
        hint += f"; if {found!r} separates columns, set input.delimiter to it"
    return DataError(f"input.id: there is no column {name!r}", where=where, hint=hint)


def listing(names: Sequence[str]) -> str:
    """Names for a message, cut where a wide table would fill the screen."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
