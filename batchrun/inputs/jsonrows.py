"""Rows from JSON lines: one object a line."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from batchrun.errors import DataError
from batchrun.inputs.jsontext import BadJson, parse
from batchrun.inputs.source import BOM, Block, Record, Source
from batchrun.model import Json

_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}
_ARRAY = "for one array of objects set input.format: json"


def json_lines(source: Source, before: int) -> Iterator[Record]:
    """The rows of a JSON lines file; `before` is the number of rows ahead of it. Blank lines mean nothing."""
    number = before
    for block in source.blocks():
        offset = block.offset
        for line, text in enumerate(io.BytesIO(block.data), block.line):
            if not text.isspace():
                number += 1
                yield line, _row(source, Block(text, line, offset), number)
            offset += len(text)


def _row(source: Source, block: Block, number: int) -> Mapping[str, Json]:
    try:
        value = parse(block.data)
    except UnicodeDecodeError:
        source.decode(block)  # raises, with the byte's offset
        raise
    except BadJson as error:
        message = f"row {number} is not valid JSON: {error}"
        if error.at is not None:
            message += f", column {error.at + 1}"
        hint = _ARRAY if number == 1 and block.data.startswith(b"[") else "every line holds one whole object"
        if block.data.startswith(BOM):
            hint = "it begins with a byte order mark: were files joined? take it out"
        raise source.error(message, line=block.line, hint=hint) from None
    if type(value) is dict:
        return value
    raise not_object(source, value, block.line, number)


def not_object(source: Source, value: Json, line: int, number: int) -> DataError:
    """The DataError for a row that is some other value."""
    hint = 'every row must be an object, such as {"text": "…"}'
    if isinstance(value, list) and number == 1:
        hint = f"{hint}; {_ARRAY}"
    return source.error(
        f"row {number} is {_NAMES.get(type(value), 'null')}, not an object", line=line, hint=hint
    )
