"""`batchrun run` of a job that is done, before the command line is parsed.

Make and cron do this thousands of times a day, and importing click takes longer than all the rest of it. What is
not as plain as that goes the ordinary way, errors included.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from batchrun.errors import ExitCode

if TYPE_CHECKING:  # every command begins here: even pathlib is imported only where it is needed
    from batchrun.report import StatusReport

_QUIET = {"--quiet", "-q"}
_PLAIN = {"--no-wait", *_QUIET}
"""Options of `run` that make no difference to a job that is done, but for what is said."""


def exit_code(args: Sequence[str]) -> int | None:
    """What `batchrun ARGS` ends with, if that is to say that there is nothing to do; else None."""
    verb, *rest = args or [""]
    names = [word for word in rest if word not in _PLAIN]
    if verb != "run" or len(names) > 1 or any(name.startswith("-") for name in names):
        return None
    try:
        return _nothing_to_do(*names, quiet=bool(_QUIET & set(rest)))
    except KeyboardInterrupt:
        return ExitCode.SIGINT
    except Exception:  # it comes again on the ordinary way, which tells it
        return None


def _nothing_to_do(name: str = "batch.yaml", *, quiet: bool) -> int | None:
    from pathlib import Path

    from batchrun.configfiles import load_config
    from batchrun.finished import finished

    spec = Path(name)
    if load_config(spec.absolute().parent).roots:
        return None
    outcome = finished(spec)
    if outcome is None:
        return None
    report = outcome.report(str(spec), now=time.time())
    if report.needs:
        return None
    if not quiet and sys.stderr is not None:  # it may be closed
        sys.stderr.write("".join(f"{line}\n" for line in words(report)))
        sys.stderr.flush()
    return outcome.exit_code


def words(report: StatusReport) -> list[str]:
    """That there was nothing to do, in lines for a terminal."""
    from pathlib import Path

    from batchrun.files import shown
    from batchrun.report import INVENTED
    from batchrun.safetext import plain

    summary = report.summary
    assert summary is not None
    rows = f"{summary.succeeded:,} of {summary.records:,} rows succeeded"
    rows += f" {INVENTED}" if report.sandbox else ""
    lines = [f"{report.job}: nothing to do; {rows}; {shown(Path(report.output))} is up to date"]
    if report.next:
        lines.append(f"hint: try the rest again: {report.next}")
    return [plain(line, 2000) for line in lines]
