"""How values become text in a template: as it is today, and as the libraries of other days did it.

The engine's own `tojson` writes `{"a": 1e+20}` since minijinja 3, and wrote `{"a":1e20}` before; what is in
braces by itself is written by us (`jsonbytes`). Both end in a request's bytes, and so in its key: they are ours, the
same under every version, and what stood there before is known, so that its answers are found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from batchrun import jsonbytes

ToJson: TypeAlias = Callable[[object, object], str | None]
"""The filter `tojson`, of a value and an indent. None where there is no JSON of it, or the indent is none."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """`dumps` writes what stands in braces and all that is no text; `tojson` is the filter of that name."""

    dumps: Callable[[object], bytes]
    tojson: ToJson


_IN_HTML = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "'": r"\u0027"})


def tojson(value: object, indent: object) -> str | None:
    """As minijinja 3 writes it."""
    return _tojson(value, indent, (", ", ": "))


def tojson_before(value: object, indent: object) -> str | None:
    """As minijinja 2 wrote it."""
    text = _tojson(value, indent, (",", ":"))
    return text and jsonbytes.before(text.encode()).decode()


def _tojson(value: object, indent: object, separators: tuple[str, str]) -> str | None:
    if not _is_json(value):
        return None
    if indent is None or indent is False:
        text = json.dumps(value, ensure_ascii=False, separators=separators)
    elif isinstance(indent, int) and indent >= 0:
        text = json.dumps(value, ensure_ascii=False, indent=2 if indent is True else indent)
    else:
        return None
    return jsonbytes.respelled(text.encode()).decode().translate(_IN_HTML)


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_json(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return (
        value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    )


def _dumps_before(value: object) -> bytes:
    return jsonbytes.before(jsonbytes.dumps(value))


OURS = Spelling(jsonbytes.dumps, tojson)
BEFORE = (
    Spelling(jsonbytes.dumps, tojson_before),
    Spelling(_dumps_before, tojson),
    Spelling(_dumps_before, tojson_before),
)
"""Of orjson since 3.11.7 with minijinja 2, and of orjson before that with either."""
