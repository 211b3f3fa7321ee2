"""One pass over one job, in a process of its own: whatever a spec does there, the others go on.

The process is forked from one that has everything imported (`workers`); it tells what happens over a pipe.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from batchrun import jsonbytes
from batchrun.codec import encode
from batchrun.errors import (
    BatchrunError,
    DataError,
    ExitCode,
    Interrupted,
    MissingInput,
    NameTaken,
)
from batchrun.fs.confine import without_links
from batchrun.fs.files import clock_of, signature
from batchrun.hooks import record
from batchrun.hooks.notify import tell_of_spec
from batchrun.inputs.rows import resolve
from batchrun.interrupts import Interrupts
from batchrun.lifecycle import phases
from batchrun.lifecycle.policy import policy_of
from batchrun.lifecycle.state import RunState
from batchrun.lifecycle.transitions import next_due, sending_nothing
from batchrun.model import Job
from batchrun.reports.outcome import Outcome
from batchrun.run.jobs import Shield, advance
from batchrun.run.orphans import gone, look_after
from batchrun.run.recall import begun_as
from batchrun.run.target import Target
from batchrun.rundir.store import Store
from batchrun.spec.loader import Loaded
from batchrun.specnames import job_name
from batchrun.units import format_size
from batchrun.watch import ends, memory
from batchrun.watch.eye import Eye, Tell
from batchrun.watch.orders import Order, Passed, Seen, Standing

HOOKS_PAUSE = 60.0
"""Seconds before a hook that failed is called again."""


def main(order: Order, pipe: Connection) -> None:
    """The life of a worker: one order, and what came of it."""
    os.setpgid(0, 0)  # a Ctrl-C at the terminal is for the watcher, which tells us in its own way

    def tell(line: str, job: str) -> None:
        pipe.send_bytes(jsonbytes.dumps({"line": line, "job": job}))

    with suppress(BrokenPipeError):  # nobody listens any more; the state has it all
        pipe.send_bytes(jsonbytes.dumps({"passed": encode(do(order, tell))}))


def do(order: Order, tell: Tell) -> Passed:
    """Advance the order's job as far as that needs no waiting, and say how it stands. Raises nothing."""
    eye = Eye(tell, order.job)
    try:
        with Interrupts() as interrupts:
            passed = _bounded(order, eye, interrupts.shielded)
    except Interrupted as error:
        passed = Passed(Standing.STOPPED, 128 + error.signal, order.job)
    except Exception as error:
        passed = ends.bug(order, error)
    return replace(passed, troubled=passed.troubled or eye.troubled)


def _bounded(order: Order, eye: Eye, shield: Shield) -> Passed:
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


def _advance(order: Order, eye: Eye, shield: Shield) -> Passed:
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

    def __init__(self, order: Order, loaded: Loaded, target: Target, eye: Eye, shield: Shield) -> None:
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
            return ends.unsettled(order, job.name, moving)
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
                    else ends.failed(order, error)
                )
            if error.other and _same(job.spec, error.other):
                return ends.duplicate(job, error.other)
            if error.other and job.name == order.job != (own := job_name(order.spec.name)):
                # It says nothing of a name, and the spec that it once was the same as was edited since.
                state = self._state()
                if state is None or not phases.began(state):
                    return _advance(replace(order, job=own), self._eye, self._shield)
                error = ends.once_another(job, error.other, own)
            return ends.failed(order, error, job.name)
        except DataError as error:
            if late := self._data()[1]:  # it was written while we read it
                return ends.unsettled(order, job.name, late)
            return self._kept(ends.failed(order, error, job.name))
        except BatchrunError as error:
            return self._kept(ends.failed(order, error, job.name))
        return self._until_told(ends.stands(outcome, order))

    def _until_told(self, passed: Passed) -> Passed:
        """A spec that is done stays until its hooks were reached, or were tried often enough: once it is put away,
        no pass comes to it any more."""
        last = record.load(self._store.hooks_file)
        if passed.standing is not Standing.DONE or last is None or not last.pending:
            return passed
        return replace(
            passed, standing=Standing.RUNNING, code=ExitCode.NOT_FINISHED, due=time.time() + HOOKS_PAUSE
        )

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
        with suppress(BatchrunError):
            return self._store.load()
        return None

    @property
    def _store(self) -> Store:
        job = self._loaded.job
        return Store(job.root, job.name, sandbox=self._order.sandbox)

    def _under_way(self) -> bool:
        state = self._state()
        return state is not None and phases.under_way(state)

    def _kept(self, passed: Passed) -> Passed:
        """A spec whose batches are under way stays where it is until their answers are fetched."""
        state = self._state()
        if state is None or passed.standing not in (Standing.BROKEN, Standing.WAITING, Standing.TROUBLE):
            return passed
        standing: Standing = passed.standing
        policy = policy_of(self._loaded.job)
        if phases.under_way(state):
            policy = sending_nothing(policy)
            standing = Standing.RUNNING if standing is Standing.BROKEN else standing
        return replace(passed, standing=standing, due=next_due(state, policy, time.time()))

    def _data(self) -> tuple[tuple[Seen, ...], tuple[Seen, ...]]:
        """The job's data, and of that, what may still be being written: it changed just now, by the clock of
        the file system, and nobody saw it hold still."""
        job, order = self._loaded.job, self._order
        found, moving, now = [], [], clock_of(job.root)
        with suppress(BatchrunError):
            for path in resolve(job.input, root=job.root, roots=job.roots):
                with suppress(OSError):
                    about = path.stat()
                    found.append(seen := Seen(str(path), about.st_size, about.st_mtime_ns))
                    if now - about.st_ctime < order.settle and seen not in order.still:
                        moving.append(seen)
        return tuple(found), tuple(moving)


