"""A job from the outside: open it under its lock, run it, say how it stands. For commands and for Python.

Nothing here prints or exits. A finished job is recognised by its files alone, without reading the spec.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchrun import lifecycle
from batchrun.errors import CannotCreate, ConfigError, ExitCode, NeedsPerson
from batchrun.events import Event
from batchrun.files import digest
from batchrun.lifecycle import Verdict
from batchrun.model import FileFact, Job, Timing
from batchrun.prepare import unchanged, untouched
from batchrun.report import StatusReport
from batchrun.state import Phase, RunState
from batchrun.status import command_for, status_report
from batchrun.store import Store, runs_folder

if TYPE_CHECKING:
    from batchrun.engine import Engine, Observer
    from batchrun.providers.base import Provider

SANDBOX_ORIGIN = "sandbox"
DEFAULT_ORIGIN = "https://api.anthropic.com"
SANDBOX_SECONDS = 1.0
"""How long a sandbox batch takes, and how often it is asked: long enough to be seen."""


Consent: TypeAlias = Callable[[RunState], bool]
Shield: TypeAlias = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job stands after a run. `output` is where the answer is, or will be."""

    job: str
    verdict: Verdict
    exit_code: ExitCode
    output: Path
    state: RunState
    policy: lifecycle.Policy
    changed: bool = True
    """False when there was nothing to do."""

    def report(self, spec: str, *, now: float, sandbox: bool = False) -> StatusReport:
        """The same as a report. `spec` is the path to show in commands, `now` seconds since the epoch."""
        return status_report(
            self.state,
            self.policy,
            output=str(self.output),
            command=command_for(spec, sandbox=sandbox),
            now=now,
            sandbox=sandbox,
        )


class Silent:
    """An observer that keeps quiet."""

    def event(self, event: Event, state: RunState) -> None:
        """Hear of an event."""

    def waiting(self, until: float, state: RunState) -> None:
        """Hear of a wait."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job's batches go. `environ` holds key and base URL; a spec never does (design §2)."""

    sandbox: bool = False
    environ: Mapping[str, str] | None = None

    @property
    def origin(self) -> str:
        if self.sandbox:
            return SANDBOX_ORIGIN
        environ = os.environ if self.environ is None else self.environ
        return (environ.get("ANTHROPIC_BASE_URL") or DEFAULT_ORIGIN).rstrip("/")


def run_job(
    spec: Path | str,
    *,
    sandbox: bool = False,
    wait: bool = True,
    consent: Consent | None = None,
    overwrite: bool = False,
    roots: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    observer: Observer | None = None,
    shield: Shield = nullcontext,
) -> Outcome:
    """Do what is left to do for the job of `spec`, and wait for it unless told not to.

    `consent` is asked before a first spend when the spec sets no budget; None refuses. `shield` guards the
    moments in which an interruption should wait. Raises SpecError, DataError, Locked, ApiError and the rest
    of batchrun.errors; rows that failed are data in the output, not an exception.
    """
    path, target = Path(spec), Target(sandbox, environ)
    if done := finished(path, sandbox=sandbox, roots=roots):
        return done
    with opened(path, target=target, roots=roots, observer=observer, shield=shield) as engine:
        guard_output(engine, overwrite=overwrite)
        engine.prepare()
        allow_first_spend(engine, consent)
        engine.run(wait=wait)
        return standing(engine.job, engine.state)


def look(spec: Path, *, sandbox: bool = False, roots: Sequence[Path] = ()) -> Outcome:
    """How the job of `spec` stands by its saved state. Takes no lock, asks nobody."""
    from batchrun.spec import load

    job, target = load(spec, roots=roots).job, Target(sandbox)
    state = Store(job.root, job.name, sandbox=sandbox).load()
    return standing(job, state or RunState(job.name, job.spec.name, "anthropic", target.origin))


def standing(job: Job, state: RunState) -> Outcome:
    policy = lifecycle.policy_of(job)
    return Outcome(
        job=job.name,
        verdict=lifecycle.verdict(state, policy),
        exit_code=lifecycle.exit_code(state, policy),
        output=job.output.path,
        state=state,
        policy=policy,
    )


