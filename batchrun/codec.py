"""Frozen dataclasses ⇄ plain JSON values, by their type hints. Strict: what does not fit is a ValueError
with its path, so that a damaged file is refused and never half understood."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(value: object) -> Any:
    """`value` as JSON values; fields that stand at None are left out. Raises ValueError for a number that JSON
    does not have: it would be written, and never be read again."""
    if type(value) in _PLAIN:  # by far the most are
        return value
    if (names := _names(cast(type, type(value)))) is not None:
        return {n: encode(v) for n in names if (v := getattr(value, n)) is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [encode(v) for v in value]
    if isinstance(value, Mapping):
        return {k: encode(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    return value


_PLAIN = (str, int, bool, types.NoneType)


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for any other type."""
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def decode(kind: type[T], value: object, path: str = "") -> T:
    """A `kind` from JSON values. Raises ValueError naming the path that does not fit."""
    if not isinstance(value, dict):
        raise ValueError(f"{path or 'the file'}: expected an object")
    hints = _hints(cast(type, kind))
    if unknown := value.keys() - hints.keys():
        raise ValueError(f"{path or 'the file'}: unknown field {min(unknown)!r}")
    try:
        return kind(**{n: _decode(hints[n], v, f"{path}.{n}".lstrip(".")) for n, v in value.items()})
    except TypeError as error:
        raise ValueError(f"{path or 'the file'}: {str(error).partition('() ')[2]}") from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(hint: Any, value: Any, path: str) -> Any:
    if hint is Any:
        return value
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _decode(next(h for h in get_args(hint) if h is not type(None)), value, path)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(get_args(hint)[0], v, f"{path}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        return {k: _decode(get_args(hint)[1], v, f"{path}.{k}") for k, v in value.items()}
    if isinstance(hint, type):
        return _scalar(hint, value, path)
    raise ValueError(f"{path}: wrong type")


def _scalar(hint: type, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return decode(hint, value, path)
    if issubclass(hint, (Enum, datetime)):
        read: Callable[[Any], Any] = _moment if hint is datetime else hint
        try:
            return read(value)
        except (ValueError, TypeError):
            raise ValueError(f"{path}: {str(value)[:40]!r} is not a {hint.__name__}") from None
    if hint is float and type(value) in (int, float):
        return float(value)
    if type(value) is hint:
        return value
    raise ValueError(f"{path}: expected {hint.__name__}, found {type(value).__name__}")


def _moment(text: str) -> datetime:
    """A time without a zone is no moment: it could not be compared with the API's."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment
