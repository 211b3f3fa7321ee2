"""Hooks: the one place that calls them, at the end of a pass over a job, under the job's lock.

Each happening is told once. Before a run can bring one about, a record stands beside the state; a run that dies
between the answer and the telling is thereby found, and the next one tells. A hook that fails is called again by
later runs, a few times. What a hook does never changes how the job stands, or the exit code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import orjson

from batchrun import hooks, jsonbytes
from batchrun.config.find import secret_of
from batchrun.config.layers import SECRETS, origin_of
from batchrun.config.values import Config
from batchrun.errors import BatchrunError, ConfigError, Interrupted, Locked, Problem
from batchrun.hooks import Message, event, record
from batchrun.hooks.event import Happening, Notice
from batchrun.hooks.record import Record
from batchrun.lifecycle.observer import harmless
from batchrun.model import Hook, Job, Moment
from batchrun.reports.job import StatusReport
from batchrun.reports.status import command_for, status_report
from batchrun.safetext import plain

if TYPE_CHECKING:
    from batchrun.lifecycle.observer import Observer
    from batchrun.lifecycle.policy import Policy
    from batchrun.lifecycle.state import RunState
    from batchrun.rundir.store import Store

_HIDDEN = (*SECRETS, "BATCHRUN_KEY_FILE", "BATCHRUN_HOOKS_SECRET_FILE", "CREDENTIALS_DIRECTORY")


class Told(Protocol):
    """The run that is told of."""

    job: Job
    store: Store
    policy: Policy
    state: RunState

    def now(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells of one job. `environ` is what the run itself sees."""

    engine: Told
    observer: Observer
    config: Config
    environ: Mapping[str, str]
    sandbox: bool

    @contextmanager
    def telling(self, expecting: tuple[type[BatchrunError], ...] = ()) -> Iterator[None]:
        """Around a pass: call the hooks for what comes of it. Errors of the `expecting` kinds are no news."""
        with harmless(Interrupted):
            self._begin()
        try:
            yield
        except BatchrunError as error:
            if not isinstance(error, (Interrupted, Locked, *expecting)):
                with harmless(Interrupted):
                    self._end(error)
            raise
        with harmless(Interrupted):
            self._end(None)

    def _begin(self) -> None:
        """Leave the record, should this run have anything to tell. What happened before is not told."""
        path = self._path
        if not any(self._hooks(moment) for moment in Moment) or path.exists():
            return
        now = self._happening(None) if self.engine.state.collected else None
        self._save(Record(now.id if now else ""))

    def _end(self, error: BatchrunError | None) -> None:
        """Tell of how the pass ended, unless that was told already."""
        last, happening = record.load(self._path), self._happening(error)
        if last is None:
            return
        if happening is None:
            # It goes on. What was told of before it may come again, and is news then.
            if error is None and last != Record():
                self._save(Record())
            return
        wanted = {_name(hook): hook for hook in self._hooks(happening.moment)}
        if last.happening != happening.id:
            last = Record(happening.id, dict.fromkeys(wanted, 0))
            self._save(last)
        self._call(last, wanted, happening, error)

    # ---- what there is to tell

    @property
    def _path(self) -> Path:
        return self.engine.store.hooks_file

    @property
    def _job(self) -> Job:
        return self.engine.job

    def _hooks(self, moment: Moment) -> tuple[Hook, ...]:
        return (*self.config.hooks(moment), *self._job.on.get(moment, ()))

    def _happening(self, error: BatchrunError | None) -> Happening | None:
        if error is not None:
            return event.of_error(error)
        return event.of_state(self.engine.state, self.engine.policy)

    def _notice(self, happening: Happening, error: BatchrunError | None) -> Notice:
        engine, job = self.engine, self._job
        command = command_for(str(job.spec), sandbox=self.sandbox, roots=job.roots)
        now = engine.now()
        report = status_report(
            engine.state,
            engine.policy,
            output=str(job.output.path),
            command=command,
            now=now,
            sandbox=self.sandbox,
        )
        return event.notice(happening, report, at=_text(now), spec=str(job.spec), error=error)

    # ---- calling

    def _call(
        self, last: Record, wanted: Mapping[str, Hook], happening: Happening, error: BatchrunError | None
    ) -> None:
        pending = {name: tries for name, tries in last.pending.items() if name in wanted}
        if not last.pending:
            return
        message = _message(self._notice(happening, error))
        for name, tries in list(pending.items()):
            pending[name] = tries + 1
            self._save(replace(last, pending=dict(pending)))  # first: should this one take us down with it
            fault = _reach(wanted[name], message, self.config, self.environ)
            given_up = bool(fault) and tries + 1 >= self.config.hooks_tries
            if not fault or given_up:
                del pending[name]
            self._log(wanted[name], happening, fault)
            if fault:
                again = "it is not called again" if given_up else "the next run calls it again"
                with harmless(Interrupted):
                    self.observer.warning(_warning(wanted[name], happening, f"{fault}; {again}"))
        self._save(replace(last, pending=pending))

    def _save(self, value: Record) -> None:
        record.save(self._path, value)

    def _log(self, hook: Hook, happening: Happening, fault: str) -> None:
        facts = {
            "moment": happening.moment.value,
            "hook": _shown(hook),
            **({"detail": fault} if fault else {}),
        }
        self.engine.store.log(_text(self.engine.now()), "HookFailed" if fault else "HookCalled", facts)