# ---- specs that are of no use ------------------------------------------------------------------


def _unreadable(order: Order, error: BatchrunError, target: Target, eye: Eye, shield: Shield) -> Passed:
    """For a spec that is wrong. It stays where it is until all that was paid for before is fetched."""
    passed = ends.failed(order, error)
    waits = passed.standing is Standing.WAITING
    if (waits or passed.standing is Standing.BROKEN) and (job := _orphan(order, target)):
        passed = _rescued(order, error, job, target, eye, shield)
        waits = waits and passed.standing is Standing.BROKEN  # nothing else is left to do
    elif not waits and passed.lines != order.known:
        for warning in tell_of_spec(
            order.spec,
            order.job,
            error,
            config=target.settings,
            environ=target.surroundings,
            sandbox=target.sandbox,
            now=time.time(),
        ):
            eye.warning(warning)
    if waits:  # for texts: looked for now and then, as nothing tells when they come
        passed = replace(passed, standing=Standing.WAITING, due=time.time())
    return replace(passed, state=_mark_of_state(passed.job, order))


def _without_spec(order: Order, target: Target, eye: Eye, shield: Shield) -> Passed:
    """For a spec that is not there any more. Its job is only looked after until all answers are fetched."""
    job = _orphan(order, target) if order.gone else None
    if job is None:
        return Passed(Standing.GONE, ExitCode.NO_INPUT, order.job)
    try:
        error: BatchrunError = gone(job, sandbox=order.sandbox)
    except BatchrunError as other:
        error = other
    passed = _rescued(order, error, job, target, eye, shield)
    if passed.standing is Standing.BROKEN:
        written = f"{passed.output} is written" if passed.output else "all answers are fetched"
        back = "" if passed.output else f"; put {job.spec.name} back to have them written"
        eye.say(f"{written}{back}")
        return replace(passed, standing=Standing.GONE)
    if passed.standing is Standing.RUNNING:
        known = order.known or passed.lines  # said once: the next batch that ends is no news
        passed = replace(passed, code=ExitCode.NOT_FINISHED, lines=known)
    return replace(passed, state=_mark_of_state(job.name, order))


def _rescued(
    order: Order, error: BatchrunError, job: Job, target: Target, eye: Eye, shield: Shield
) -> Passed:
    """How a job stands that cannot go on for `error`, what has ended being fetched: BROKEN when nothing is left."""
    eye.job = job.name
    try:
        due, collected = look_after(job, error, target, observer=eye, shield=shield, now=time.time())
    except Interrupted:
        raise
    except BatchrunError as other:
        passed = ends.failed(order, other, job.name)
        return replace(passed, standing=Standing.TROUBLE) if passed.standing is Standing.BROKEN else passed
    stays = Standing.BROKEN if due is None else Standing.RUNNING
    output = collected.output.path if collected else ""
    return replace(ends.failed(order, error, job.name), standing=stays, due=due, output=output)


def _orphan(order: Order, target: Target) -> Job | None:
    """The job that began as the spec, where its answer is still to come."""
    return begun_as(order.spec, sandbox=order.sandbox, roots=target.roots(order.roots), unfinished=True)


def _mark_of_state(job: str, order: Order) -> tuple[int, ...]:
    with suppress(OSError):
        root = without_links(order.spec.absolute().parent)
        return signature(Store(root, job, sandbox=order.sandbox).state_file.stat())
    return ()


def _same(one: Path, other: str) -> bool:
    with suppress(OSError):
        return one.read_bytes() == (one.parent / other).read_bytes()
    return False
