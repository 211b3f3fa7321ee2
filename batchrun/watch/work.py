"""One pass over one job, in a process of its own: whatever a spec does there, the others go on.

The process is forked from one that has everything imported (`workers`); it tells what happens over a pipe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import orjson

from batchrun import events, phases
from batchrun.codec import encode
from batchrun.errors import (
    ApiError,
    BadRequest,
    BatchrunError,
    BillingStopped,
    CannotCreate,
    ConfigError,
    DataError,
    ExitCode,
    Interrupted,
    Locked,
    MissingInput,
    NameTaken,
    NeedsPerson,
    NotFinished,
    Problem,
    SpecError,
    UsageError,
)
from batchrun.events import Event
from batchrun.files import signature
from batchrun.inputs.rows import resolve
from batchrun.interrupts import Interrupts
from batchrun.jobs import Shield, advance
from batchrun.lifecycle import next_due
from batchrun.model import Job
from batchrun.orphans import gone, orphan, rescue
from batchrun.outcome import Outcome
from batchrun.policy import policy_of
from batchrun.providers.base import ProviderError
from batchrun.render.problems import error_lines, problem_lines
from batchrun.render.progress import line_of, only_counts
from batchrun.report import INVENTED
from batchrun.safetext import plain
from batchrun.spec.loader import Loaded
from batchrun.specnames import job_name
from batchrun.state import RunState
from batchrun.store import Store
from batchrun.target import Target
from batchrun.telling import tell_of_spec
from batchrun.units import format_size, format_usd
from batchrun.verdicts import Verdict
from batchrun.watch import memory
from batchrun.watch.orders import Order, Passed, Seen, Standing

MOST_LINES = 200
Tell = Callable[[str, str], None]
"""What hears a line, and of which job."""


def main(order: Order, pipe: Connection) -> None:
    """The life of a worker: one order, and what came of it."""
    os.setpgid(0, 0)  # a Ctrl-C at the terminal is for the watcher, which tells us in its own way

    def tell(line: str, job: str) -> None:
        pipe.send_bytes(orjson.dumps({"line": line, "job": job}))

    with suppress(BrokenPipeError):  # nobody listens any more; the state has it all
        pipe.send_bytes(orjson.dumps({"passed": encode(do(order, tell))}))


def do(order: Order, tell: Tell) -> Passed:
    """Advance the order's job as far as that needs no waiting, and say how it stands. Raises nothing."""
    eye = _Eye(tell, order.job)
    try:
        with Interrupts() as interrupts:
            passed = _bounded(order, eye, interrupts.shielded)
    except Interrupted as error:
        passed = Passed(Standing.STOPPED, 128 + error.signal, order.job)
    except Exception as error:
        passed = _bug(order, error)
    return replace(passed, troubled=passed.troubled or eye.troubled)


def _bounded(order: Order, eye: _Eye, shield: Shield) -> Passed:
    """Within the memory that a job may have. What it did submit is fetched without that bound."""
    with suppress(MemoryError), memory.bound(order.memory):
        return _advance(order, eye, shield)
    limit = format_size(order.memory) if order.memory else "what there is"
    error = DataError(
        f"it needs more memory than a job may have ({limit})",
        hint="make the rows, the templates or the spec smaller, or raise --memory",
    )
    target = Target(order.sandbox, config=order.config, watched=order.watched)
    return _unreadable(order, error, target, eye, shield)


def _advance(order: Order, eye: _Eye, shield: Shield) -> Passed:
    try:
        target = Target(order.sandbox, config=order.config, watched=order.watched)
        loaded = target.load(order.spec, order.roots, name=order.job)
    except MissingInput:
        return _without_spec(order, target, eye, shield)
    except Interrupted:
        raise
    except BatchrunError as error:
        return _unreadable(order, error, target, eye, shield)
    return _Job(order, loaded, target, eye, shield).passed()


