"""Simulators with faults, on one state folder."""

from __future__ import annotations

import socket
from pathlib import Path

from batchrun.simulator import Options, Scenario, Simulator
from tests.conftest import MakeSimulator
from tests.simulator.helpers import Clock, ledger

HOUR = 3600.0


class Faulty:
    """Makes simulators with the faults of one YAML text, all on the same state folder."""

    def __init__(self, make: MakeSimulator, folder: Path) -> None:
        self.make, self.state, self.clock = make, folder / "state", Clock()
        self.file = folder / "scenario.yaml"

    def __call__(self, text: str, *, process_seconds: float = 0) -> Simulator:
        self.file.write_text(text)
        options = Options(process_seconds=process_seconds, scenario=Scenario.load(self.file))
        return self.make(self.state, options=options, clock=self.clock)


def accepted(faulty: Faulty) -> int:
    return len(ledger(faulty.state)) if (faulty.state / "ledger.jsonl").exists() else 0


def raw_reply(simulator: Simulator, request: bytes) -> tuple[bytes, bool]:
    """Everything that comes back, and whether a reset ended it."""
    port = int(simulator.url.rpartition(":")[2])
    held = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(request)
        try:
            while piece := wire.recv(65536):
                held += piece
        except ConnectionResetError:
            return held, True
    return held, False