def allow_first_spend(engine: Engine, consent: Consent | None = None) -> None:
    """Raise NeedsPerson when this is a first spend that neither a budget nor a person allows."""
    state = engine.state
    if _in_sandbox(engine) or engine.policy.max_cost_usd is not None or state.canceled:
        return
    if any(s.batch or s.intent for s in state.shards) or all(
        s.phase is not Phase.PLANNED for s in state.shards
    ):
        return
    if not (consent and consent(state)):
        raise NeedsPerson(
            "the spec sets no budget, and this would be the job's first spend; nothing was submitted",
            hint="set limits.max_cost_usd, or allow it with --yes; batchrun plan shows the cost",
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
    from batchrun.engine import Engine
    from batchrun.spec import load

    job = load(spec, roots=roots).job
    if target.sandbox:
        job = replace(job, timing=_hurried(job))
    store = Store(job.root, job.name, sandbox=target.sandbox)
    with store.locked(), connection(job, target) as connect:
        observer = observer or Silent()
        engine = Engine(job, store, connect, observer, origin=target.origin, shield=shield)
        _check_identity(engine, target)
        yield engine


def finished(spec: Path, *, sandbox: bool = False, roots: Sequence[Path] = ()) -> Outcome | None:
    """The outcome of a job that is done and whose files are as they were; None when there may be work.

    Reads the state and the files' times, nothing else: make and cron ask this thousands of times a day.
    """
    spec = spec.absolute()
    for folder in _folders_of(spec, sandbox=sandbox):
        store = Store(spec.parent, folder, sandbox=sandbox)
        state = store.load()
        if state is None or state.spec != spec.name or state.expansion is None or state.collected is None:
            continue
        settled = all(s.phase is Phase.FETCHED or lifecycle.settled(s, state) for s in state.shards)
        output = Path(spec.parent, state.collected.output.path)
        if settled and unchanged(state.collected.output, spec.parent):
            if not untouched(state.expansion, spec.parent, tuple(roots), spec):
                return None
            code = ExitCode.OK if state.collected.all_succeeded else ExitCode.ROWS_FAILED
            return Outcome(
                state.job, Verdict.DONE, code, output, state, lifecycle.Policy(Timing()), changed=False
            )
    return None


def _folders_of(spec: Path, *, sandbox: bool) -> list[str]:
    """The run directories that may be this spec's: the one of its stem, then those that name it."""
    runs = runs_folder(spec.parent, sandbox=sandbox)
    if (runs / spec.stem / "state.json").exists():
        return [spec.stem]
    try:
        return [p.name for p in runs.iterdir() if (p / "state.json").exists()]
    except OSError:
        return []


def guard_output(engine: Engine, *, overwrite: bool = False) -> None:
    """Refuse to replace a file that this job did not write. Raises CannotCreate; nothing was submitted."""
    path, state = engine.job.output.path, engine.state
    if overwrite or state.writing or not path.exists() or _is(path, state.written, engine.job.root):
        return
    other = Store(engine.job.root, engine.job.name, sandbox=not _in_sandbox(engine)).load()
    if other and _is(path, other.written, engine.job.root):
        if not _in_sandbox(engine):
            return  # a rehearsal's file gives way to the real answer
        raise CannotCreate(
            f"{path} holds real answers; a sandbox run would replace them",
            hint="move the file away, or name another output in the spec",
        )
    what = "was changed since batchrun wrote it" if state.written else "exists, and batchrun did not write it"
    raise CannotCreate(
        f"{path} {what}; nothing was submitted", hint="move it away, or replace it with --overwrite"
    )


def _is(path: Path, fact: FileFact | None, root: Path) -> bool:
    return fact is not None and (unchanged(fact, root) or digest(path) == fact.sha256)


def _in_sandbox(engine: Engine) -> bool:
    return engine.state.origin == SANDBOX_ORIGIN


def _check_identity(engine: Engine, target: Target) -> None:
    """One run directory belongs to one spec and one API."""
    state, job = engine.state, engine.job
    if state.origin != target.origin:
        if any(s.batch or s.intent for s in state.shards):
            raise ConfigError(
                f"the job's batches are at {state.origin}, but ANTHROPIC_BASE_URL leads to {target.origin}",
                hint="run it with the base URL it was started with, or copy the spec to a folder of its own",
            )
        engine.state = replace(state, origin=target.origin)
    if state.spec != job.spec.name:
        if (job.root / state.spec).exists():
            raise ConfigError(
                f"{job.spec.name} and {state.spec} both call their job '{job.name}'",
                hint="give one of them another name: key",
            )
        engine.state = replace(engine.state, spec=job.spec.name)


@contextmanager
def connection(job: Job, target: Target) -> Iterator[Callable[[], Provider]]:
    """What connects to the API when it is first needed; the sandbox's server ends with the block."""
    from batchrun.providers import connect

    if not target.sandbox:
        yield lambda: connect("anthropic", os.environ if target.environ is None else target.environ)
        return
    from batchrun.simulator import Options, Simulator

    server = Simulator(
        runs_folder(job.root, sandbox=True) / "@server",
        options=Options(process_seconds=SANDBOX_SECONDS, cancel_seconds=SANDBOX_SECONDS, retry_after=None),
    )
    started = False

    def start() -> Provider:
        nonlocal started
        if not started:
            server.start()
            started = True
        return connect("anthropic", {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": SANDBOX_ORIGIN})

    try:
        yield start
    finally:
        if started:
            server.stop()


def _hurried(job: Job) -> Timing:
    timing = job.timing
    return replace(
        timing,
        poll_interval=min(timing.poll_interval, SANDBOX_SECONDS / 2),
        reconcile_over=min(timing.reconcile_over, 2 * SANDBOX_SECONDS),
    )
