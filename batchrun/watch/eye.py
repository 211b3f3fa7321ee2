"""What a worker tells of a pass while it goes on: a line for each change that is worth one."""

from __future__ import annotations

from collections.abc import Callable

from batchrun.errors import Problem
from batchrun.lifecycle import events
from batchrun.lifecycle.events import Event
from batchrun.lifecycle.state import RunState
from batchrun.render.progress import line_of, only_counts
from batchrun.safetext import plain

Tell = Callable[[str, str], None]
"""What hears a line, and of which job."""


class Eye:
    """Hears what happens to the job, and passes on what is worth a line."""

    def __init__(self, tell: Tell, job: str) -> None:
        self._tell = tell
        self.job = job
        """As far as it is known: the spec may name it otherwise."""
        self.troubled = False

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        self.job = state.job
        if isinstance(event, events.SubmitDeferred | events.SubmitUnknown):
            self.troubled = True
        elif isinstance(event, events.Unseen):
            self.troubled = self.troubled or not event.not_found
        if not only_counts(event, before) and (line := line_of(event, before, state)):
            self.say(line)

    def say(self, line: str) -> None:
        self._tell(plain(line, 500), self.job)

    def waiting(self, until: float, state: RunState) -> None:
        """A pass does not wait."""

    def warning(self, problem: Problem) -> None:
        """Of a hook that failed. What may not be meant so in the spec would be told at every pass."""
        if problem.field.startswith("on."):
            self.say(f"warning: {problem.message}")
