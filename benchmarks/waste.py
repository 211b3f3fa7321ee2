"""How often one job looks at each of its rows: calls of the parsers and writers, counted while it runs.

python -m benchmarks.waste job.yaml
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from batchrun import run_job

COUNTED = {orjson.loads: "JSON parsed", orjson.dumps: "JSON written"}


def main(spec: str) -> None:
    """Run the job of `spec`, and print for each counted function how often it was called per row."""
    counts: Counter[str] = Counter()

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument in COUNTED:
            place = Path(frame.f_code.co_filename).stem
            counts[f"{COUNTED[argument]} in {place}"] += 1

    sys.setprofile(look)
    outcome = run_job(spec)
    sys.setprofile(None)
    summary = outcome.report(spec, now=0.0).summary
    assert summary is not None
    often = {what: round(count / summary.rows, 2) for what, count in counts.items()}
    print(orjson.dumps({what: times for what, times in often.items() if times >= 0.1}).decode())


if __name__ == "__main__":
    main(sys.argv[1])
