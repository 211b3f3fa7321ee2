"""Time and chance, given from outside: a test that plays them needs no patience."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class Clockwork:
    """Everything in seconds. `clock` never goes back and starts anywhere; `now` is since the epoch, and may be
    set by people. `rng` gives numbers from 0 to 1."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    rng: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    def today(self) -> date:
        """The day of `now`, in UTC: what has retired by it, and what it costs."""
        return datetime.fromtimestamp(self.now(), UTC).date()


REAL = Clockwork()
