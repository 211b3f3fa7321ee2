"""A rig for crash trials: brings a scenario about once, copies it for each trial, and runs it there.

with Rig(folder) as rig:
    staged = rig.stage(scenario)
    with rig.trial(staged) as trial:
        trial.check(rig.run(trial, *scenario.struck, at=moment))
        trial.carry_on(lambda: rig.run(trial, *RUN), json=True)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from batchrun.lifecycle import state
from batchrun.simulator import Options, Simulator
from batchrun.simulator.scenario import Scenario as Script
from tests.trials.canary import CANARY
from tests.trials.forks import Forks, Line, Moment, Strike
from tests.trials.invariants import DONE, Trial
from tests.trials.scenarios import RUN, TICK, Scenario
from tests.workbench import HURRIED, SPEC, Ran, merged

OUTSIDE = (
    *("requests", "urllib3", "jsonschema", "yaml", "orjson", "minijinja", "click", "rich", "pydantic_core"),
    *("genai_prices.data", "genai_prices.data_snapshot", "genai_prices.types"),
)
"""What a process that is to run our import lines has imported already."""

SHM = Path("/dev/shm")

# Timing that hides nothing and wastes nothing: listings lie a TICK or more apart on the server's clock.
BRISK = {"poll": {"interval": "1ms"}, "reconcile": {"listings": 2, "over": "50ms"}}


class Clock:
    """Moves by a TICK whenever somebody looks."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += TICK
        return self.now


@dataclass(frozen=True)
class Staged:
    """A scenario that has come about: a folder to be copied, and the time there."""

    scenario: Scenario
    folder: Path
    now: float


class Attempt(Trial):
    """One trial's own copy of a scenario, with a simulator of its own."""

    def __init__(self, folder: Path, simulator: Simulator, clock: Clock) -> None:
        super().__init__(folder / "job", folder / "api")
        self.clock, self.simulator = clock, simulator
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "ANTHROPIC_API_KEY": CANARY,
            "ANTHROPIC_BASE_URL": simulator.url,
            **HURRIED,
        }

    def listing(self) -> dict[str, tuple[int, int]]:
        """Every file of both sides, with its size and time: equal listings mean that nothing happened."""
        found = {}
        for base in (self.folder, self.api):
            for path in base.rglob("*"):
                stat = path.stat()
                found[str(path)] = (stat.st_size, stat.st_mtime_ns)
        return found

    def shape(self) -> object:
        """What a rerun finds, but for random names: which files, how large, and how far state and API are."""
        own = self._own_state()
        phases = [(s.id, s.phase, s.fetch_tries, s.canceling) for s in own.shards] if own else []
        files = {
            p.name.lstrip("."): p.stat().st_size
            for p in self.run_folder.rglob("*")
            if p.parent.name != "batch"
        }
        calls = [orjson.loads(line)["call"] for line in _lines(self.api / "calls.jsonl")]
        return repr(
            (own and own.revision, phases, sorted(_anonymous(files).items()), calls, self.output.exists())
        )


