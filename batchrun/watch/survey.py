"""The jobs of a folder, read for `batchrun status FOLDER`. Reads states and names; no lock, no network, no data.

A spec is only read where the state does not tell enough: a budget stands nowhere else.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from batchrun.config.find import load_config
from batchrun.errors import BatchrunError, MissingInput
from batchrun.fs.confine import open_regular
from batchrun.fs.files import shown, signature
from batchrun.lifecycle import phases, state
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Phase, RunState
from batchrun.model import Timing
from batchrun.reports.job import Need
from batchrun.reports.overview import (
    BrokenSpec,
    FolderOverview,
    JobOverview,
    NewSpec,
    in_order,
    job_overview,
    unreadable,
)
from batchrun.reports.status import command_for, status_report
from batchrun.run.jobs import look
from batchrun.rundir.store import SANDBOX, runs_folder
from batchrun.safetext import plain
from batchrun.specnames import PUT_AWAY, is_spec
from batchrun.watch.moves import ERROR
from batchrun.watch.notes import Notes
from batchrun.watch.orders import Passed, Standing

_STOPS = (Standing.TROUBLE, Standing.WAITING, Standing.CRASHED, Standing.DUPLICATE)
"""What keeps a watcher from going on with a job."""
_FIRST = 4000
"""Bytes of an error file that are read: what is wrong stands at its beginning."""


def survey_folder(
    folder: Path, *, now: float, sandbox: bool = False, roots: Sequence[Path] = ()
) -> FolderOverview:
    """What there is in `folder`, as seen from the current one; `now` is in seconds since the epoch. `roots` are
    shown in commands as given. Raises MissingInput where there is no such folder."""
    if not folder.is_dir():
        raise MissingInput(f"there is no folder {folder}")
    names = set(_names(folder))
    reader = _Reader(folder, names, now, sandbox, tuple(roots))
    jobs = [job for path in _states(runs_folder(folder, sandbox=sandbox)) if (job := reader.read(path))]
    return FolderOverview(
        folder=shown(folder),
        jobs=in_order(jobs),
        broken=tuple(_broken(folder, now)),
        new=tuple(reader.new(name) for name in sorted(names - reader.specs) if is_spec(name)),
        sandbox=sandbox,
        rehearsals=0 if sandbox else sum(1 for _ in _states(runs_folder(folder, sandbox=True))),
    )


def _names(folder: Path) -> Iterator[str]:
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_file():
                yield entry.name


def _states(runs: Path) -> Iterator[Path]:
    with suppress(OSError):
        for entry in os.scandir(runs):
            path = Path(entry.path, "state.json")
            if entry.name != SANDBOX and entry.is_dir(follow_symlinks=False) and path.exists():
                yield path


class _Reader:
    """States, as jobs of a folder. `specs` are the names of the spec files that they belong to."""

    def __init__(
        self, folder: Path, names: set[str], now: float, sandbox: bool, roots: tuple[Path, ...]
    ) -> None:
        self._folder, self._now, self._sandbox, self._roots = folder, now, sandbox, roots
        self._where = dict.fromkeys(names, "")
        for below in PUT_AWAY:
            self._where |= {name: below for name in _names(folder / below) if name not in names}
        self.specs: set[str] = set()
        self._notes = Notes(folder, sandbox=sandbox)

    def read(self, path: Path) -> JobOverview | None:
        """None for a job that vanished while we looked."""
        job = path.parent.name
        try:
            with open_regular(path) as stream:
                looked = max(self._now - os.fstat(stream.fileno()).st_mtime, 0.0)
                found = state.loads(stream.read(), where=shown(path))
        except MissingInput:
            return None
        except BatchrunError as error:
            text = "; ".join(filter(None, (str(error), error.where, error.hint)))
            return unreadable(job, text, 0.0, sandbox=self._sandbox)
        self.specs.add(found.spec)
        below = self._where.get(found.spec)
        spec = "" if below is None else shown(self._folder / below / found.spec)
        report = status_report(
            found,
            self._policy(found, below),
            output=self._output(found),
            command=self._command(found.spec, below),
            now=self._now,
            sandbox=self._sandbox,
        )
        summary = report.summary and replace(report.summary, output=report.output)
        report = replace(report, summary=summary)
        passed = None if below or report.needs else self._passed(found.spec)
        if passed and passed.standing is Standing.NEEDS_PERSON:
            # The state does not know of a bill that is not paid, or of a budget that nobody set.
            need = Need(_said(passed), (self._command(found.spec, below).format("run"),))
            return job_overview(replace(report, needs=(need,)), spec, looked)
        remark = _said(passed) if passed and passed.standing in _STOPS else ""
        if below is None and phases.began(found) and found.collected is None:
            remark = f"{plain(found.spec, 100)} is gone; put it back to have the answer written"
        return job_overview(report, spec, looked, remark)

    def new(self, name: str) -> NewSpec:
        """A spec that has no job."""
        passed = self._passed(name)
        return NewSpec(shown(self._folder / name), _said(passed) if passed else "")

    def _passed(self, spec: str) -> Passed | None:
        """How the last pass of a watcher, or of a tick, left the spec, if it has not been edited since."""
        note = self._notes.load(spec) if spec in self._where else None
        with suppress(OSError):
            if note and note.signature == signature((self._folder / spec).stat()):
                return note.passed
        return None

    def _output(self, found: RunState) -> str:
        """Where the answer is; before there is one, only the spec knows."""
        return shown(self._folder / found.collected.output.path) if found.collected else ""

    def _command(self, spec: str, below: str | None) -> str:
        """The command for the job; a spec that was put away has to come back first."""
        home = Path(shown(self._folder))
        command = command_for(str(home / spec), sandbox=self._sandbox, roots=self._roots)
        if not below:
            return command
        move = shlex.join(["mv", "--", str(home / below / spec), f"{home}/"])
        return f"{move} && ".replace("{", "{{").replace("}", "}}") + command

    def _policy(self, found: RunState, below: str | None) -> Policy:
        """What the spec allows, where that matters: for requests that wait, and nothing else is under way."""
        waits = any(s.phase is Phase.PLANNED for s in found.shards) and not phases.under_way(found)
        if waits and below == "":
            with suppress(BatchrunError):
                config = load_config(self._folder)
                spec, roots = self._folder / found.spec, (*self._roots, *config.roots)
                return look(spec, sandbox=self._sandbox, roots=roots, config=config).policy
        return Policy(Timing())


def _said(passed: Passed) -> str:
    hints = [line.removeprefix("hint: ") for line in passed.lines if line.startswith("hint: ")]
    return plain("; ".join([passed.summary, *hints]), 600)


def _broken(folder: Path, now: float) -> Iterator[BrokenSpec]:
    """The specs with an error file beside them, the newest first. One that was taken back leaves its file."""
    found = []
    for place in (folder, folder / "failed"):
        for name in _names(place):
            if name.endswith(ERROR) and (place / name.removesuffix(ERROR)).exists():
                with suppress(OSError, BatchrunError), open_regular(place / name) as stream:
                    age = max(now - os.fstat(stream.fileno()).st_mtime, 0.0)
                    text = stream.read(_FIRST).decode("utf-8", "replace")
                    spec = shown(place / name.removesuffix(ERROR))
                    found.append(BrokenSpec(spec, shown(place / name), age, _gist(text)))
    return iter(sorted(found, key=lambda broken: (broken.age, broken.spec)))


def _gist(text: str) -> str:
    """The first problem, and where it is."""
    first, *more = [*text.splitlines(), ""]
    where = more[0].strip().removeprefix("-->").strip() if more and more[0].strip().startswith("-->") else ""
    said = plain(first.removeprefix("error:").strip(), 300)
    return f"{plain(where, 100)}: {said}" if where else said
