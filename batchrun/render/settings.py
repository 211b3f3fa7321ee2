"""The configuration in force as a table at 80 columns, and as JSON values. No secret is in either."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from batchrun.config.layers import origin_of
from batchrun.config.values import KEYS, Config, Key, Kind, Value
from batchrun.model import Hook
from batchrun.render.lines import WIDTH, joined
from batchrun.safetext import plain
from batchrun.units import format_duration, format_size, format_usd

_KEY, _VALUE = 20, 32


class KeyIs(StrEnum):
    """What there is to say of the API key without showing it."""

    SET = "set, not shown"
    UNUSABLE = "its file is of no use"
    MISSING = "not set"


def table(config: Config, *, key_is: KeyIs, files: Sequence[Path], relative_to: Path) -> str:
    """A line a key: its name, its value, and what set it. What is too long for its column begins a line. Below
    them, the files that were read."""
    lines = [_line("KEY", "VALUE", "FROM")]
    for key in KEYS:
        origin = config.origin(key.name).removeprefix(f"{relative_to}/") or "default"
        for value in _texts(key, config.value(key)):
            lines.append(_line(key.name, value, origin))
        if key.name == "key_file":
            lines.append(_line("(the key)", key_is.value, origin))
    read = [f"read {plain(str(path).removeprefix(f'{relative_to}/'), 1000)}" for path in files]
    return joined([*lines, "", *(read or ["no batchrun.toml was found"])])


def values(config: Config, *, key_is: KeyIs, files: Sequence[Path]) -> dict[str, Any]:
    """`settings` by key, each with its value and `from`, null for a default; and the files that were read."""
    settings = {
        key.name: {"value": _json(config.value(key)), "from": config.origin(key.name) or None} for key in KEYS
    }
    names = [str(path) for path in files]
    return {"files": names, "has_key": key_is is KeyIs.SET, "key": key_is.name.lower(), "settings": settings}


def _line(key: str, value: str, origin: str) -> str:
    value, origin = plain(value, 1000), plain(origin, 1000)
    line = f"{key:<{_KEY}}{value}"
    room = f"{line:<{_KEY + _VALUE}} "
    if len(line) <= _KEY + _VALUE and len(room) + len(origin) <= WIDTH:
        return room + origin
    return f"{line}\n{origin:>{WIDTH}}"


def _texts(key: Key, value: Value) -> list[str]:
    """The value as people read it; a list has a line an entry."""
    match value:
        case None | () | "":
            return ["-"]
        case tuple():
            return [_shown(item) if isinstance(item, Hook) else str(item) for item in value]
        case bool():
            return [str(value).lower()]
        case float():
            return [format_usd(value) if key.kind is Kind.USD else format_duration(value)]
        case int() if key.kind is Kind.SIZE:
            return [format_size(value)]
    return [str(value)]


def _shown(hook: Hook) -> str:
    """A hook without what may be a secret: addresses of webhooks hold them in their path."""
    if hook.run:
        return f"run {shlex.join(hook.run)}"
    return f"post {origin_of(hook.post)}/…"


def _json(value: Value) -> Any:
    match value:
        case tuple():
            return [_hook(item) if isinstance(item, Hook) else str(item) for item in value]
        case Path():
            return str(value)
    return value


def _hook(hook: Hook) -> dict[str, Any]:
    shown = {"run": list(hook.run)} if hook.run else {"post": f"{origin_of(hook.post)}/…"}
    return {**shown, "from": hook.where}
