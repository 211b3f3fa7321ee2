"""One process that reads a number of cases: `python -m tests.fuzz.child TARGET SEED FIRST COUNT`.

Says the number of each case before it reads it, so that the parent knows which one it died of.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import orjson

from batchrun.errors import BatchrunError
from tests.fuzz.targets import TARGETS, case_number

MEMORY = 1 << 30
SECONDS = 10.0
"""Of the processor's time for one case; what takes longer is killed by the timer, whose number says so."""


def main(target: str, seed: int, first: int, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    home = Path(tempfile.mkdtemp(prefix="batchrun-fuzz-"))
    try:
        for number in range(first, first + count):
            _say(number, "")
            folder = home / "case"
            folder.mkdir()
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            if fault := _read(target, seed, number, folder):
                _say(number, fault)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _read(target: str, seed: int, number: int, folder: Path) -> str:
    """What went wrong, or nothing."""
    case = case_number(target, seed, number)
    try:
        TARGETS[target].read(case, folder)
    except BatchrunError:
        return ""
    except Exception:
        return traceback.format_exc(limit=-4)
    return ""


def _say(number: int, fault: str) -> None:
    os.write(sys.stdout.fileno(), orjson.dumps([number, fault]) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
