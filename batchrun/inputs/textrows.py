"""Text files: one row a file, with its `text`, `name` and `path`."""

from __future__ import annotations

from collections.abc import Iterator

from batchrun.inputs.source import TEXT_LIMIT, Record, Source


def text_file(source: Source, before: int) -> Iterator[Record]:
    """The one row of a file; `before` is the number of rows ahead of it."""
    parts: list[str] = []
    size = 0
    for piece in source.pieces():
        parts.append(source.decode(piece))
        size += len(piece.data)
        if size > TEXT_LIMIT:
            message = f"row {before + 1}: a text file of more than {TEXT_LIMIT // 1_000_000} MB"
            raise source.error(message, hint="no request can hold it; split it")
    yield 0, {"text": "".join(parts), "name": source.path.name, "path": source.name}