class _Job:
    """A job whose spec is right."""

    def __init__(self, order: Order, loaded: Loaded, target: Target, eye: _Eye, shield: Shield) -> None:
        self._order, self._eye, self._shield = order, eye, shield
        self._target = target
        self._loaded = loaded
        eye.job = loaded.job.name

    def passed(self) -> Passed:
        job = self._loaded.job
        data, moving = self._data()
        files = tuple(Seen(fact.path, fact.size, fact.mtime_ns) for fact in job.files)
        passed = self._pass(moving)
        state = _mark_of_state(job.name, self._order)
        return replace(passed, state=state, files=files, data=data, inputs=job.input.paths)

    def _pass(self, moving: tuple[Seen, ...]) -> Passed:
        order, job = self._order, self._loaded.job
        if moving and not self._under_way():
            return _unsettled(order, job.name, moving)
        try:
            outcome = self._run()
        except Interrupted:
            raise
        except NameTaken as error:
            if error.job and error.job != job.name:
                # The file says nothing of a name, and was another job before: it goes on as that.
                renamed = replace(order, job=error.job)
                return (
                    _advance(renamed, self._eye, self._shield)
                    if renamed.job != order.job
                    else _failed(order, error)
                )
            if error.other and _same(job.spec, error.other):
                return _duplicate(job, error.other)
            if error.other and job.name == order.job != (own := job_name(order.spec.name)):
                # It says nothing of a name, and the spec that it once was the same as was edited since.
                state = self._state()
                if state is None or not phases.began(state):
                    return _advance(replace(order, job=own), self._eye, self._shield)
                error = _once_another(job, error.other, own)
            return _failed(order, error, job.name)
        except DataError as error:
            if late := self._data()[1]:  # it was written while we read it
                return _unsettled(order, job.name, late)
            return self._kept(_failed(order, error, job.name))
        except BatchrunError as error:
            return self._kept(_failed(order, error, job.name))
        return _stands(outcome, order)

    def _run(self) -> Outcome:
        yes = self._order.yes
        return advance(
            self._loaded,
            self._target,
            wait=False,
            patient=True,
            consent=lambda _: yes,
            observer=self._eye,
            shield=self._shield,
            # Data that is not there may still arrive.
            expecting=(MissingInput,) if self._order.patience else (),
        )

    def _state(self) -> RunState | None:
        job = self._loaded.job
        with suppress(BatchrunError):
            return Store(job.root, job.name, sandbox=self._order.sandbox).load()
        return None

    def _under_way(self) -> bool:
        state = self._state()
        return state is not None and phases.under_way(state)

    def _kept(self, passed: Passed) -> Passed:
        """A spec whose batches are under way stays where it is until their answers are fetched."""
        state = self._state()
        if state is None or passed.standing not in (Standing.BROKEN, Standing.WAITING, Standing.TROUBLE):
            return passed
        due = next_due(state, policy_of(self._loaded.job), time.time())
        if phases.under_way(state):  # as if it were canceled: nothing more is sent meanwhile
            due = next_due(replace(state, canceled=True), policy_of(self._loaded.job), time.time())
        if passed.standing is not Standing.BROKEN or not phases.under_way(state):
            return replace(passed, due=due)
        return replace(passed, standing=Standing.RUNNING, due=due)

    def _data(self) -> tuple[tuple[Seen, ...], tuple[Seen, ...]]:
        """The job's data, and of that, what may still be being written: it changed just now, by the clock of
        the file system, and nobody saw it hold still."""
        job, order = self._loaded.job, self._order
        found, moving, now = [], [], time.time()
        with suppress(BatchrunError):
            for path in resolve(job.input, root=job.root, roots=job.roots):
                with suppress(OSError):
                    about = path.stat()
                    found.append(seen := Seen(str(path), about.st_size, about.st_mtime_ns))
                    if now - about.st_ctime < order.settle and seen not in order.still:
                        moving.append(seen)
        return tuple(found), tuple(moving)


# ---- what came of it ---------------------------------------------------------------------------


def _stands(outcome: Outcome, order: Order) -> Passed:
    """How the job stands after a pass that nothing stopped."""
    now = time.time()
    report = outcome.report(str(order.spec), now=now, sandbox=order.sandbox, roots=order.roots)
    needs = [
        line for need in report.needs for line in (plain(need.what, 1000), *(f"  {c}" for c in need.commands))
    ]
    return Passed(
        _STANDINGS[outcome.verdict],
        outcome.exit_code,
        outcome.job,
        lines=tuple(needs),
        summary=_summary(outcome, order),
        due=next_due(outcome.state, outcome.policy, now),
        output=str(outcome.output),
        changed=outcome.changed,
    )


_STANDINGS = {
    Verdict.DONE: Standing.DONE,
    Verdict.RUNNING: Standing.RUNNING,
    Verdict.NEW: Standing.RUNNING,
    Verdict.HELD: Standing.NEEDS_PERSON,
    Verdict.OVER_BUDGET: Standing.NEEDS_PERSON,
    Verdict.REJECTED: Standing.BROKEN,
}


def _summary(outcome: Outcome, order: Order) -> str:
    collected = outcome.state.collected
    if outcome.verdict is not Verdict.DONE or collected is None:
        requests = sum(s.requests for s in outcome.state.shards if s in phases.live(outcome.state.shards))
        return f"{outcome.verdict.replace('_', ' ')}, {requests:,} requests"
    summary = collected.summary
    words = f"{summary.succeeded:,} of {summary.records:,} rows succeeded, {format_usd(summary.cost_usd)}"
    invented = f" {INVENTED}" if order.sandbox else ""
    if not outcome.changed:
        return f"nothing to do; {words}{invented}; {collected.output.path} is up to date"
    return f"done: {words}{invented}: {collected.output.path}"


def _failed(order: Order, error: BatchrunError, job: str = "") -> Passed:
    lines = error_lines(error)
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES:,} lines more"]
    standing = _standing_of(error, order)
    waits = standing in (Standing.WAITING, Standing.LOCKED)
    return Passed(
        standing,
        ExitCode.NOT_FINISHED if waits else error.exit_code,
        job or order.job,
        lines=tuple(lines),
        summary=plain(str(error)),
        troubled=isinstance(error, ApiError | ProviderError) and not isinstance(error, BadRequest),
    )


