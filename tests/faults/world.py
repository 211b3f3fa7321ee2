"""A job and the API in played time: fifteen minutes of looking for a lost batch take none.

world = World(tmp_path, make_simulator)
seen = world.under("create: {accept_then: reset}")
assert seen == "0"
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from batchrun import run_job
from batchrun.clockwork import Clockwork
from batchrun.errors import BatchrunError
from batchrun.lifecycle.state import Phase, Reason
from batchrun.reports.outcome import Outcome
from batchrun.run.decisions import adopt_batch, cancel_job, resubmit_shard, retry_job
from batchrun.simulator import Options, Scenario
from tests.conftest import MakeSimulator
from tests.trials.canary import CANARY, betrayed
from tests.trials.invariants import DONE, HELD, RUNS, Broken, Trial
from tests.workbench import Bench, Ran

DAY = 86_400.0
LONGEST = 3 * DAY
"""A run that takes longer than this, in played time, does not end by itself."""

PROCESS_SECONDS = 150.0
"""With a poll a minute a batch is asked about three times."""


class PlayedTime:
    """Moved by whoever sleeps; the simulator goes by it, too."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
        self.until = self.now + LONGEST

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self.until:
            raise Broken("a run that does not end")

    @property
    def clockwork(self) -> Clockwork:
        return Clockwork(sleep=self.sleep, clock=self, rng=lambda: 0.5, now=self)


class World:
    """One job of one shard, run under faults until it is done, or held, or three runs are over."""

    def __init__(self, folder: Path, make_simulator: MakeSimulator, *, rows: int = 3, **spec: Any) -> None:
        self.bench = Bench(folder)
        self.bench.env["ANTHROPIC_API_KEY"] = CANARY
        self.time = PlayedTime()
        options = {"poll": {"interval": "60s", "timeout": "30m"}, "reconcile": None, **spec}
        self.file = self.bench.job(rows=rows, **options)
        self.simulator = make_simulator(self.bench.api, options=self._options(), clock=self.time)
        self.bench.env["ANTHROPIC_BASE_URL"] = self.simulator.url
        self.trial = Trial(self.bench.folder, self.bench.api)

    def _options(self, *faults: str) -> Options:
        scenario = Scenario().with_faults(faults, source="fault")
        return Options(process_seconds=PROCESS_SECONDS, cancel_seconds=30.0, scenario=scenario)

    def close(self) -> None:
        self.simulator.stop()

    def set(self, *faults: str) -> None:
        """From now on the API has these faults, and no other."""
        self.simulator.change(self._options(*faults))

    # ---- runs

    def run(self, wait: bool = True) -> Ran:
        return self._ran(
            lambda: run_job(self.file, environ=self.bench.env, clockwork=self.time.clockwork, wait=wait)
        )

    def cancel(self) -> Ran:
        return self._ran(
            partial(cancel_job, self.file, environ=self.bench.env, clockwork=self.time.clockwork)
        )

    def under(self, *faults: str) -> str:
        """How the runs end while the API has these faults: their exit codes; of a job that is held, also why.

        The promises are checked after each run. What is left is brought to its end without the faults: by a
        further run, or where the job is held by the command that the hint names.
        """
        self.set(*faults)
        codes, held = self._runs()
        self.set()
        if codes[-1] not in DONE:
            self._finish()
        return " ".join([*map(str, codes), *held])

    def _runs(self) -> tuple[list[int], list[str]]:
        codes: list[int] = []
        while len(codes) < RUNS:
            self.time.until = self.time.now + LONGEST
            ran = self.run()
            self.trial.check(ran)
            codes.append(ran.code)
            if ran.code in DONE:
                self.trial.check_done()
                break
            if held := self.held():
                assert ran.code == HELD, ran
                return codes, held
        return codes, []

    def _finish(self) -> None:
        if ran := self._decide():
            self.trial.check(ran)
        ran = self.run()
        self.trial.check(ran)
        if ran.code not in DONE:
            raise Broken(f"without the faults it ends in {ran.code}: {ran.stderr}")
        self.trial.check_done()

    def _decide(self) -> Ran | None:
        """What a person would, by the hint; None where a further run is all it takes."""
        where: dict[str, Any] = {"environ": self.bench.env, "clockwork": self.time.clockwork}
        for shard in self.bench.state().shards:
            match shard.reason:
                case Reason.SEVERAL if ours := self._ours():
                    return self._ran(partial(adopt_batch, self.file, shard.id, ours[0], **where))
                case Reason.SEVERAL:
                    return self._ran(partial(resubmit_shard, self.file, shard.id, **where))
                case Reason.RESULTS | Reason.REJECTED:
                    return self._ran(partial(retry_job, self.file, **where))
        return None

    def held(self) -> list[str]:
        if not (self.bench.run_folder() / "state.json").exists():
            return []
        return [str(s.reason) for s in self.bench.state().shards if s.phase is Phase.HELD]

    def accepted(self) -> int:
        return len(self._ours())

    def _ours(self) -> list[str]:
        entries = self.bench.ledger()
        return [e["id"] for e in entries if not e["first_custom_id"].startswith("stranger")]

    def _ran(self, act: Callable[[], Outcome | None]) -> Ran:
        """A run as a process would show it. Nothing of the key may stand in an exception or behind it."""
        try:
            outcome = act()
            return Ran(int(outcome.exit_code) if outcome else 0, "", "")
        except BatchrunError as error:
            whole = "".join(traceback.format_exception(error))
            if betrayed(whole.encode(), CANARY):
                raise Broken(f"the key is in an exception: {type(error).__name__}") from None
            return Ran(int(error.exit_code), "", f"{error}\n{error.where}\n{error.hint}\n")
