"""Parquet, through the extra: the only module that imports pyarrow, and only when it is asked for rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from batchrun.errors import ConfigError
from batchrun.inputs.columns import Columns
from batchrun.inputs.source import Record, Source
from batchrun.model import Json

_BATCH = 1024
"""Rows turned into Python values at a time."""


class ParquetRows:
    """Reads the Parquet files of one input, which must agree on their columns."""

    def __init__(self, id_column: str | None) -> None:
        self._columns = Columns(id_column)

    def __call__(self, source: Source, before: int) -> Iterator[Record]:
        """The rows of one file; `before` is the number of rows ahead of it.

        Raises ConfigError when pyarrow is not installed. The file is read twice: its rows stand behind a
        footer, so hashing cannot go along with reading.
        """
        arrow, parquet = _pyarrow(source)
        for _ in source.chunks():
            pass
        number = before
        try:
            source.stream.seek(0)
            with parquet.ParquetFile(source.stream) as table:
                self._columns.check(table.schema_arrow.names, source)
                for batch in table.iter_batches(batch_size=_BATCH):
                    for values in batch.to_pylist():
                        number += 1
                        yield 0, {name: _json(value, name, number, source) for name, value in values.items()}
        except (arrow.ArrowException, OSError) as error:
            raise source.error(f"not readable as Parquet: {error}", hint="make the file again") from error


def _pyarrow(source: Source) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        message = "reading Parquet needs pyarrow, which is not installed"
        raise ConfigError(message, where=source.name, hint="pip install 'batchrun[parquet]'") from error
    return pyarrow, pyarrow.parquet


def _json(value: Any, column: str, number: int, source: Source) -> Json:
    """The JSON value for one of pyarrow's; times become ISO 8601, decimals keep their digits."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case list() | tuple():
            return [_json(item, column, number, source) for item in value]
        case dict():
            return {str(key): _json(item, column, number, source) for key, item in value.items()}
    kind = str(value) if isinstance(value, float) else type(value).__name__
    raise source.error(
        f"row {number}: column {column!r} holds {kind}, which JSON cannot express",
        hint="store null for a missing number, and text instead of bytes",
    )