def _standing_of(error: BatchrunError, order: Order) -> Standing:
    match error:
        case MissingInput():
            return Standing.WAITING if order.patience else Standing.BROKEN
        case NeedsPerson() | BillingStopped():
            return Standing.NEEDS_PERSON
        case Locked():
            return Standing.LOCKED
        case NotFinished():
            return Standing.RUNNING
        case ApiError() if not isinstance(error, BadRequest):
            return Standing.TROUBLE
        case SpecError() | DataError() | CannotCreate() | UsageError() | NameTaken() | BadRequest():
            return Standing.BROKEN
        case ConfigError():
            return Standing.TROUBLE
    return Standing.TROUBLE


def _unreadable(order: Order, error: BatchrunError, target: Target, eye: _Eye, shield: Shield) -> Passed:
    """For a spec that is wrong. It stays where it is until all that was paid for before is fetched."""
    passed = _failed(order, error)
    if passed.standing is Standing.BROKEN and (job := orphan(order.spec, sandbox=order.sandbox)):
        passed = _rescued(order, error, job, target, eye, shield)
    elif passed.lines != order.known:
        for warning in tell_of_spec(order.spec, order.job, error, target, now=time.time()):
            eye.warning(warning)
    return replace(passed, state=_mark_of_state(passed.job, order))


def _without_spec(order: Order, target: Target, eye: _Eye, shield: Shield) -> Passed:
    """For a spec that is not there any more. Its job is only looked after until all answers are fetched."""
    job = orphan(order.spec, sandbox=order.sandbox) if order.gone else None
    if job is None:
        return Passed(Standing.GONE, ExitCode.NO_INPUT, order.job)
    try:
        error: BatchrunError = gone(job, sandbox=order.sandbox)
    except BatchrunError as other:
        error = other
    passed = _rescued(order, error, job, target, eye, shield)
    if passed.standing is Standing.BROKEN:
        eye.say(f"all answers are fetched; put {job.spec.name} back to have them written")
        return replace(passed, standing=Standing.GONE)
    if passed.standing is Standing.RUNNING:
        known = order.known or passed.lines  # said once: the next batch that ends is no news
        passed = replace(passed, code=ExitCode.NOT_FINISHED, lines=known)
    return replace(passed, state=_mark_of_state(job.name, order))


def _rescued(
    order: Order, error: BatchrunError, job: Job, target: Target, eye: _Eye, shield: Shield
) -> Passed:
    """How a job stands that cannot go on for `error`, what has ended being fetched: BROKEN when nothing is left."""
    eye.job = job.name
    try:
        due = rescue(job, error, target, observer=eye, shield=shield, now=time.time())
    except Interrupted:
        raise
    except BatchrunError as other:
        passed = _failed(order, other, job.name)
        return replace(passed, standing=Standing.TROUBLE) if passed.standing is Standing.BROKEN else passed
    stays = Standing.BROKEN if due is None else Standing.RUNNING
    return replace(_failed(order, error, job.name), standing=stays, due=due)


def _mark_of_state(job: str, order: Order) -> tuple[int, ...]:
    with suppress(OSError):
        root = order.spec.absolute().parent.resolve()
        return signature(Store(root, job, sandbox=order.sandbox).state_file.stat())
    return ()


def _unsettled(order: Order, job: str, moving: tuple[Seen, ...]) -> Passed:
    name = plain(Path(moving[0].path).name)
    words = f"{name} is still being written; waiting until it holds still"
    return Passed(
        Standing.UNSETTLED, ExitCode.NOT_FINISHED, job, summary=words, due=time.time() + order.settle
    )


def _once_another(job: Job, other: str, own: str) -> NameTaken:
    """For content that was asked as the job of a spec that says something else by now: to ask it again is to pay
    for it again, which only a person decides."""
    return NameTaken(
        f"{job.spec.name} says what {other} said before it was edited, and that was submitted as the job '{job.name}';"
        " nothing was submitted now",
        hint=f"to run it again, and pay again, add `name: {own}`",
        other=other,
    )


def _duplicate(job: Job, other: str) -> Passed:
    words = f"{plain(job.spec.name)} says the same as {plain(other)}, which is not through yet"
    return Passed(Standing.DUPLICATE, ExitCode.NOT_FINISHED, job.name, summary=words)


def _bug(order: Order, error: Exception) -> Passed:
    from batchrun.crash import write_crash

    told = f"{path} tells more; " if (path := write_crash(error)) else ""
    problem = Problem(f"a bug in batchrun: {type(error).__name__}", hint=f"{told}running it again is safe")
    lines = tuple(problem_lines(problem))
    return Passed(Standing.CRASHED, ExitCode.BUG, order.job, lines=lines, summary=problem.message)


def _same(one: Path, other: str) -> bool:
    with suppress(OSError):
        return one.read_bytes() == (one.parent / other).read_bytes()
    return False


class _Eye:
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
