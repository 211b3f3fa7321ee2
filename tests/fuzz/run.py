"""The parent: starts children, and gathers what they found or died of."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass

import orjson

from tests.fuzz.child import SECONDS


@dataclass(frozen=True)
class Found:
    target: str
    seed: int
    number: int
    fault: str


def fuzz(target: str, seed: int, first: int, count: int) -> list[Found]:
    """What cases `first` to `first + count` of a seed bring to light. A case that kills its process is one
    finding, and the others go on behind it."""
    found: list[Found] = []
    end = first + count
    while first < end:
        command = [sys.executable, "-m", "tests.fuzz.child", target, str(seed), str(first), str(end - first)]
        ran = subprocess.run(command, capture_output=True, timeout=count * SECONDS + 60)
        said = [orjson.loads(line) for line in ran.stdout.splitlines()]
        found += [Found(target, seed, number, fault) for number, fault in said if fault]
        if ran.returncode == 0:
            break
        assert said, ran.stderr.decode()
        last = said[-1][0]
        found.append(Found(target, seed, last, _death(ran.returncode) + ran.stderr.decode()[-300:]))
        first = last + 1
    return found


def _death(code: int) -> str:
    if code == -signal.SIGVTALRM:
        return f"took more than {SECONDS:g} s\n"
    return f"ended with {signal.Signals(-code).name if code < 0 else code}\n"
