"""A bench for end-to-end tests: files in a folder, the API on loopback, the command line as a process.

bench = Bench(tmp_path, make_simulator)
bench.serve()
bench.job(rows=3)
ran = bench.run("run", code=0)
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from batchrun import Outcome, run_job
from batchrun.lifecycle import state
from batchrun.lifecycle.state import RunState
from batchrun.safetext import escaped
from batchrun.simulator import Options, Simulator
from batchrun.simulator.scenario import Scenario
from tests.conftest import MakeSimulator

KEY = "sk-ant-api-EXAMPLE"
HURRIED = {
    "BATCHRUN_RECONCILE_LISTINGS": "1",
    "BATCHRUN_RECONCILE_OVER": "0s",
    "BATCHRUN_RECONCILE_GAP": "0s",
}
"""The simulator lists a batch at once: a spec may look for a lost one as briefly as it likes."""
PATIENCE = 60.0
"""Seconds after which a test that waits for a process gives up; never how long it takes."""

SPEC: dict[str, Any] = {
    "version": 1,
    "input": {"path": "rows.csv", "id": "id"},
    "request": {
        "model": "claude-haiku-4-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Say {{ text }}"}],
    },
    "output": {"path": "out/answers.jsonl"},
    "limits": {"max_cost_usd": 5},
    "poll": {"interval": "20ms"},
    "reconcile": {"listings": 2, "over": "0.2s"},
}


@dataclass(frozen=True)
class Ran:
    """What a process did."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return orjson.loads(self.stdout)


class Bench:
    """One folder with one job (or more), and the simulator that its processes talk to."""

    def __init__(self, tmp_path: Path, make_simulator: MakeSimulator | None = None) -> None:
        self.folder = tmp_path / "job"
        self.folder.mkdir(exist_ok=True)
        self.api = tmp_path / "api"
        self._make = make_simulator
        self.simulator: Simulator | None = None
        self.env: dict[str, str] = {"ANTHROPIC_API_KEY": KEY, **HURRIED}

    # ---- the world

    def serve(
        self,
        *,
        faults: Sequence[Mapping[str, Any]] = (),
        results: Sequence[Mapping[str, Any]] = (),
        seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> Simulator:
        """Start the API; a batch takes `seconds`. Called again: the same one, restarted with other faults."""
        assert self._make is not None
        port = 0
        if self.simulator is not None:
            self.simulator.stop()
            port = int(self.simulator.url.rpartition(":")[2])
        self.api.mkdir(exist_ok=True)
        scenario = self.api / "scenario.yaml"
        scenario.write_bytes(escaped(orjson.dumps({"faults": list(faults), "results": list(results)})))
        settings = {"process_seconds": seconds, "cancel_seconds": 0.0, "retry_after": None} | options
        chosen = Options(scenario=Scenario.load(scenario), **settings)
        self.simulator = self._make(self.api, options=chosen, port=port, clock=clock)
        self.env["ANTHROPIC_BASE_URL"] = self.simulator.url
        return self.simulator

    def ledger(self) -> list[dict[str, Any]]:
        """The batches that were accepted: what costs money."""
        return _lines(self.api / "ledger.jsonl")

    def calls(self, *names: str) -> list[dict[str, Any]]:
        """What the API was asked, of these calls or of all."""
        return [c for c in _lines(self.api / "calls.jsonl") if not names or c["call"] in names]

    # ---- files

    def job(self, file: str = "batch.yaml", /, *, rows: int | None = None, **changes: Any) -> Path:
        """Write a spec: SPEC, with `changes` merged in (None takes a key away); with `rows`, its data too."""
        spec = merged(SPEC, changes)
        if rows is not None:
            self.rows(rows)
        return self.write(file, escaped(orjson.dumps(spec, option=orjson.OPT_INDENT_2)).decode())

    def rows(self, count: int, *, start: int = 1, file: str = "rows.csv") -> Path:
        lines = [f"r{n},word {n}" for n in range(start, start + count)]
        return self.write(file, "\n".join(["id,text", *lines]) + "\n")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def output(self) -> Path:
        return self.folder / "out" / "answers.jsonl"

    @property
    def rehearsal(self) -> Path:
        """What the sandbox writes in place of `output`."""
        return self.folder / "out" / "answers.sandbox.jsonl"

    def records(self, name: str = "out/answers.jsonl") -> list[dict[str, Any]]:
        return _lines(self.folder / name)

    def run_folder(self, job: str = "batch", *, sandbox: bool = False) -> Path:
        return self.folder / ".batchrun" / ("@sandbox" if sandbox else "") / job

    def state(self, job: str = "batch", *, sandbox: bool = False) -> RunState:
        """The saved state, through the reader that every run uses."""
        file = self.run_folder(job, sandbox=sandbox) / "state.json"
        return state.loads(file.read_bytes(), where=str(file))

    def listing(self) -> dict[str, tuple[int, int]]:
        """Every file of the folder with its size and time: equal listings mean that nothing was touched."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            stat = path.lstat()
            found[str(path.relative_to(self.folder))] = (stat.st_size, stat.st_mtime_ns)
        return found

    # ---- runs

    def go(self, file: str = "batch.yaml", *, wait: bool = True, code: int | None = None) -> Outcome:
        """`batchrun run` in this process, as a program would call it: for what a test does not look at."""
        outcome = run_job(self.folder / file, environ=self.env, wait=wait)
        assert code in (None, outcome.exit_code), outcome
        return outcome

    def run(self, *args: str, code: int | None = None, driver: Sequence[str] = (), **env: str) -> Ran:
        """Run `batchrun args…` to its end; with `code`, that must be its exit code."""
        process = self.start(*args, driver=driver, **env)
        return self.finish(process, code=code)

    def start(self, *args: str, driver: Sequence[str] = (), **env: str) -> subprocess.Popen[str]:
        """Start `batchrun args…`, or the same under a `driver`: what stands in place of `-m batchrun`."""
        return subprocess.Popen(
            [sys.executable, *(driver or ("-m", "batchrun")), *args],
            cwd=self.folder,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self, **env: str) -> dict[str, str]:
        return {**os.environ, "TERM": "xterm-256color", **self.env, **env}

    def finish(
        self, process: subprocess.Popen[str], *, code: int | None = None, patience: float = PATIENCE
    ) -> Ran:
        try:
            stdout, stderr = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise AssertionError(f"no end after {patience} s\n{stdout}\n{stderr}") from None
        ran = Ran(process.returncode, stdout, stderr)
        assert "Traceback" not in stderr, stderr
        if code is not None:
            assert ran.code == code, f"exit code {ran.code}, not {code}\n{stdout}\n{stderr}"
        return ran

    def until(self, process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
        """Return once `happened` is true while `process` runs."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                stdout, stderr = process.communicate()
                raise AssertionError(f"it did not come to that: {process.returncode}\n{stdout}\n{stderr}")
            time.sleep(0.005)


def stable(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Output records without what differs from run to run: the batch's id and the nonce."""
    return [{**r, "batch_id": None, "custom_id": str(r["custom_id"]).partition("-")[0]} for r in records]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(base)
    for key, value in changes.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(whole.get(key), Mapping):
            whole[key] = merged(whole[key], value)
        else:
            whole[key] = value
    return whole


def _lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
