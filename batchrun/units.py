"""Durations, sizes and money, to and from text. Seconds, bytes and US dollars inside the program."""

from __future__ import annotations

import math
import re

DAY = 86_400.0
"""Seconds."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
_BYTES: dict[str, int] = {
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", start=1)},
}

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
_DURATION_HELP = "write it like 90s, 15m, 25h or 1h30m"
_SIZE_HELP = "write it like 500kB, 240MB or 200MiB"


def duration(text: str) -> float:
    """`25h`, `90s`, `1h30m` as seconds. Units: ms, s, m, h, d. Raises ValueError saying what is wrong."""
    seconds, end = 0.0, 0
    while end < len(text.rstrip()):
        part = _PART.match(text, end)
        if part is None or part[2] not in _SECONDS:
            raise ValueError(f"{text!r} is not a duration: {_DURATION_HELP}")
        seconds += float(part[1]) * _SECONDS[part[2]]
        end = part.end()
    if not end or not math.isfinite(seconds):
        raise ValueError(f"{text!r} is not a duration: {_DURATION_HELP}")
    return seconds


def size(text: str) -> int:
    """`240MB` (10^6) or `200MiB` (2^20) as bytes, in any case. Raises ValueError saying what is wrong."""
    part = _PART.fullmatch(text.rstrip())
    factor = _BYTES.get(part[2].lower()) if part else None
    if part is None or factor is None:
        raise ValueError(f"{text!r} is not a size: {_SIZE_HELP}")
    amount = float(part[1]) * factor
    if not math.isfinite(amount):
        raise ValueError(f"{text!r} is too large")
    return int(part[1]) * factor if part[1].isdigit() else round(amount)


def format_duration(seconds: float) -> str:
    """`1d 2h`, `1h 5m`, `42s`, `0.5s`: the two largest units."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f}s"
    counts: list[tuple[int, str]] = []
    rest = round(seconds)
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(_SECONDS[unit]))
        if count or counts or unit == "s":
            counts.append((count, unit))
    return " ".join(f"{count}{unit}" for count, unit in counts[:2] if count) or "0s"


def format_size(count: int) -> str:
    """`999 B`, `1.2 kB`, `240 MB`: decimal units, as the limits of the API are read (api-facts §5)."""
    units = ["B", "kB", "MB", "GB", "TB"]
    amount, unit = float(count), units.pop(0)
    while amount >= 999.5 and units:
        amount, unit = amount / 1000, units.pop(0)
    digits = 0 if unit == "B" or amount >= 99.95 else 1
    return f"{amount:.{digits}f} {unit}".replace(".0 ", " ")


def format_usd(amount: float) -> str:
    """`$12.34`; below a cent as many digits as it takes to show two that count."""
    if amount < 0:
        return "-" + format_usd(-amount)
    if amount == 0 or amount >= 0.01:
        return f"${amount:,.2f}"
    digits = min(10, 1 - math.floor(math.log10(amount)))
    return f"${amount:.{digits}f}"
