"""How often the API is asked, over all jobs: a bounded rate, and slower while it does not answer. Pure: the
time comes from outside, in seconds."""

from __future__ import annotations

import zlib

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 120.0
BURST = 5.0
"""Seconds of the rate that may be used at once after a silence."""
SPREAD = 0.1
"""Part of the wait by which the jobs are spread."""


class Pace:
    """Gives leave to ask, at most `per_minute` times; after trouble first one at a time, after a pause."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60.0 / per_minute
        self._next = 0.0
        self._pause = 0.0
        self._until = 0.0

    def free_at(self) -> float:
        """When the next poll may go."""
        return max(self._next, self._until)

    def paused_until(self) -> float:
        """Before this, nothing that needs the API should begin."""
        return self._until

    def asked(self, now: float) -> None:
        self._next = max(self._next, now - BURST) + self._gap

    def trouble(self, now: float, until: float = 0.0) -> None:
        """The API put somebody off, or is not there: everybody slows down. `until` is what it asked for."""
        if now < self._until:  # asked before the pause began: no news
            return
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._until = min(max(now + self._pause, until), now + LONGEST_PAUSE)

    def fine(self, now: float) -> None:
        if now >= self._until:
            self._pause = 0.0

    @property
    def probing(self) -> bool:
        """Whether the next answer decides if it goes on: one is enough to find out."""
        return self._pause > 0.0


def spread(job: str) -> float:
    """From 0 to 1, the same for a job each time: jobs that began together are not asked about together."""
    return zlib.crc32(job.encode()) / 2**32


def due_with_spread(due: float, now: float, job: str) -> float:
    return due + SPREAD * spread(job) * max(due - now, 0.0)
