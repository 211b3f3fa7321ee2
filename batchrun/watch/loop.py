"""The passes over all folders: scan, decide, start, hear. `watch` repeats them, `tick` makes one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace

from batchrun.errors import BatchrunError, ExitCode, Problem
from batchrun.model import Signature
from batchrun.render.problems import error_lines, problem_lines
from batchrun.safetext import plain
from batchrun.watch import due
from batchrun.watch.after import settle
from batchrun.watch.folder import Entry, Folder
from batchrun.watch.nudges import WITHOUT, Nudges
from batchrun.watch.orders import Passed, Settings, Standing
from batchrun.watch.pace import Pace
from batchrun.watch.service import tell_systemd, watchdog_seconds
from batchrun.watch.workers import Told, Workers

HEARTBEAT = 600.0
BETWEEN_SCANS = 0.5
"""Seconds between two scans, however many events there are; and ten times as long as a scan takes."""
LEAST, LONGEST = 0.05, 30.0
"""Seconds of a single wait: what is due but may not go yet is not asked for all the time; a clock may be set."""
UNSETTLED_FOR = 10
"""Times the settle time that a single pass waits for files that do not hold still."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a worker works on, and the spec's signature when it began."""

    folder: Folder
    entry: Entry
    began: Signature


class Loop:
    """`leaving` is asked between any two steps: a signal's number once somebody wants us to go."""

    def __init__(
        self,
        folders: Sequence[Folder],
        settings: Settings,
        *,
        nudges: Nudges | None = None,
        leaving: Callable[[], int] = lambda: 0,
    ) -> None:
        self.folders, self._settings, self._nudges, self._leaving = folders, settings, nudges, leaving
        self._workers = Workers(settings.workers, settings.time_limit, leaving)
        for folder in folders:
            folder.notes.leaving = leaving
        self._pace = Pace(settings.polls_per_minute)
        self._scan_at = self._soonest_scan = 0.0
        """When to scan, at the latest and at the earliest, in seconds of a clock that nobody sets."""
        self._nudged = False

    # ---- the two ways to go through the folders

    def once(self) -> int:
        """One pass over every spec that is there and due, those included that have yet to settle. The exit code
        for all of them; 75 while anything is unfinished."""
        passed: set[tuple[Folder, str]] = set()
        patience = time.monotonic() + UNSETTLED_FOR * self._settings.settle
        self._scan()
        while not self._leaving():
            now = time.time()
            for ticket in self._start(now, leaving_out=passed):
                passed.add((ticket.folder, ticket.entry.name))
            left = any(_awaited(e, now) for f, e in self._entries() if (f, e.name) not in passed)
            cut_short = time.monotonic() > patience or now < self._pace.paused_until()
            if not self._workers.running and (cut_short or not left):
                break
            self._wait(self._next(now))
            for told in self._hear():
                if told.passed and told.passed.standing is Standing.UNSETTLED:
                    passed.discard((told.tag.folder, told.tag.entry.name))
            if time.monotonic() >= self._scan_at:
                self._scan(newcomers=False)
        return due.worst(*(folder.code() for folder in self.folders))

    def forever(self) -> None:
        """Until `leaving`."""
        tell_systemd("READY=1")
        beat, spoke_at = watchdog_seconds(), time.monotonic()
        while not self._leaving():
            tell_systemd("WATCHDOG=1")
            if time.monotonic() >= self._scan_at:
                self._scan()
                spoke_at = self._heartbeat(spoke_at)
            self._start(now := time.time())
            self._wait(min(self._next(now), beat / 2 if beat else due.NEVER))
            for _ in self._hear():
                pass

    def leave(self) -> None:
        """Tell the workers, and wait for them, for less than five seconds."""
        tell_systemd("STOPPING=1")
        for _ in self._heard(self._workers.leave()):
            pass

    # ---- steps

    def _entries(self) -> Iterator[tuple[Folder, Entry]]:
        for folder in self.folders:
            yield from ((folder, entry) for entry in folder.entries.values())

    def _scan(self, *, newcomers: bool = True) -> None:
        began = time.monotonic()
        if self._nudges:
            self._nudges.follow()
        for folder in self.folders:
            folder.look(time.time(), newcomers=newcomers)
        ended = time.monotonic()
        self._soonest_scan = ended + max(BETWEEN_SCANS, 10 * (ended - began))
        without = self._nudges is not None and self._nudges.failed
        rescan = min(self._settings.rescan, WITHOUT) if without else self._settings.rescan
        self._scan_at = max(ended + rescan, self._soonest_scan)

    def _start(self, now: float, leaving_out: Container[tuple[Folder, str]] = ()) -> list[Ticket]:
        """Begin the passes that are due, as far as workers and pace allow."""
        started: list[Ticket] = []
        if self._workers.free <= 0 or now < self._pace.paused_until():
            return started
        for folder, entry in self._ready(now):
            if self._workers.free <= 0 or (self._pace.probing and self._workers.running):
                break
            if (folder, entry.name) in leaving_out:
                continue
            if due.polls(entry.note) and not entry.fresh:
                if now < self._pace.free_at():
                    continue
                self._pace.asked(now)
            if ticket := self._begin(folder, entry, now):
                started.append(ticket)
        return started

    def _ready(self, now: float) -> list[tuple[Folder, Entry]]:
        ready = [(folder, entry) for folder in self.folders for entry in folder.due(now)]
        return sorted(ready, key=lambda pair: pair[1].look_at)

    def _begin(self, folder: Folder, entry: Entry, now: float) -> Ticket | None:
        ticket = Ticket(folder, entry, entry.signature)
        try:
            self._workers.start(folder.begin(entry, now), ticket)
        except (BatchrunError, OSError) as error:
            if self._leaving():  # that may be all that went wrong
                entry.running = False
                return None
            passed = Passed(Standing.TROUBLE, ExitCode.IO, entry.job, summary=plain(str(error)))
            if isinstance(error, BatchrunError):
                passed = replace(passed, code=error.exit_code, lines=tuple(error_lines(error)))
            settle(folder, entry, ticket.began, passed, now)
            return None
        return ticket

    def _next(self, now: float) -> float:
        """Seconds until there is something to do, unless somebody says something first."""
        seconds = (self._soonest_scan if self._nudged else self._scan_at) - time.monotonic()
        if self._workers.free > 0:
            free_at = max(self._pace.free_at(), now + LEAST)
            looks = (free_at if e.look_at <= now else e.look_at for _, e in self._entries() if not e.running)
            seconds = min(seconds, max(min(looks, default=due.NEVER), self._pace.paused_until()) - now)
        return max(seconds, 0.0)

    def _wait(self, seconds: float) -> None:
        others = [self._nudges.reader] if self._nudges else []
        self._workers.wait(min(seconds, LONGEST), others)
        if self._nudges and self._nudges.heard():
            self._nudged = True
        if self._nudged and time.monotonic() >= self._soonest_scan:
            self._nudged, self._scan_at = False, 0.0

    def _hear(self) -> Iterator[Told]:
        """The passes that are over."""
        yield from self._heard(self._workers.told())

    def _heard(self, news: Iterator[Told]) -> Iterator[Told]:
        for told in news:
            ticket: Ticket = told.tag
            if told.over:
                yield self._settle(told)
            else:
                folder, entry = ticket.folder, ticket.entry
                folder.tell("progress", told.line, entry.name, job=told.job)

    def _settle(self, told: Told) -> Told:
        ticket: Ticket = told.tag
        now = time.time()
        passed = told.passed or (
            crashed(ticket.entry.job, told.how)
            if told.how
            else Passed(Standing.STOPPED, ExitCode.NOT_FINISHED, ticket.entry.job)
        )
        if passed.troubled:
            self._pace.trouble(now, passed.due or 0.0)
        elif passed.standing in (Standing.DONE, Standing.RUNNING):
            self._pace.fine(now)
        settle(ticket.folder, ticket.entry, ticket.began, passed, now)
        return told

    def _heartbeat(self, spoke_at: float) -> float:
        if time.monotonic() - spoke_at < HEARTBEAT:
            return spoke_at
        for folder in self.folders:
            folder.tell("heartbeat", counted(folder.counts()))
        return time.monotonic()


def _awaited(entry: Entry, now: float) -> bool:
    """Whether a single pass has to wait for this one: it is due, or has yet to hold still."""
    unsettled = entry.note is not None and entry.note.passed.standing is Standing.UNSETTLED
    return not entry.running and (entry.fresh or unsettled or entry.look_at <= now)


def counted(counts: Counter[str]) -> str:
    """How many specs stand how, in words."""
    words = [f"{count:,} {standing.replace('_', ' ')}" for standing, count in sorted(counts.items())]
    return "watching: " + (", ".join(words) or "no specs")


def crashed(job: str, how: str) -> Passed:
    """For a worker that could tell nothing any more."""
    problem = Problem(
        f"the job's process {how}", hint="the state is as it saved it; running it again is safe"
    )
    return Passed(Standing.CRASHED, ExitCode.BUG, job, tuple(problem_lines(problem)), problem.message)
