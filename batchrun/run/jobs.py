"""A job from the outside: open it under its lock, run it, say how it stands. For commands and for Python.

Nothing here prints or exits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchrun.clockwork import REAL, Clockwork
from batchrun.config.values import Config
from batchrun.errors import (
    BatchrunError,
    CannotCreate,
    ConfigError,
    DataError,
    Interrupted,
    Locked,
    MissingInput,
    Problem,
    SpecError,
)
from batchrun.fastpath.uptodate import finished
from batchrun.fs.files import shown
from batchrun.lifecycle import phases
from batchrun.lifecycle.observer import Observer, Silent, harmless
from batchrun.lifecycle.state import Expansion, RunState
from batchrun.model import Job
from batchrun.reports.outcome import Outcome, standing
from batchrun.reports.status import command_for
from batchrun.run.depfile import Depfile
from batchrun.run.depfile import write as write_depfile
from batchrun.run.elsewhere import refuse_asked_elsewhere
from batchrun.run.outputplace import guard_output
from batchrun.run.preflight import Consent, allow_first_spend, check_identity
from batchrun.run.recall import begun_as, load_or_recall
from batchrun.run.retired import priced
from batchrun.run.sharing import keep_state_in_place
from batchrun.run.target import Target, connection
from batchrun.rundir.store import Store
from batchrun.spec.loader import Loaded
from batchrun.units import format_duration

if TYPE_CHECKING:
    from batchrun.run.engine import Engine

Shield: TypeAlias = Callable[[], AbstractContextManager[None]]
Expanded: TypeAlias = Callable[[Job, Expansion, set[str]], None]


def run_job(
    spec: Path | str,
    *,
    sandbox: bool = False,
    wait: bool = True,
    consent: Consent | None = None,
    overwrite: bool = False,
    roots: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    config: Config | None = None,
    observer: Observer | None = None,
    shield: Shield = nullcontext,
    clockwork: Clockwork = REAL,
    lock_wait: float = 0.0,
    depfile: Depfile | None = None,
) -> Outcome:
    """Do what is left to do for the job of `spec`, and wait for it unless told not to.

    `consent` is asked before a first spend when the spec sets no budget; None refuses. `shield` guards the
    moments in which an interruption should wait. `lock_wait` is for how many seconds to wait for another
    process that works on the job. `depfile` is told what the answer is made from, for make, before anything
    is submitted. Raises SpecError, DataError, Locked, ApiError and the rest of batchrun.errors; rows that
    failed are data in the output, not an exception.

    `config` is what `load_config` finds; without it, no batchrun.toml is read.
    """
    path, target = Path(spec), Target(sandbox, environ, clockwork, config)
    roots = target.roots(roots)

    def expanded(job: Job, expansion: Expansion, media: set[str]) -> None:
        if depfile:
            output = job.output.path
            write_depfile(depfile, spec=path, output=output, expansion=expansion, media=media, roots=roots)

    def attempt() -> Outcome:
        if done := finished(path, sandbox=sandbox, roots=roots):
            if depfile and (last := done.state.expansion):
                write_depfile(depfile, spec=path, output=done.output, expansion=last, roots=roots)
            return done
        try:
            loaded = target.load(path, roots)
        except (SpecError, MissingInput) as error:
            rescue_begun(path, error, target, roots=roots, observer=observer, shield=shield)
            raise
        return advance(
            loaded,
            target,
            wait=wait,
            consent=consent,
            overwrite=overwrite,
            observer=observer,
            shield=shield,
            expanded=expanded if depfile else None,
        )

    return _when_free(attempt, lock_wait, clockwork, observer or Silent())


def _when_free(
    attempt: Callable[[], Outcome], lock_wait: float, clockwork: Clockwork, observer: Observer
) -> Outcome:
    """`attempt`, repeated while another process has the job, until `lock_wait` seconds after it first had. A
    whole attempt each time: that process may have done it all by then, and the spec may have been edited."""
    deadline, pause = None, 0.0
    while True:
        try:
            return attempt()
        except Locked as locked:
            if deadline is None:
                deadline = clockwork.clock() + lock_wait
            if clockwork.clock() >= deadline:
                raise
            if not pause:
                with harmless():
                    hint = f"waiting for up to {format_duration(lock_wait)}"
                    observer.warning(Problem(str(locked), hint=hint))
        pause = min(pause * 1.5 + 0.1, 2.0)
        clockwork.sleep(pause)


def advance(
    loaded: Loaded,
    target: Target,
    *,
    wait: bool,
    patient: bool = False,
    consent: Consent | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
    shield: Shield = nullcontext,
    expanded: Expanded | None = None,
    expecting: tuple[type[BatchrunError], ...] = (),
) -> Outcome:
    """`run_job` for a spec that is read. A `patient` run asks of each batch only when it is due. `expanded`
    hears what the rows came to, and which files they name, before anything is sent. Errors of the kinds it is
    `expecting` are raised, but no hook is told of them."""
    _refuse_begun_by_nobody(target.job(loaded.job), loaded.retired, sandbox=target.sandbox)
    from batchrun.run.rescue import rescued

    with at_work(loaded, target=target, observer=observer, shield=shield, expecting=expecting) as engine:
        before, media = engine.state.collected, set[str]()
        try:
            engine.overwrite = overwrite
            guard_output(engine.job, engine.state, engine.store, overwrite=engine.overwrite)
            engine.prepare(media if expanded else None)
            before = engine.state.collected or before  # what was only touched is no news
            if expanded and engine.state.expansion:
                expanded(engine.job, engine.state.expansion, media)
            refuse_asked_elsewhere(engine)
        except (CannotCreate, ConfigError, DataError, MissingInput, SpecError) as error:
            error.note = rescued(engine)
            raise
        _warn(observer, loaded.retired)
        keep_state_in_place(engine, target)
        allow_first_spend(engine, consent)
        engine.run(wait=wait, patient=patient)
        # What was lost on its way, and would be sent again, asks a model that retired meanwhile.
        engine.refuse_retired(phases.unsendable(engine.state, engine.policy))
        return standing(engine.job, engine.state, before)


def _refuse_begun_by_nobody(job: Job, retired: tuple[Problem, ...], *, sandbox: bool) -> None:
    """A model that is not there any more is the spec's mistake, where nothing was ever sent to it. Raises SpecError."""
    if retired and not Store(job.root, job.name, sandbox=sandbox).state_file.exists():
        raise SpecError(retired)


