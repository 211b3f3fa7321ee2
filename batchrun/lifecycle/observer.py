"""Who hears of a run: an `Observer` is told of every event, and what breaks behind it stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from batchrun.errors import BatchrunError, Problem

if TYPE_CHECKING:
    from batchrun.lifecycle.events import Event
    from batchrun.lifecycle.state import RunState


class Observer(Protocol):
    """Hears what happens. What it raises is dropped."""

    def event(self, event: Event, before: RunState, state: RunState) -> None: ...

    def waiting(self, until: float, state: RunState) -> None: ...

    def warning(self, problem: Problem) -> None:
        """The spec is right, but perhaps not meant so."""


class Silent:
    """An observer that keeps quiet."""

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        """Hear of an event."""

    def waiting(self, until: float, state: RunState) -> None:
        """Hear of a wait."""

    def warning(self, problem: Problem) -> None:
        """Hear of what may not be meant so in the spec."""


@contextmanager
def harmless(passing: type[BatchrunError] = BatchrunError) -> Iterator[None]:
    """Around what an observer or a hook does: a full disk or a closed terminal behind it must never stop a run.
    What is `passing` goes on, a signal above all."""
    try:
        yield
    except passing:
        raise
    except Exception:  # whatever breaks behind an observer, the run is worth more
        return
