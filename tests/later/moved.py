"""Every process of the interpreter that imports this at its start lives so many days later. Files do not: their times
are by the clock of the file system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import time_machine

_moved: set[int] = set()


def move(days: int) -> None:
    """Once, however often the interpreter's start comes by here."""
    if _moved:
        return
    _moved.add(days)
    time_machine.travel(datetime.now(UTC) + timedelta(days), tick=True).start()
