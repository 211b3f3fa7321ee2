"""`batchrun run` before the command line is parsed: a job that is done, and one that another process works on.

Make and cron run finished jobs thousands of times a day, and importing click takes longer than all the rest of it;
and of fifty runs of one job at the same moment, 49 are to leave at once. So what is imported here is little, and it
is imported late. What is not as plain as that goes the ordinary way, errors included.
"""

from __future__ import annotations

import os
import sys

from batchrun.rundir import lock

TYPE_CHECKING = False  # typing itself takes longer to import than all that is here
if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.fastpath.specpeek import PlainSpec
    from batchrun.reports.job import StatusReport

_QUIET = {"--quiet", "-q"}
_PLAIN = {"--no-wait", *_QUIET}
"""Options of `run` that make no difference here, but for what is said."""


def exit_code(args: Sequence[str]) -> int | None:
    """What `batchrun ARGS` ends with, if there is nothing to do, or another process does it; else None, and the job
    may be locked: who calls this calls `leave`, too."""
    verb, *rest = args or [""]
    names = [word for word in rest if word not in _PLAIN]
    if verb != "run" or len(names) > 1 or any(name.startswith("-") for name in names):
        return None
    try:
        return _run(*names, quiet=bool(_QUIET & set(rest)))
    except KeyboardInterrupt:
        from batchrun.errors import ExitCode

        return ExitCode.SIGINT
    except Exception:  # it comes again on the ordinary way, which tells it
        return None


def leave() -> None:
    """Undo what was begun for a run that never came to it, as its spec was wrong."""
    lock.end_early()


def _run(name: str = "batch.yaml", *, quiet: bool) -> int | None:
    """The state is looked at first, as fifty runs of a job that is done are all to say so: none may find the lock
    held by the others. Whatever changes before the lock is asked for, does no harm. Who gets it goes the ordinary
    way, and looks at everything again; who does not get it is told that somebody works on the job, as is so."""
    from batchrun.fastpath import specpeek

    spec = specpeek.find(name)
    if spec is None or spec.may_be_done():
        code = _nothing_to_do(name, quiet=quiet, configured=spec is None or spec.configured)
        if code is not None:
            return code
    return _held_elsewhere(spec, quiet=quiet) if spec else None


def _held_elsewhere(spec: PlainSpec, *, quiet: bool) -> int | None:
    """Take the job's lock, for the run that follows; or say who has it."""
    try:
        lock.take_early(spec.lock_file)
    except lock.Held as held:
        if not quiet:
            _tell(
                f"error: {held.about(spec.job)}",
                f"hint: it goes on there; run it again later, or see how it stands: batchrun status {spec.shown}",
            )
        return os.EX_TEMPFAIL  # ExitCode.NOT_FINISHED, without importing it
    return None


def _nothing_to_do(name: str, *, quiet: bool, configured: bool) -> int | None:
    import time
    from pathlib import Path

    from batchrun.fastpath.uptodate import finished

    spec = Path(name)
    if configured:
        from batchrun.config.find import load_config

        if load_config(spec.absolute().parent).roots:
            return None
    outcome = finished(spec)
    if outcome is None:
        return None
    report = outcome.report(str(spec), now=time.time())
    if report.needs:
        return None
    if not quiet:
        _tell(*words(report))
    return outcome.exit_code


def _tell(*lines: str) -> None:
    if sys.stderr is not None:  # it may be closed
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()


def words(report: StatusReport) -> list[str]:
    """That there was nothing to do, in lines for a terminal."""
    from pathlib import Path

    from batchrun.fs.files import shown
    from batchrun.reports.job import INVENTED
    from batchrun.safetext import plain

    summary = report.summary
    assert summary is not None
    rows = f"{summary.succeeded:,} of {summary.records:,} rows succeeded"
    rows += f" {INVENTED}" if report.sandbox else ""
    lines = [f"{report.job}: nothing to do; {rows}; {shown(Path(report.output))} is up to date"]
    if report.next:
        lines.append(f"hint: try the rest again: {report.next}")
    if report.advice:
        lines.append(f"hint: {report.advice}")
    return [plain(line, 2000) for line in lines]