def tell_of_spec(
    spec: Path,
    job: str,
    error: BatchrunError,
    *,
    config: Config,
    environ: Mapping[str, str],
    sandbox: bool,
    now: float,
) -> list[Problem]:
    """Tell the operator's hooks, once, of a spec that is wrong, so that there is no job to tell of; the warnings
    that came of it. For who sees each spec once: a person who runs one is told anyway."""
    happening, warnings = event.of_error(error), list[Problem]()
    if happening is None:
        return []
    report = StatusReport(job, "not started", "", sandbox=sandbox)
    told = event.notice(happening, report, at=_text(now), spec=str(spec.absolute()), error=error)
    with harmless(Interrupted):
        for hook in config.hooks(happening.moment):
            if fault := _reach(hook, _message(told), config, environ):
                warnings.append(_warning(hook, happening, f"{fault}; it is not called again"))
    return warnings


def _reach(hook: Hook, message: Message, config: Config, environ: Mapping[str, str]) -> str:
    """Call the hook with what it may know of us; what went wrong, or ""."""
    shown = dict(environ)
    if not config.hooks_keep_key:
        for name in _HIDDEN:
            shown.pop(name, None)
    secret = ""
    if hook.post and hook.operators and config.hooks_secret_file is not None:
        try:
            secret = secret_of(config.hooks_secret_file, "hooks.secret_file", environ)
        except ConfigError as error:
            return f"{config.hooks_secret_file}: {error}"
    return hooks.call(hook, message, shown, timeout=config.hooks_timeout, secret=secret)


def _warning(hook: Hook, happening: Happening, fault: str) -> Problem:
    message = f"the hook {_shown(hook)}: {fault}"
    return Problem(message, hook.where, field=f"on.{happening.moment.value}")


def _message(notice: Notice) -> Message:
    return Message(
        jsonbytes.dumps(notice.values(), option=orjson.OPT_APPEND_NEWLINE),
        notice.variables(),
        {"x-batchrun-event": notice.event.value, "x-batchrun-delivery": notice.id},
    )


def _name(hook: Hook) -> str:
    """What a hook is known by between runs."""
    return hashlib.sha256("\0".join((hook.post, *hook.run)).encode("utf-8", "replace")).hexdigest()[:16]


def _shown(hook: Hook) -> str:
    return plain(hook.run[0] if hook.run else f"{origin_of(hook.post)}/…", 80)


def _text(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
