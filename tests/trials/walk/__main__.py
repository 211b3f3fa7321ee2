"""One walk again, by its seed; shortened, where it breaks something: python -m tests.trials.walk SEED [STEPS]"""

from __future__ import annotations

import sys

from tests.trials.walk.rounds import STEPS, shortened, walking


def main() -> int:
    seed, steps = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else STEPS
    with walking() as walk:
        fault = walk(seed, range(steps))
        if fault is None:
            print("held")
            return 0
        print(fault, "\n\nshortened:", sep="\n", flush=True)
        print(shortened(walk, seed, steps))
        return 1


if __name__ == "__main__":
    sys.exit(main())
