"""How a pass ended, as what a worker tells: by how the job stands, or by the error that ended it."""

from __future__ import annotations

import time
from pathlib import Path

from batchrun.errors import (
    ApiError,
    BadRequest,
    BatchrunError,
    BillingStopped,
    CannotCreate,
    ConfigError,
    DataError,
    ExitCode,
    Locked,
    MissingInput,
    MissingTexts,
    NameTaken,
    NeedsPerson,
    NotFinished,
    SpecError,
    UsageError,
)
from batchrun.lifecycle import phases
from batchrun.lifecycle.transitions import next_due
from batchrun.lifecycle.verdicts import Verdict
from batchrun.model import Job
from batchrun.providers.base import ProviderError
from batchrun.render.problems import error_lines, problem_lines
from batchrun.reports.job import INVENTED
from batchrun.reports.outcome import Outcome
from batchrun.safetext import plain
from batchrun.units import format_usd
from batchrun.watch.orders import Order, Passed, Seen, Standing

MOST_LINES = 200


def stands(outcome: Outcome, order: Order) -> Passed:
    """How the job stands after a pass that nothing stopped."""
    now = time.time()
    report = outcome.report(str(order.spec), now=now, sandbox=order.sandbox, roots=order.roots)
    needs = [
        line for need in report.needs for line in (plain(need.what, 1000), *(f"  {c}" for c in need.commands))
    ]
    return Passed(
        _STANDINGS[outcome.verdict],
        outcome.exit_code,
        outcome.job,
        lines=tuple(needs),
        summary=_summary(outcome, order),
        due=next_due(outcome.state, outcome.policy, now),
        output=str(outcome.output),
        changed=outcome.changed,
    )


_STANDINGS = {
    Verdict.DONE: Standing.DONE,
    Verdict.RUNNING: Standing.RUNNING,
    Verdict.NEW: Standing.RUNNING,
    Verdict.HELD: Standing.NEEDS_PERSON,
    Verdict.OVER_BUDGET: Standing.NEEDS_PERSON,
    Verdict.REJECTED: Standing.BROKEN,
}


def _summary(outcome: Outcome, order: Order) -> str:
    collected = outcome.state.collected
    if outcome.verdict is not Verdict.DONE or collected is None:
        of = phases.pending if outcome.verdict is Verdict.OVER_BUDGET else phases.live
        requests = sum(shard.requests for shard in of(outcome.state.shards))
        return f"{outcome.verdict.replace('_', ' ')}, {requests:,} requests"
    summary = collected.summary
    words = f"{summary.succeeded:,} of {summary.records:,} rows succeeded, {format_usd(summary.cost_usd)}"
    invented = f" {INVENTED}" if order.sandbox else ""
    if not outcome.changed:
        return f"nothing to do; {words}{invented}; {collected.output.path} is up to date"
    return f"done: {words}{invented}: {collected.output.path}"


def failed(order: Order, error: BatchrunError, job: str = "") -> Passed:
    lines = error_lines(error)
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES:,} lines more"]
    standing = _standing_of(error, order)
    waits = standing in (Standing.WAITING, Standing.LOCKED)
    return Passed(
        standing,
        ExitCode.NOT_FINISHED if waits else error.exit_code,
        job or order.job,
        lines=tuple(lines),
        summary=plain(str(error)),
        troubled=isinstance(error, ApiError | ProviderError) and not isinstance(error, BadRequest),
    )


def _standing_of(error: BatchrunError, order: Order) -> Standing:
    match error:
        case MissingInput() | MissingTexts():
            return Standing.WAITING if order.patience else Standing.BROKEN
        case NeedsPerson() | BillingStopped():
            return Standing.NEEDS_PERSON
        case Locked():
            return Standing.LOCKED
        case NotFinished():
            return Standing.RUNNING
        case ApiError() if not isinstance(error, BadRequest):
            return Standing.TROUBLE
        case SpecError() | DataError() | CannotCreate() | UsageError() | NameTaken() | BadRequest():
            return Standing.BROKEN
        case ConfigError():
            return Standing.TROUBLE
    return Standing.TROUBLE


def unsettled(order: Order, job: str, moving: tuple[Seen, ...]) -> Passed:
    name = plain(Path(moving[0].path).name)
    words = f"{name} is still being written; waiting until it holds still"
    return Passed(
        Standing.UNSETTLED, ExitCode.NOT_FINISHED, job, summary=words, due=time.time() + order.settle
    )


def once_another(job: Job, other: str, own: str) -> NameTaken:
    """For content that was asked as the job of a spec that says something else by now: to ask it again is to pay
    for it again, which only a person decides."""
    return NameTaken(
        f"{job.spec.name} says what {other} said before it was edited, and that was submitted as the job '{job.name}';"
        " nothing was submitted now",
        hint=f"to run it again, and pay again, add `name: {own}`",
        other=other,
    )


def duplicate(job: Job, other: str) -> Passed:
    words = f"{plain(job.spec.name)} says the same as {plain(other)}, which is not through yet"
    return Passed(Standing.DUPLICATE, ExitCode.NOT_FINISHED, job.name, summary=words)


def bug(order: Order, error: Exception) -> Passed:
    from batchrun import crash

    problem = crash.bug(error)
    lines = tuple(problem_lines(problem))
    return Passed(Standing.CRASHED, ExitCode.BUG, order.job, lines=lines, summary=problem.message)
