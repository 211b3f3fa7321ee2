"""One process, measured; several in turns; medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import orjson


@dataclass(frozen=True, slots=True)
class Figure:
    """What a process took. `seconds` is the stage alone when the process says so, else its whole wall time;
    `cpu` its user and system time, `peak` its memory in bytes, `read` and `written` what it asked of files."""

    seconds: float
    cpu: float
    peak: int
    read: int = 0
    written: int = 0


class Failed(Exception):
    """A measured process ended badly: nothing it took means anything."""


def process(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0
) -> Figure:
    """Run to the end, which is to be exit code `code`. Raises Failed."""
    # Files take whatever it says; of two pipes, the one that is read last could fill up and stop it.
    with TemporaryFile() as out, TemporaryFile() as err:
        begun = time.perf_counter()
        with subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        ) as running:
            os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # gone, but still to be looked at
            seconds = time.perf_counter() - begun
            read, written = _asked_of_files(running.pid)
            _, status, usage = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        said, complained = (_whole(stream) for stream in (out, err))
    if running.returncode != code:
        raise Failed(f"{' '.join(command)}: exit code {running.returncode}\n{complained.decode()[-2000:]}")
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    stage = _stage(said)
    return Figure(stage.get("seconds", seconds), stage.get("cpu", cpu), peak, read, written)


def output(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> bytes:
    """What a process prints."""
    return subprocess.run(command, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE).stdout


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _whole(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


def _stage(said: bytes) -> dict[str, float]:
    """What a stage says of itself in its last line."""
    with suppress(ValueError, IndexError):
        found = orjson.loads(said.splitlines()[-1])
        if isinstance(found, dict) and "seconds" in found:
            return found
    return {}


def _asked_of_files(pid: int) -> tuple[int, int]:
    """Bytes a process read and wrote by read and write calls; sockets use others. 0 where nobody tells."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        counts = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
        return counts["rchar"], counts["wchar"]
    return 0, 0


def in_turns(runs: int, *things: Callable[[], Figure]) -> list[Figure]:
    """Measure each thing `runs` times, in turns, so that a slow minute slows them all. Medians."""
    found: list[list[Figure]] = [[] for _ in things]
    for _ in range(runs):
        for figures, thing in zip(found, things, strict=True):
            figures.append(thing())
    return [_median(figures) for figures in found]


def _median(figures: Sequence[Figure]) -> Figure:
    return Figure(
        statistics.median(f.seconds for f in figures),
        statistics.median(f.cpu for f in figures),
        max(f.peak for f in figures),
        round(statistics.median(f.read for f in figures)),
        round(statistics.median(f.written for f in figures)),
    )
