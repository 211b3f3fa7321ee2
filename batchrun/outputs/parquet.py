"""Records → Parquet, through the extra `batchrun[parquet]`: rows stream in groups, types are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from batchrun.errors import ConfigError
from batchrun.outputs import columns as tables
from batchrun.outputs.records import Record

GROUP_ROWS = 10_000
GROUP_BYTES = 16_000_000
"""A row group is held in memory until it has so many rows, or so much text."""

_NUMBERS = ("input_tokens", "output_tokens", "cache_write_5m", "cache_write_1h", "cache_read")


class Parquet:
    """Columns of fixed types: every field of a record, or `output.columns` as text. What is an object or a
    list in a record (`json`, `tool_calls`) is its JSON text here."""

    def __init__(
        self,
        stream: BinaryIO,
        columns: Sequence[tables.Column],
        samples: int,
        inputs: Sequence[tables.InputColumn],
    ) -> None:
        arrow = load_pyarrow()
        fields = _chosen_fields(arrow, columns) if columns else _record_fields(arrow, samples)
        fields += _input_fields(arrow, inputs, [name for name, _, _ in fields])
        self._arrow = arrow
        self._schema = arrow.schema([(name, kind) for name, kind, _ in fields])
        self._getters = [getter for _, _, getter in fields]
        self._held: list[list[Any]] = [[] for _ in fields]
        self._bytes = 0
        self._writer = arrow.parquet.ParquetWriter(stream, self._schema, compression="snappy")

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        for values, getter in zip(self._held, self._getters, strict=True):
            value = getter(record)
            values.append(value)
            if type(value) is str:
                self._bytes += len(value)
        if len(self._held[0]) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        arrays = [
            self._arrow.array(values, field.type)
            for values, field in zip(self._held, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        for values in self._held:
            values.clear()
        self._bytes = 0

    def close(self) -> None:
        if self._held[0]:
            self._flush()
        self._writer.close()


_Field = tuple[str, Any, tables.Getter]


def load_pyarrow() -> Any:
    """Raises ConfigError when it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(
            "writing Parquet needs pyarrow, which is not installed",
            hint="pip install 'batchrun[parquet]', and run it again: nothing is lost",
        ) from None
    return pyarrow


def _chosen_fields(arrow: Any, columns: Sequence[tables.Column]) -> list[_Field]:
    return [(name, arrow.string(), _as_text(getter)) for name, getter in columns]


def _as_text(getter: tables.Getter) -> tables.Getter:
    def text(record: Record) -> str | None:
        value = getter(record)
        return None if value is None else tables.cell(value)

    return text


def _record_fields(arrow: Any, samples: int) -> list[_Field]:
    def field(name: str) -> tables.Getter:
        return lambda record: record[name]

    def inside(outer: str, name: str) -> tables.Getter:
        return lambda record: record[outer][name] if record[outer] else None

    def json_text(name: str) -> tables.Getter:
        return _as_text(lambda record: record.get(name))

    string, integer = arrow.string(), arrow.int64()
    return [
        ("id", string, field("id")),
        ("row", integer, field("row")),
        *([("sample", integer, field("sample"))] if samples > 1 else []),
        ("status", string, field("status")),
        ("text", string, field("text")),
        ("json", string, json_text("json")),
        ("stop_reason", string, field("stop_reason")),
        *((name, integer, inside("usage", name)) for name in _NUMBERS),
        ("cost_usd", arrow.float64(), field("cost_usd")),
        ("error_type", string, inside("error", "type")),
        ("error_message", string, inside("error", "message")),
        ("problem", string, field("problem")),
        ("model", string, field("model")),
        ("batch_id", string, field("batch_id")),
        ("custom_id", string, field("custom_id")),
        ("tool_calls", string, json_text("tool_calls")),
    ]


def _input_fields(arrow: Any, inputs: Sequence[tables.InputColumn], taken: Sequence[str]) -> list[_Field]:
    kinds: dict[type | None, Any] = {int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    return [
        (name, kinds.get(column.kind, arrow.string()), getter if column.kind in kinds else _as_text(getter))
        for name, getter, column in tables.placed(inputs, taken)
    ]
