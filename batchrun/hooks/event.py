"""What hooks are told, and when (schemas/event.schema.json). Pure: values in, values out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchrun.codec import encode
from batchrun.errors import ApiError, BatchrunError, ExitCode
from batchrun.lifecycle import phases, verdicts
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Phase, Reason, RunState
from batchrun.model import Moment
from batchrun.reports.job import INVENTED, Need, StatusReport
from batchrun.safetext import plain
from batchrun.units import format_usd

VERSION = 1

MOMENTS = {
    ExitCode.OK: Moment.DONE,
    ExitCode.ROWS_FAILED: Moment.ROWS_FAILED,
    ExitCode.NEEDS_PERSON: Moment.NEEDS_PERSON,
    **dict.fromkeys(
        (
            ExitCode.DATA,
            ExitCode.NO_INPUT,
            ExitCode.CANNOT_CREATE,
            ExitCode.IO,
            ExitCode.KEY_REFUSED,
            ExitCode.CONFIG,
        ),
        Moment.FAILED,
    ),
}
"""By what a pass ended with. A code that is not here cures itself or is a person's own doing: 69, 75, usage,
signals."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell of, once: the same `id` is the same happening, however often a run comes upon it."""

    moment: Moment
    code: ExitCode
    id: str


def of_state(state: RunState, policy: Policy) -> Happening | None:
    """What a job that stands so has to tell; None while it goes on by itself."""
    code = verdicts.exit_code(state, policy)
    moment = MOMENTS.get(code)
    if moment is None:
        return None
    if state.collected is not None and moment in (Moment.DONE, Moment.ROWS_FAILED):
        asked = state.expansion.rows_sha256 if state.expansion else ""
        return _happening(moment, code, state.collected.output.sha256, asked)
    open_ = [
        f"{s.id} {s.reason}"
        for s in state.shards
        if s.phase is Phase.PLANNED or phases.needs_person(s) or s.reason is Reason.REJECTED
    ]
    return _happening(moment, code, str(policy.max_cost_usd), *open_)


def of_error(error: BatchrunError) -> Happening | None:
    """What an error that ended a pass has to tell; None for one that passes by itself."""
    moment = MOMENTS.get(error.exit_code)
    if moment is None:
        return None
    if isinstance(error, ApiError):  # its words differ each time
        return _happening(moment, error.exit_code, type(error).__name__, error.type, error.error_code)
    return _happening(moment, error.exit_code, type(error).__name__, str(error))


def _happening(moment: Moment, code: ExitCode, *facts: str) -> Happening:
    digest = hashlib.sha256("\0".join((moment, *facts)).encode("utf-8", "replace"))
    return Happening(moment, code, digest.hexdigest()[:32])


# ---- what is told ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong."""

    message: str
    where: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of output records; `statuses` by the status that stands in them."""

    rows: int = 0
    records: int = 0
    succeeded: int = 0
    unusable: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """The payload. `state` is how the job stands, as `batchrun status` says it. `id` is the same when the same is
    told again; paths are absolute; money is USD."""

    id: str
    event: Moment
    at: str
    job: str
    spec: str
    output: str
    state: str
    exit_code: int
    counts: Counts
    spent_usd: float
    at_stake_usd: float
    sandbox: bool
    needs: tuple[Need, ...] = ()
    problems: tuple[Trouble, ...] = ()
    next: str = ""
    version: int = VERSION

    @property
    def summary(self) -> str:
        """One line for people."""
        head = f"{self.job}: {self.event.replace('_', ' ')}"
        if self.problems:
            return plain(f"{head}: {self.problems[0].message}")
        if self.needs:
            return plain(f"{head}: {self.needs[0].what}")
        counts = f"{self.counts.succeeded:,} of {self.counts.records:,} rows succeeded"
        invented = f" {INVENTED}" if self.sandbox else ""
        return plain(f"{head}: {counts}, {format_usd(self.spent_usd)}{invented}: {self.output}", 1000)

    def values(self) -> dict[str, Any]:
        return {**encode(self), "summary": self.summary}

    def variables(self) -> dict[str, str]:
        """What a command finds in its environment."""
        facts = {
            "": self.event.value,
            "_ID": self.id,
            "_JOB": self.job,
            "_SPEC": self.spec,
            "_OUTPUT": self.output,
            "_STATE": self.state,
            "_EXIT_CODE": str(self.exit_code),
            "_SUMMARY": self.summary,
            "_SANDBOX": "1" if self.sandbox else "",
        }
        return {f"BATCHRUN_EVENT{name}": value.replace("\0", "") for name, value in facts.items()}


def notice(
    happening: Happening, report: StatusReport, *, at: str, spec: str, error: BatchrunError | None
) -> Notice:
    """What is told of `happening`; `report` is how the job stands."""
    summary = report.summary
    counts = Counts()
    if summary is not None:
        counts = Counts(
            summary.rows, summary.records, summary.succeeded, summary.unusable, dict(summary.statuses)
        )
    problems = error.problems if error else ()
    return Notice(
        id=happening.id,
        event=happening.moment,
        at=at,
        job=report.job,
        spec=spec,
        output=report.output,
        state=report.state,
        exit_code=int(happening.code),
        counts=counts,
        spent_usd=report.spent_usd,
        at_stake_usd=report.at_stake_usd,
        sandbox=report.sandbox,
        needs=report.needs,
        problems=tuple(Trouble(p.message, p.where, p.hint) for p in problems),
        next=report.next,
    )
