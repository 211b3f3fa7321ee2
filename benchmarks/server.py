"""The simulator in a process of its own, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Server:
    """A running simulator whose batches have ended as soon as they are looked at."""

    url: str
    pid: int
    state: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "simulated"}

    def cpu_seconds(self) -> float:
        """Processor time it has taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def calls(self) -> list[dict[str, Any]]:
        file = self.state / "calls.jsonl"
        return [orjson.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


@contextmanager
def serving(state: Path, *, process_seconds: float = 0.0) -> Iterator[Server]:
    options = (
        "--json",
        "--state",
        str(state),
        "--process-seconds",
        str(process_seconds),
        "--retry-after",
        "0",
    )
    command = (sys.executable, "-m", "batchrun", "simulate", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout
        try:
            yield Server(orjson.loads(running.stdout.readline())["url"], running.pid, state)
        finally:
            running.terminate()
