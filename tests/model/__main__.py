"""Every history up to the bound: python -m tests.model [PROCESSES]"""

from __future__ import annotations

import sys

from tests.model.bounds import HEAD, WHOLE, follow_all, row


def main() -> int:
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    print(*HEAD, sep="\n", flush=True)
    faults = []
    for scenario, found in follow_all(WHOLE, processes=processes):
        print(row(scenario.name, found), flush=True)
        faults += [f"{scenario.name}: {fault}" for fault in found.faults]
    for fault in faults:
        print(f"\n{fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
