"""Where a job goes: to the API as the operator has set it, or to a simulator for a rehearsal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.clockwork import REAL, Clockwork
from batchrun.config.bounds import bounded, hurries
from batchrun.config.find import environment_of
from batchrun.config.layers import from_environment, resolve
from batchrun.config.values import Config
from batchrun.cost.models import as_of
from batchrun.model import REHEARSAL, Job, Timing
from batchrun.run.preflight import SANDBOX_ORIGIN
from batchrun.rundir.store import runs_folder

if TYPE_CHECKING:
    from batchrun.providers.base import Provider
    from batchrun.spec.loader import Loaded

SANDBOX_SECONDS = 1.0
"""How long a sandbox batch takes, and how often it is asked: long enough to be seen."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job's batches go, within which bounds, and by whose clock. `environ` and `config` hold key and
    base URL; a spec never does (design §2). Without a `config`, the environment alone decides."""

    sandbox: bool = False
    environ: Mapping[str, str] | None = None
    clockwork: Clockwork = REAL
    config: Config | None = None
    watched: bool = False
    """Whether its spec was dropped into a watched folder."""

    @property
    def surroundings(self) -> Mapping[str, str]:
        return os.environ if self.environ is None else self.environ

    @property
    def settings(self) -> Config:
        """Raises BadConfig for what is wrong in the environment."""
        return self.config or resolve([from_environment(self.surroundings)])

    @property
    def origin(self) -> str:
        return SANDBOX_ORIGIN if self.sandbox else self.settings.base_url.rstrip("/")

    def roots(self, roots: Sequence[Path]) -> tuple[Path, ...]:
        """`roots` and those of the configuration."""
        return tuple(dict.fromkeys((*roots, *(self.config.roots if self.config else ()))))

    def load(self, spec: Path, roots: Sequence[Path] = (), *, name: str = "") -> Loaded:
        """The spec as the operator lets it be. Raises SpecError, MissingInput."""
        from batchrun.spec import load

        hooks = self.settings.spec_hooks(watched=self.watched)
        loaded = load(spec, name=name, roots=self.roots(roots), hooks=hooks, today=self.today())
        if self.sandbox:
            return loaded
        return replace(loaded, warnings=(*loaded.warnings, *hurries(loaded.job, self.settings)))

    def today(self) -> date:
        """The day by which models retire: a rehearsal's is that of the table of models, as its API's is."""
        return as_of() if self.sandbox else self.clockwork.today()

    def job(self, job: Job) -> Job:
        """`job` as it is run there, within the operator's bounds. A rehearsal hurries, and its invented answers
        get a file of their own (`out/a.jsonl` → `out/a.sandbox.jsonl`): they never stand where the real ones
        belong."""
        job = bounded(job, self.settings)
        if not self.sandbox:
            return job
        path = job.output.path
        own = replace(job.output, path=path.with_stem(path.stem + REHEARSAL))
        return replace(job, output=own, timing=_hurried(job))


@contextmanager
def connection(job: Job, target: Target) -> Iterator[Callable[[], Provider]]:
    """What connects to the API when it is first needed; connection and sandbox end with the block."""
    from batchrun.providers import connect

    with ExitStack() as open_:

        def start() -> Provider:
            if target.sandbox:
                environ = open_.enter_context(_sandbox(job))
            else:
                environ = environment_of(target.settings, target.surroundings)
            provider = connect("anthropic", environ, clockwork=target.clockwork)
            open_.callback(provider.close)
            return provider

        yield start


@contextmanager
def _sandbox(job: Job) -> Iterator[Mapping[str, str]]:
    """A running simulator, as the environment that leads to it."""
    from batchrun.simulator import Options, Simulator

    seconds = SANDBOX_SECONDS
    options = Options(process_seconds=seconds, cancel_seconds=seconds, retry_after=None)
    with Simulator(runs_folder(job.root, sandbox=True) / "@server", options=options) as server:
        yield {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": SANDBOX_ORIGIN}


def _hurried(job: Job) -> Timing:
    timing = job.timing
    return replace(
        timing,
        poll_interval=min(timing.poll_interval, SANDBOX_SECONDS / 2),
        reconcile_over=min(timing.reconcile_over, 2 * SANDBOX_SECONDS),
        reconcile_gap=min(timing.reconcile_gap, SANDBOX_SECONDS),
    )
