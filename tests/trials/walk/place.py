"""A folder with one spec and its data, a person who changes them, and an API that knows no person."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from batchrun.simulator import Options, Simulator
from batchrun.simulator.scenario import Fault, Scenario
from tests.simulator.helpers import Client, entry
from tests.trials.canary import CANARY
from tests.trials.rig import BRISK, Clock
from tests.trials.world import RULES
from tests.workbench import SPEC, merged

DAY = 86_400.0
BEGAN = 1_795_000_000.0


@dataclass
class Place:
    """`spec` and `data` are names of files; `name`, where it is not "", is the spec's own name for its job."""

    home: Path
    spec: str = "a.yaml"
    data: str = "rows.csv"
    name: str = ""
    prompt: str = "Say"
    rows: list[tuple[str, str]] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=lambda: {"max_cost_usd": 5.0, "batch_requests": 2})
    key: str = CANARY

    @property
    def folder(self) -> Path:
        return self.home / "job"

    @property
    def runs(self) -> Path:
        return self.folder / ".batchrun"

    @property
    def output(self) -> Path:
        return self.folder / "out" / "answers.jsonl"

    def questions(self) -> list[tuple[str, str]]:
        return [(id, f"{self.prompt} {text}") for id, text in self.rows]

    def write(self) -> None:
        """The spec and its data, as they stand."""
        message = {"role": "user", "content": f"{self.prompt} {{{{ text }}}}"}
        changes: dict[str, Any] = {
            "input": {"path": self.data},
            "request": {"messages": [message]},
            "limits": self.limits,
        }
        if self.name:
            changes["name"] = self.name
        spec = merged(merged(SPEC, BRISK), {**changes, "poll": {"interval": "1s"}})
        (self.folder / self.spec).write_bytes(orjson.dumps(spec))
        lines = ["id,text", *(f"{name},{text}" for name, text in self.rows)]
        (self.folder / self.data).write_text("\n".join(lines) + "\n")

    def rename(self, *, spec: str = "", data: str = "") -> None:
        if spec:
            (self.folder / self.spec).rename(self.folder / spec)
            self.spec = spec
        if data:
            (self.folder / self.data).rename(self.folder / data)
            self.data = data
        self.write()

    @property
    def job(self) -> str:
        return self.name or self.spec.removesuffix(".yaml")

    @property
    def state_file(self) -> Path:
        return self.runs / self.job / "state.json"


class Api:
    """A simulator that keeps its books in a folder, by a clock that moves when somebody looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock(BEGAN)
        self.seconds = 0.0
        self.faults: list[Fault] = []
        self._count = 0
        self.simulator = Simulator(folder, options=self._options(), clock=self.clock)
        self.simulator.start()

    def close(self) -> None:
        self.simulator.stop()

    @property
    def url(self) -> str:
        return self.simulator.url

    def _options(self) -> Options:
        scenario = Scenario(RULES, tuple(self.faults))
        return Options(process_seconds=self.seconds, cancel_seconds=0.0, retry_after=None, scenario=scenario)

    def misbehave(self, fault: str, times: int) -> None:
        """From now on, so often; `fault` as in docs/simulator.md."""
        [plain] = Scenario().with_faults([fault], source="walk").faults
        self._count += 1
        self.faults.append(replace(plain, times=times, name=f"fault {self._count}"))
        self.simulator.change(self._options())

    def recover(self) -> None:
        self.faults = []
        self.simulator.change(self._options())

    def take(self, seconds: float) -> None:
        """So long from now on, for a batch."""
        self.seconds = seconds
        self.simulator.change(self._options())

    def stranger(self, requests: int) -> None:
        """Somebody else submits a batch to the same workspace."""
        faults, self.faults = self.faults, []
        self.simulator.change(self._options())
        with Client(self.simulator) as client:
            client.create(*(entry(f"theirs-{n}") for n in range(requests)))
        self.faults = faults
        self.simulator.change(self._options())


def put_back(source: Path, target: Path) -> None:
    """As `cp -a` from a backup."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