def rescue_begun(
    spec: Path,
    error: BatchrunError,
    target: Target,
    *,
    roots: Sequence[Path] = (),
    observer: Observer | None = None,
    shield: Shield = nullcontext,
) -> None:
    """Fetch and write what was paid for of the job that began as `spec`, which cannot be read for `error`; that tells
    then what came of it. Raises Interrupted."""
    from batchrun.run.rescue import rescued

    try:
        job = begun_as(spec, sandbox=target.sandbox, roots=target.roots(roots))
        if job is None:
            return
        with at_work(Loaded(job), target=target, observer=observer, shield=shield) as engine:
            error.note = rescued(engine)
            raise error
    except Interrupted:
        raise
    except BatchrunError as other:
        if other is not error:
            error.note = f"what was paid for was not looked after: {other}"


def look(
    spec: Path,
    *,
    sandbox: bool = False,
    roots: Sequence[Path] = (),
    config: Config | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """How the job of `spec` stands by its saved state. Takes no lock, asks nobody. Of a job that has begun, what is
    wrong with its spec is only told to `observer`."""
    target = Target(sandbox, config=config)
    loaded = load_or_recall(target, spec, roots)
    _warn(observer, loaded.warnings if loaded.recalled else ())
    job = target.job(loaded.job)
    state = Store(job.root, job.name, sandbox=sandbox).load()
    return standing(job, state or RunState(job.name, job.spec.name, "anthropic", target.origin))


@contextmanager
def opened(
    spec: Path,
    *,
    target: Target,
    roots: Sequence[Path] = (),
    observer: Observer | None = None,
    shield: Shield = nullcontext,
    recall: bool = False,
) -> Iterator[Engine]:
    """The job's engine, under the job's lock. `recall`: also of a job whose spec cannot be read any more, for what
    sends nothing. Raises SpecError before the lock is touched."""
    loaded = load_or_recall(target, spec, roots) if recall else target.load(spec, roots)
    with at_work(loaded, target=target, observer=observer, shield=shield) as engine:
        yield engine


@contextmanager
def at_work(
    loaded: Loaded,
    *,
    target: Target,
    observer: Observer | None = None,
    shield: Shield = nullcontext,
    expecting: tuple[type[BatchrunError], ...] = (),
) -> Iterator[Engine]:
    """The same for a spec that is read. Hooks are called for what comes of it, but for errors that the caller
    is `expecting`."""
    from batchrun.hooks.notify import Teller
    from batchrun.run.engine import Engine

    job, observer = target.job(loaded.job), observer or Silent()
    store = Store(job.root, job.name, sandbox=target.sandbox)
    with _held(job, store, target), connection(job, target) as connect:
        engine = Engine(
            job,
            store,
            connect,
            observer,
            origin=target.origin,
            clock=target.clockwork.now,
            sleep=target.clockwork.sleep,
            shield=shield,
            today=target.today(),
            retired=loaded.retired,
        )
        _warn(observer, [priced(problem, engine.state) for problem in loaded.warnings])
        because = target.settings.origin("base_url") or "the default"
        check_identity(engine, target.origin, because, watched=target.watched)
        teller = Teller(engine, observer, target.settings, target.surroundings, target.sandbox)
        with teller.telling(expecting):
            yield engine


def _warn(observer: Observer | None, problems: Sequence[Problem]) -> None:
    for problem in problems:
        with harmless():
            (observer or Silent()).warning(problem)


@contextmanager
def _held(job: Job, store: Store, target: Target) -> Iterator[None]:
    """The job's lock; who does not get it is told how to see what goes on."""
    with ExitStack() as stack:
        try:
            stack.enter_context(store.locked())
        except Locked as error:
            command = command_for(shown(job.spec), sandbox=target.sandbox, roots=job.roots)
            error.hint += f", or see how it stands: {command.format('status')}"
            raise
        yield
