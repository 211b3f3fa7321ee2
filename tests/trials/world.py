"""A job and its world in one process: real files, the API over HTTP, clocks that nobody waits for, and death.

world = World(folder)
world.rows = [("r1", "word 1")]
world.write()
world.run(wait=True)
world.run(dying_before=7)       the 7th effect, and all that would come after it, never happen
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from batchrun.clockwork import Clockwork
from batchrun.errors import BatchrunError, Interrupted
from batchrun.lifecycle import state
from batchrun.lifecycle.state import RunState
from batchrun.model import ResultType
from batchrun.reports.outcome import Outcome
from batchrun.run import decisions, jobs
from batchrun.simulator import Options, Simulator
from batchrun.simulator.scenario import Fault, ResultRule, Scenario
from tests.trials.canary import CANARY
from tests.workbench import SPEC, Ran

NOW = 1_795_000_000.0
HASTE = 60.0
"""So many seconds pass while a run sleeps for one: as on a laptop that was closed meanwhile."""
NAPS = 20_000
"""More than any run may sleep before it must have come to an end."""

RULES = (
    ResultRule(
        re.compile("overload"), ResultType.ERRORED, "overloaded_error", "Overloaded", times=3, name="overload"
    ),
    ResultRule(re.compile("invalid"), ResultType.ERRORED, "invalid_request_error", "No", name="invalid"),
    ResultRule(re.compile("expire"), ResultType.EXPIRED, times=2, name="expire"),
)


@cache
def _fault(text: str) -> tuple[Fault, ...]:
    return Scenario().with_faults([text], source="history").faults


class Died(BaseException):
    """The process is gone; whoever catches this is a ghost."""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.api = folder / "job", folder / "api"
        self.folder.mkdir(parents=True)
        self.rows: list[tuple[str, str]] = []
        self.prompt = "Say"
        self.limits: dict[str, Any] = {"max_cost_usd": 5.0, "batch_requests": 3}
        self.server = self.ours = NOW
        self.steady = 0.0
        self.key = CANARY
        self.process_seconds = 3600.0
        self.faults: list[Fault] = []
        self.jump = 0.0
        """What our clock is set by as soon as the next run sleeps."""
        self._strikes = 0
        self._naps = 0
        self.simulator = Simulator(self.api, options=self._options(), clock=lambda: self.server)
        self.simulator.start()

    def close(self) -> None:
        self.simulator.stop()

    # ---- time

    def pass_time(self, seconds: float) -> None:
        self.server += seconds
        self.ours += seconds
        self.steady += seconds

    def _sleep(self, seconds: float) -> None:
        self._naps += 1
        if self._naps > NAPS:
            assert self.faults, "the run never ends"
            raise Interrupted("a person has waited enough for an API that lies", signal=signal.SIGINT)
        self.ours, self.jump = self.ours + self.jump, 0.0
        self.pass_time(seconds * HASTE)

    @property
    def clockwork(self) -> Clockwork:
        return Clockwork(self._sleep, lambda: self.steady, lambda: 0.5, lambda: self.ours)

    # ---- the API

    def _options(self) -> Options:
        return Options(
            process_seconds=self.process_seconds,
            cancel_seconds=60.0,
            retry_after=None,
            scenario=Scenario(RULES, tuple(self.faults)),
        )

    def misbehave(self, fault: str, *, times: int | None, skip: int = 0) -> None:
        """From now on, beside what is wrong already; `fault` as in docs/simulator.md."""
        [plain] = _fault(fault)
        self._strikes += 1
        self.faults.append(replace(plain, times=times, skip=skip, name=f"fault {self._strikes}"))
        self.simulator.change(self._options())

    def recover(self) -> None:
        self.faults = []
        self.simulator.change(self._options())

    def take(self, seconds: float) -> None:
        """Batches that are created from now on take so long."""
        self.process_seconds = seconds
        self.simulator.change(self._options())

    # ---- files

    @property
    def spec(self) -> Path:
        return self.folder / "batch.yaml"

    @property
    def state_file(self) -> Path:
        return self.folder / ".batchrun" / "batch" / "state.json"

    @property
    def output(self) -> Path:
        return self.folder / "out" / "answers.jsonl"

    def write(self) -> None:
        """The spec and its data, as they stand."""
        message = {"role": "user", "content": f"{self.prompt} {{{{ text }}}}"}
        spec = {
            **SPEC,
            "request": {**SPEC["request"], "messages": [message]},
            "limits": self.limits,
            "poll": {"interval": "10m", "timeout": "25h"},
            "reconcile": {"listings": 3, "over": "15m"},
        }
        self.spec.write_bytes(orjson.dumps(spec))
        lines = ["id,text", *(f"{name},{text}" for name, text in self.rows)]
        (self.folder / "rows.csv").write_text("\n".join(lines) + "\n")

    def questions(self) -> Sequence[tuple[str, str]]:
        return [(name, f"{self.prompt} {text}") for name, text in self.rows]

    def state(self) -> RunState | None:
        if not self.state_file.exists():
            return None
        return state.loads(self.state_file.read_bytes(), where=str(self.state_file))

    # ---- runs

    def run(self, *, wait: bool = False, dying_before: int = 0) -> Ran:
        return self._do(lambda **how: jobs.run_job(self.spec, wait=wait, **how), dying_before)

    def retry(self, *, dying_before: int = 0) -> Ran:
        return self._do(lambda **how: decisions.retry_job(self.spec, wait=False, **how), dying_before)

    def cancel(self, *, dying_before: int = 0) -> Ran:
        return self._do(lambda **how: decisions.cancel_job(self.spec, **how), dying_before)

    def adopt(self, shard: str, batch: str) -> Ran:
        return self._do(lambda **how: decisions.adopt_batch(self.spec, shard, batch, **how))

    def resubmit(self, shard: str) -> Ran:
        return self._do(lambda **how: decisions.resubmit_shard(self.spec, shard, wait=False, **how))

    def _do(self, work: Callable[..., Outcome | None], dying_before: int = 0) -> Ran:
        environ = {"ANTHROPIC_BASE_URL": self.simulator.url, "ANTHROPIC_API_KEY": self.key}
        self._naps = 0
        try:
            with dying(self.folder, dying_before):
                outcome = work(environ=environ, clockwork=self.clockwork)
        except Died:
            return Ran(-9, "", "")
        except BatchrunError as error:
            told = "".join(f"{p.message}\n{p.hint}\n" for p in error.problems)
            return Ran(int(error.exit_code), "", told)
        finally:
            self.jump = 0.0
        return Ran(int(outcome.exit_code) if outcome else 75, "", str(outcome.verdict) if outcome else "")


# ---- death ---------------------------------------------------------------------------------------

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_DIRECTORY
_VERBS = ("os.rename", "os.remove", "os.mkdir", "os.chmod")


class _Death:
    """Comes before the nth effect on the files below `folder` or on the network. It lasts: whatever the dead
    do on their way out has no effect either."""

    def __init__(self, folder: Path, nth: int) -> None:
        self.folder, self.left, self.thread = str(folder), nth, threading.get_ident()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if threading.get_ident() == self.thread and self._effect(event, args):
            self.left -= 1
            if self.left <= 0:
                raise Died

    def _effect(self, event: str, args: tuple[Any, ...]) -> bool:
        match event, args:
            case "http.client.send", _:
                return True
            case "open", (path, _, int(flags)) if flags & _WRITING:
                return self._ours(path)
            case verb, (path, *_) if verb in _VERBS:
                return self._ours(path)
        return False

    def _ours(self, path: object) -> bool:
        return isinstance(path, str | Path) and str(path).startswith(self.folder)


_death: _Death | None = None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _death is not None:
        _death(event, args)


sys.addaudithook(_hook)  # for the life of the process: there is no way to take one off


@contextmanager
def dying(folder: Path, nth: int) -> Iterator[None]:
    """A block in which this thread dies before its nth effect; 0: it lives."""
    global _death
    _death = _Death(folder, nth) if nth else None
    try:
        yield
    finally:
        _death = None
