"""All jobs of a folder on one screen, as facts: what needs a person, what runs, what is broken, what is done. Pure.

Plain frozen values that `codec` takes; ages are in seconds, money is USD at batch price.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from batchrun.reports.job import Need, StatusReport


class Standing(StrEnum):
    """The groups of the screen, the one that needs a person first."""

    NEEDS_PERSON = "needs_person"
    RUNNING = "running"
    NOT_STARTED = "not_started"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class JobOverview:
    """One job. `spec` is its file as seen from the current folder, empty where it is gone; `looked` is how long
    ago its state was last saved, which every poll does."""

    standing: Standing
    spec: str
    looked: float
    report: StatusReport
    remark: str = ""
    """Why nothing comes of it for now, as the last pass of a watcher or tick left it."""

    @property
    def requests(self) -> int:
        """How many are under way."""
        return sum(s.requests for s in self.report.shards if s.age is not None)

    @property
    def age(self) -> float | None:
        """For how long its oldest batch has been under way."""
        return max((s.age for s in self.report.shards if s.age is not None), default=None)

    @property
    def ends_in(self) -> float | None:
        """When the API will have ended its last batch."""
        return max((s.ends_in for s in self.report.shards if s.ends_in is not None), default=None)

    @property
    def failed(self) -> int:
        summary = self.report.summary
        return summary.records - summary.succeeded if summary else 0


@dataclass(frozen=True, slots=True)
class BrokenSpec:
    """A spec that was put away: `error` is the file that says why, and `text` what it says first."""

    spec: str
    error: str
    age: float
    text: str


@dataclass(frozen=True, slots=True)
class NewSpec:
    """A spec without a job yet, and what a watcher said of it: that it waits for its data, say."""

    spec: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class FolderOverview:
    """What there is in one folder. `rehearsals` counts the sandbox's jobs, which are shown apart."""

    folder: str
    jobs: tuple[JobOverview, ...] = ()
    broken: tuple[BrokenSpec, ...] = ()
    new: tuple[NewSpec, ...] = ()
    sandbox: bool = False
    rehearsals: int = 0

    def of(self, standing: Standing) -> tuple[JobOverview, ...]:
        return tuple(job for job in self.jobs if job.standing is standing)

    @property
    def spent_usd(self) -> float:
        return sum(job.report.spent_usd for job in self.jobs)

    @property
    def at_stake_usd(self) -> float:
        return sum(job.report.at_stake_usd for job in self.jobs)

    def counts(self) -> dict[str, int]:
        """How many of each there are, in the order of the screen."""
        return {
            "needs_person": len(self.of(Standing.NEEDS_PERSON)),
            "running": len(self.of(Standing.RUNNING)),
            "broken": len(self.broken),
            "not_started": len(self.new) + len(self.of(Standing.NOT_STARTED)),
            "done": len(self.of(Standing.DONE)),
        }


def job_overview(report: StatusReport, spec: str, looked: float, remark: str = "") -> JobOverview:
    return JobOverview(_standing(report), spec, looked, report, remark)


def unreadable(job: str, message: str, looked: float, *, sandbox: bool) -> JobOverview:
    """A job whose state cannot be read: that, too, is for a person."""
    report = StatusReport(job, "unreadable", "", needs=(Need(message),), sandbox=sandbox)
    return JobOverview(Standing.NEEDS_PERSON, "", looked, report)


def _standing(report: StatusReport) -> Standing:
    if report.needs:
        return Standing.NEEDS_PERSON
    if report.state in ("done", "canceled"):
        return Standing.DONE
    return Standing.NOT_STARTED if report.state == "not started" else Standing.RUNNING


def in_order(jobs: Iterable[JobOverview]) -> tuple[JobOverview, ...]:
    """By group; then what runs by when it must end, and what is done with what failed first, the newest first."""
    groups = list(Standing)

    def place(job: JobOverview) -> tuple[int, float, str]:
        match job.standing:
            case Standing.RUNNING:
                rank = job.ends_in if job.ends_in is not None else float("inf")
            case Standing.DONE:
                rank = job.looked if not job.failed else -1.0 / (1.0 + job.looked)
            case _:
                rank = 0.0
        return groups.index(job.standing), rank, job.report.job

    return tuple(sorted(jobs, key=place))
