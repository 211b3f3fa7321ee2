"""Ready-made request lines, `{"custom_id", "params"}`: JSON rows that are checked for their shape."""

from __future__ import annotations

from collections.abc import Iterator

from batchrun.errors import DataError
from batchrun.inputs.columns import listing
from batchrun.inputs.source import Record, Source


def check_requests(records: Iterator[Record], source: Source, before: int) -> Iterator[Record]:
    """`records` as they are. Raises DataError for one that is no request line (api-facts §2.1)."""
    for number, (line, values) in enumerate(records, before + 1):
        for key, kind, name in (("custom_id", str, "a string"), ("params", dict, "an object")):
            if key not in values:
                raise _wrong(source, line, f"row {number} has no {key!r}, only {listing(list(values))}")
            if type(values[key]) is not kind:
                raise _wrong(source, line, f"row {number}: {key} is not {name}")
        yield line, values


def _wrong(source: Source, line: int, message: str) -> DataError:
    hint = 'a request line is {"custom_id": "…", "params": {"model": "…", "max_tokens": …, "messages": […]}}'
    return source.error(message, line=line, hint=hint)
