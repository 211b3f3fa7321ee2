"""`python -m tests.fuzz [SECONDS] [SEED]`: fuzz every target in turn, for a while."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.fuzz.run import Found, fuzz
from tests.fuzz.targets import TARGETS, case_number

KEPT = Path("build") / "fuzz"
BATCH = 500


def main(seconds: float, seed: int) -> int:
    end, first, found = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        for target in TARGETS:
            for one in fuzz(target, seed, first, BATCH):
                found += 1
                print(f"{_kept(one)}\n{one.fault}")
        first += BATCH
        print(f"seed {seed}: {first * len(TARGETS):,} cases, {found} findings", flush=True)
    return 1 if found else 0


def _kept(found: Found) -> Path:
    KEPT.mkdir(parents=True, exist_ok=True)
    case = case_number(found.target, found.seed, found.number)
    path = KEPT / f"{found.target}-{found.seed}-{found.number}-{case.path.name}"
    path.write_bytes(case.body)
    return path


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("60", "1")[len(sys.argv) - 1 :]]
    sys.exit(main(float(arguments[0]), int(arguments[1])))
