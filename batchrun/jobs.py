"""A job from the outside: open it under its lock, run it, say how it stands. For commands and for Python.

Nothing here prints or exits. A finished job is recognised by its files alone, without reading the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchrun import lifecycle, notices, verdicts
from batchrun.clockwork import REAL, Clockwork
from batchrun.config.values import Config
from batchrun.depfile import Depfile
from batchrun.depfile import write as write_depfile
from batchrun.errors import (
    ApiError,
    BatchrunError,
    CannotCreate,
    ConfigError,
    DataError,
    ExitCode,
    Locked,
    MissingInput,
    Problem,
)
from batchrun.events import Event
from batchrun.guards import Consent, allow_first_spend, check_identity, guard_output
from batchrun.hooks import record
from batchrun.model import Job, Timing
from batchrun.policy import Policy, policy_of
from batchrun.prepare import unchanged, untouched
from batchrun.report import StatusReport
from batchrun.state import Collected, Expansion, Phase, RunState
from batchrun.status import command_for, status_report
from batchrun.store import Store
from batchrun.target import Target, connection
from batchrun.units import format_duration
from batchrun.verdicts import Verdict

if TYPE_CHECKING:
    from batchrun.engine import Engine, Observer
    from batchrun.spec.loader import Loaded

Shield: TypeAlias = Callable[[], AbstractContextManager[None]]
Expanded: TypeAlias = Callable[[Job, Expansion, set[str]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job stands after a run. `output` is where the answer is, or will be."""

    job: str
    verdict: Verdict
    exit_code: ExitCode
    output: Path
    state: RunState
    policy: Policy
    changed: bool = True
    """False when the answer was there already."""

    def report(
        self, spec: str, *, now: float, sandbox: bool = False, roots: Sequence[Path] = ()
    ) -> StatusReport:
        """The same as a report. `spec` and `roots` are shown in commands as given; `now` is in seconds since
        the epoch."""
        report = status_report(
            self.state,
            self.policy,
            output=str(self.output),
            command=command_for(spec, sandbox=sandbox, roots=roots),
            now=now,
            sandbox=sandbox,
        )
        # The folder may have moved since the summary was made.
        return replace(report, summary=report.summary and replace(report.summary, output=report.output))


class Silent:
    """An observer that keeps quiet."""

    def event(self, event: Event, before: RunState, state: RunState) -> None:
        """Hear of an event."""

    def waiting(self, until: float, state: RunState) -> None:
        """Hear of a wait."""

    def warning(self, problem: Problem) -> None:
        """Hear of what may not be meant so in the spec."""


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
        return advance(
            target.load(path, roots),
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
    from batchrun.engine import harmless

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
    with at_work(loaded, target=target, observer=observer, shield=shield, expecting=expecting) as engine:
        before, media = engine.state.collected, set[str]()
        try:
            engine.overwrite = overwrite
            guard_output(engine)
            engine.prepare(media if expanded else None)
            if expanded and engine.state.expansion:
                expanded(engine.job, engine.state.expansion, media)
        except (CannotCreate, ConfigError, DataError, MissingInput):
            _rescue(engine)
            raise
        allow_first_spend(engine, consent)
        engine.run(wait=wait, patient=patient)
        return standing(engine.job, engine.state, before)


def _rescue(engine: Engine) -> None:
    """Fetch what is paid for and has ended, although the job cannot go on."""
    if lifecycle.under_way(engine.state):
        with suppress(ApiError, ConfigError):  # what keeps the job from going on is told, and enough
            engine.rescue()


def look(
    spec: Path, *, sandbox: bool = False, roots: Sequence[Path] = (), config: Config | None = None
) -> Outcome:
    """How the job of `spec` stands by its saved state. Takes no lock, asks nobody."""
    target = Target(sandbox, config=config)
    job = target.job(target.load(spec, roots).job)
    state = Store(job.root, job.name, sandbox=sandbox).load()
    return standing(job, state or RunState(job.name, job.spec.name, "anthropic", target.origin))


def standing(job: Job, state: RunState, before: Collected | None = None) -> Outcome:
    """How the job stands now; `before` is what had been collected when the run began."""
    policy = policy_of(job)
    return Outcome(
        job=job.name,
        verdict=verdicts.verdict(state, policy),
        exit_code=verdicts.exit_code(state, policy),
        output=job.output.path,
        state=state,
        policy=policy,
        changed=state.collected is None or state.collected != before,
    )


@contextmanager
def opened(
    spec: Path,
    *,
    target: Target,
    roots: Sequence[Path] = (),
    observer: Observer | None = None,
    shield: Shield = nullcontext,
) -> Iterator[Engine]:
    """The job's engine, under the job's lock. Raises SpecError before the lock is touched."""
    with at_work(target.load(spec, roots), target=target, observer=observer, shield=shield) as engine:
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
    from batchrun.engine import Engine, harmless
    from batchrun.telling import Teller

    job, observer = target.job(loaded.job), observer or Silent()
    store = Store(job.root, job.name, sandbox=target.sandbox)
    with store.locked(), connection(job, target) as connect:
        for problem in loaded.warnings:
            with harmless():
                observer.warning(problem)
        engine = Engine(
            job,
            store,
            connect,
            observer,
            origin=target.origin,
            clock=target.clockwork.now,
            sleep=target.clockwork.sleep,
            shield=shield,
        )
        check_identity(engine, target.origin, target.settings.origin("base_url") or "the default")
        teller = Teller(engine, observer, target.settings, target.surroundings, target.sandbox)
        with teller.telling(expecting):
            yield engine


def finished(spec: Path, *, sandbox: bool = False, roots: Sequence[Path] = ()) -> Outcome | None:
    """The outcome of a job that is done and whose files are as they were; None when there may be work.

    Reads the state and the files' times, nothing else: make and cron ask this thousands of times a day.
    """
    root = spec.absolute().parent.resolve()
    for state in _states_of(spec, root, sandbox=sandbox):
        if state.spec != spec.name or state.expansion is None or state.collected is None:
            continue
        if not all(s.phase is Phase.FETCHED or lifecycle.settled(s, state) for s in state.shards):
            continue
        store, policy = Store(root, state.job, sandbox=sandbox), Policy(Timing())
        if unchanged(state.collected.output, root) and not store.knows_more(state):
            if not untouched(state.expansion, root, tuple(roots), spec) or _untold(store, state, policy):
                return None
            code = ExitCode.OK if state.collected.all_succeeded else ExitCode.ROWS_FAILED
            output = Path(root, state.collected.output.path)
            return Outcome(state.job, Verdict.DONE, code, output, state, policy, changed=False)
    return None


def _untold(store: Store, state: RunState, policy: Policy) -> bool:
    """Whether hooks have still to hear of how the job ended, as when a run died before it told them."""
    last = record.load(store.hooks_file)
    if last is None:
        return False
    happening = notices.of_state(state, policy)
    return happening is None or last.happening != happening.id or bool(last.pending)


def _states_of(spec: Path, root: Path, *, sandbox: bool) -> Iterator[RunState]:
    """The states that may be this spec's: that of its stem, else those of the folder that name it.

    Raises ConfigError when one is damaged.
    """
    store = Store(root, spec.stem, sandbox=sandbox)
    if own := store.load():
        yield own
    else:
        for other in store.others():
            if other.spec == spec.name and (found := Store(root, other.job, sandbox=sandbox).load()):
                yield found