class Rig:
    """Two fork servers: one that has imported all of batchrun, for most runs, and one that has not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open = ExitStack()
        self._counter = 0
        self._staged: dict[str, Staged] = {}

    def __enter__(self) -> Self:
        self.cold = self._open.enter_context(Forks(self.folder / "cold", OUTSIDE))
        names = self.modules()
        self.warm = self._open.enter_context(Forks(self.folder / "warm", names))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def modules(self) -> list[str]:
        """All that runs of every kind import."""
        script = (
            "import sys, batchrun.__main__, batchrun.fastpath.specpeek, batchrun.cli, batchrun.commands.run, batchrun.commands.cancel, batchrun.run.decisions,"
            " batchrun.run.engine, batchrun.spec, batchrun.providers.anthropic, batchrun.render.progress,"
            " batchrun.render.jsonout, batchrun.render.text, batchrun.inputs.csvrows, batchrun.render.problems;"
            " print(*sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return [*OUTSIDE, *(name for name in done.stdout.split() if not name.startswith("__"))]

    # ---- scenarios

    def stage(self, scenario: Scenario) -> Staged:
        """Bring the scenario about, the first time it is asked for."""
        if scenario.name not in self._staged:
            self._staged[scenario.name] = self._stage(scenario)
        return self._staged[scenario.name]

    def _stage(self, scenario: Scenario) -> Staged:
        folder = self.folder / f"staged-{scenario.name.replace(' ', '-')}"
        (folder / "job").mkdir(parents=True)
        (folder / "api").mkdir()
        spec = merged(merged(SPEC, BRISK), scenario.spec)
        (folder / "job" / "batch.yaml").write_bytes(orjson.dumps(spec))
        (folder / "api" / "scenario.yaml").write_bytes(orjson.dumps({"results": list(scenario.results)}))
        _write_rows(folder, scenario.rows)
        with self._serving(Staged(scenario, folder, time.time()), folder) as attempt:
            for step in scenario.before:
                if isinstance(step, int):
                    _write_rows(folder, step)
                    continue
                args, moment = step
                ran = self.run(attempt, *args, at=moment)
                fine = (-9,) if moment else (75,) if "--no-wait" in args else DONE
                assert ran.code in fine, ran
            return Staged(scenario, folder, attempt.clock.now)

    @contextmanager
    def trial(self, staged: Staged) -> Iterator[Attempt]:
        """A copy of the scenario, with a simulator that serves it; gone after the block, unless it failed."""
        self._counter += 1
        folder = self.folder / f"{self._counter:05d}"
        shutil.copytree(staged.folder, folder)
        with self._serving(staged, folder) as attempt:
            yield attempt
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _serving(self, staged: Staged, folder: Path) -> Iterator[Attempt]:
        clock = Clock(staged.now)
        script = Script.load(folder / "api" / "scenario.yaml")
        seconds = staged.scenario.seconds
        options = Options(process_seconds=seconds, cancel_seconds=0.0, retry_after=None, scenario=script)
        simulator = Simulator(folder / "api", options=options, clock=clock)
        _move(folder / "job" / ".batchrun" / "batch" / "state.json", simulator.url)
        simulator.start()
        try:
            yield Attempt(folder, simulator, clock)
        finally:
            # It looks only now and then whether to stop; nobody has to wait for that.
            threading.Thread(target=simulator.stop, daemon=True).start()

    # ---- runs

    def run(self, attempt: Attempt, *args: str, at: Moment | None = None, cold: bool = False) -> Ran:
        forks = self.cold if cold else self.warm
        return forks.run(*args, cwd=attempt.folder, env=attempt.env, at=at)

    def traced(self, attempt: Attempt, *args: str, options: Sequence[str]) -> Ran:
        return self.warm.traced(*args, cwd=attempt.folder, env=attempt.env, options=options)

    def struck(self, attempt: Attempt, *args: str, strike: Strike) -> tuple[Ran, int]:
        """Struck while it runs; and how many effects there were."""
        return self.warm.struck(*args, cwd=attempt.folder, env=attempt.env, strike=strike)

    def effects(self, staged: Staged) -> int:
        """How many effects the scenario's command has, undisturbed."""
        with self.trial(staged) as attempt:
            ran, count = self.struck(attempt, *staged.scenario.struck, strike=Strike())
            assert ran.code == 0, ran
        return count

    def again(self, attempt: Attempt) -> Ran:
        """Run it to its end, without anybody doing anything."""
        return attempt.carry_on(lambda: self.run(attempt, *RUN), json=True)

    def lines(self, staged: Staged, *, cold: bool = False) -> list[Line]:
        """The lines that the scenario's command runs."""
        with self.trial(staged) as attempt:
            forks = self.cold if cold else self.warm
            ran, lines = forks.lines(*staged.scenario.struck, cwd=attempt.folder, env=attempt.env)
            assert ran.code == 0, ran
        return lines


@contextmanager
def in_memory() -> Iterator[Rig]:
    """A rig in memory, where the system has a place for that: trials are about order, not about disks."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder, Rig(Path(folder)) as rig:
        yield rig


def _write_rows(folder: Path, count: int) -> None:
    lines = [f"r{n},word {n}" for n in range(1, count + 1)]
    (folder / "job" / "rows.csv").write_text("\n".join(["id,text", *lines]) + "\n")


def _move(file: Path, origin: str) -> None:
    """Let a saved state tell of the simulator that serves it now."""
    if file.exists():
        found = state.loads(file.read_bytes(), where=str(file))
        file.write_bytes(state.dumps(replace(found, origin=origin)))


def _lines(path: Path) -> Sequence[bytes]:
    return path.read_bytes().splitlines() if path.exists() else ()


def _anonymous(files: dict[str, int]) -> dict[str, int]:
    """Temporary files carry the number of their process."""
    return {
        ".".join(part for part in name.split(".") if not part.isdigit() or len(part) == 4): size
        for name, size in files.items()
    }
