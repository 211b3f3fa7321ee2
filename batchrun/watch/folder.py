"""One watched folder: what stands in it, and which of its specs are due for a pass."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.errors import BatchrunError, ExitCode
from batchrun.fs.confine import open_regular, without_links
from batchrun.fs.files import read_whole, signature, unchanged
from batchrun.fs.ownership import movers
from batchrun.inputs.find import find
from batchrun.model import InputSpec, Place, Signature
from batchrun.specnames import job_name
from batchrun.watch import due
from batchrun.watch.notes import Notes
from batchrun.watch.orders import News, Note, Order, Passed, Seen, Settings, Standing
from batchrun.watch.scan import ABSENT, scan

if TYPE_CHECKING:
    from batchrun.rundir.siblings import Neighbour

SPEC_LIMIT = 10_000_000
"""Bytes of a spec that are read to know it again; a larger one is refused when it is loaded."""

Hear = Callable[[News], None]


@dataclass(slots=True)
class Entry:
    """A spec that stands in the folder. `since` is when it was first seen as it is now."""

    name: str
    signature: Signature
    since: float
    note: Note | None = None
    running: bool = False
    look_at: float = 0.0
    job: str = ""

    @property
    def fresh(self) -> bool:
        """Whether no pass has seen it as it is now."""
        return self.note is None or self.note.signature != self.signature


class Folder:
    """`shown` is the folder as the operator named it; `only` restricts it to these files, in place."""

    def __init__(
        self, shown: Path, settings: Settings, hear: Hear, only: frozenset[str] | None = None
    ) -> None:
        self.shown, self.path, self._only = shown, shown.absolute(), only
        self.settings = replace(settings, in_place=True, settle=0.0) if only else settings
        self._movers = movers(self.path)
        self.terms = due.terms(self.settings, self._movers)
        self.notes = Notes(self.path.resolve(), sandbox=settings.sandbox)
        self.entries: dict[str, Entry] = {}
        self.worst: int = ExitCode.OK
        """Of the specs that are through, and those that may not be run."""
        self._hear = hear
        self._refused: dict[str, str] = {}
        self._abandoned: set[str] | None = None
        self._gone = False

    # ---- what is there

    def look(self, now: float, *, newcomers: bool = True) -> None:
        """Scan, and decide for each spec when it is due; without `newcomers`, only for those that are known."""
        try:
            found = scan(self.path, self.settings.match, self._only)
        except OSError as error:
            self._lost(error)
            return
        if self._movers != (now_movers := movers(self.path)):
            self._movers, self.terms = now_movers, due.terms(self.settings, now_movers)
        if self._gone:
            self._gone = False
            self.tell("folder_back", "the folder is back")
        specs = found.specs | dict.fromkeys(self._gone_too_soon(found.specs), ABSENT)
        for name in self.entries.keys() - specs.keys():
            self._left(name)
        for name, mark in specs.items():
            if newcomers or name in self.entries:
                self._see(name, mark, now)
        for name in sorted(found.refused.keys() - self._refused.keys()):
            self._refuse(name, f"left alone: {found.refused[name]}", now)
        self._refused = found.refused
        if self._only is None:
            self.notes.tidy(self.entries.keys() | found.refused.keys(), now)

    def _refuse(self, name: str, why: str, now: float) -> None:
        """Tell of what may not be run, if no earlier watcher or tick did."""
        self.worst = due.worst(self.worst, ExitCode.DATA)
        note = self.notes.load(name)
        if note and note.told == why:
            return
        self.tell(Standing.BROKEN, why, name, code=ExitCode.DATA)
        refused = Passed(Standing.BROKEN, ExitCode.DATA, "", summary=why)
        with suppress(BatchrunError):
            self.notes.save(name, Note((), now, refused, told=why, told_at=now))

    def _lost(self, error: OSError) -> None:
        if not self._gone:
            self._gone = True
            self.worst = due.worst(self.worst, ExitCode.IO)
            words = f"the folder cannot be read: {error.strerror}; waiting for it"
            self.tell("folder_gone", words, code=ExitCode.IO)

    def _gone_too_soon(self, there: Mapping[str, Signature]) -> set[str]:
        """The specs that are not there any more, though answers of their jobs are still to come. Found out at the
        first look, and when one goes."""
        if self._only is not None:
            return set()
        if self._abandoned is not None:
            self._abandoned -= there.keys()
        if self._abandoned is None or self.entries.keys() - there.keys() - self._abandoned:
            names = {
                other.spec for other in self._neighbours() if other.under_way and other.spec not in there
            }
            self._abandoned = {name for name in names if not os.path.lexists(self.path / name)}
        return self._abandoned

    def all_fetched(self, name: str) -> None:
        """Of a spec that is gone: nothing is left to do for it."""
        if self._abandoned:
            self._abandoned.discard(name)

    def _left(self, name: str) -> None:
        """It is not there any more, and nothing is to be done for its job."""
        if not self.entries[name].running:
            del self.entries[name]
            self.notes.forget(name)

    def _see(self, name: str, mark: Signature, now: float) -> None:
        entry = self.entries.get(name)
        if entry is None:
            entry = self.entries[name] = Entry(name, mark, now, self.notes.load(name))
        elif entry.signature != mark:
            entry.signature, entry.since = mark, now
        entry.since = min(entry.since, now)  # the clock may have been set back
        if not entry.running:
            entry.look_at = self._look_at(entry, now)

    def _look_at(self, entry: Entry, now: float) -> float:
        note = entry.note
        if note is None or entry.fresh:
            return entry.since + self.settings.settle
        if note.at > now:  # as above
            return now
        at = due.next_look(note, self.settings)
        changed = at > now and (due.overtaken(note, self.terms) or self._changed(note.passed))
        return now if changed else at

    def _changed(self, passed: Passed) -> bool:
        """Whether the job's files are other than they were; opens none of them."""
        if passed.standing is Standing.UNSETTLED:
            return False
        if passed.state != self._mark_of_state(passed.job):
            return True
        if not all(map(_unchanged, (*passed.files, *passed.data))):
            return True
        return not self._same_data(passed)

    def _mark_of_state(self, job: str) -> tuple[int, ...]:
        with suppress(OSError):
            return signature(os.stat(self.notes.state_of(job)))  # noqa: PTH116 (a thousand times)
        return ()

    def _same_data(self, passed: Passed) -> bool:
        """Whether the spec's input still means the same files."""
        root = self.notes.root
        if [seen.path for seen in passed.data] == [f"{root}/{text}" for text in passed.inputs]:
            return True  # files that are named one by one, and are there
        try:
            found = find(InputSpec(passed.inputs, Place("")), root=root, roots=self.settings.roots)
        except BatchrunError:
            return not passed.data
        return [str(file.path) for file in found] == [seen.path for seen in passed.data]

    # ---- passes

    def due(self, now: float) -> list[Entry]:
        """The specs whose time has come, the longest due first."""
        ready = [entry for entry in self.entries.values() if not entry.running and entry.look_at <= now]
        if any(entry.fresh and entry.signature != ABSENT for entry in self.entries.values()):
            # First what came: a spec that is gone may be there under another name.
            ready = [entry for entry in ready if entry.signature != ABSENT]
        return sorted(ready, key=lambda entry: (entry.look_at, entry.name))

    def begin(self, entry: Entry, now: float) -> Order:
        """The order for a pass over a spec that is due. Raises BatchrunError."""
        note, settings = entry.note, self.settings
        if entry.fresh or not entry.job:
            entry.job = self._job_of(entry.name)
        entry.running = True
        waited = now - note.since if note and note.passed.standing is Standing.WAITING else 0.0
        still = note.passed.data if note and note.passed.standing is Standing.UNSETTLED else ()
        return Order(
            spec=self.shown / entry.name,
            job=entry.job,
            sandbox=settings.sandbox,
            roots=settings.roots,
            config=settings.config,
            watched=settings.watched,
            yes=settings.yes,
            settle=settings.settle,
            still=tuple(filter(_unchanged, still)),
            patience=waited < settings.data_wait,
            memory=settings.memory,
            gone=entry.signature == ABSENT,
            known=note.passed.lines if note and not entry.fresh else (),
        )

    def _job_of(self, name: str) -> str:
        path, otherwise = self.path / name, job_name(name)
        try:
            with open_regular(without_links(path)) as stream:
                content, _ = read_whole(stream, path, SPEC_LIMIT)
        except BatchrunError:  # the pass will say what is wrong with it
            return otherwise
        return self.notes.job_of(content, otherwise)

    def under_way(self, spec: str, job: str) -> bool:
        """Whether answers of the spec's job are still to come. `job` is its name, as far as that is known: a spec
        may name it otherwise."""
        return any(other.under_way for other in self._neighbours() if other.job == job or other.spec == spec)

    def _neighbours(self) -> Iterator[Neighbour]:
        from batchrun.rundir.siblings import neighbours

        return neighbours(self.notes.runs, leaving_out="")

    def counts(self) -> Counter[str]:
        """How the specs of the folder stand."""
        return Counter(e.note.passed.standing if e.note else "new" for e in self.entries.values())

    def code(self) -> int:
        """The exit code that says how the folder stands."""
        left = (
            e.note.passed.code if e.note and not e.fresh else ExitCode.NOT_FINISHED
            for e in self.entries.values()
        )
        return due.worst(self.worst, *left)

    def tell(self, what: str, text: str, spec: str = "", **more: object) -> None:
        self._hear(News(what, text, folder=str(self.shown), spec=spec, **more))  # type: ignore[arg-type]


def _unchanged(seen: Seen) -> bool:
    return unchanged(seen.path, seen.size, seen.mtime_ns)
