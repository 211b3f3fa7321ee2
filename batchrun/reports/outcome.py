"""How a job stands after a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchrun.errors import ExitCode
from batchrun.lifecycle import verdicts
from batchrun.lifecycle.policy import Policy, policy_of
from batchrun.lifecycle.state import Collected, RunState
from batchrun.lifecycle.verdicts import Verdict
from batchrun.model import Job
from batchrun.reports.job import StatusReport
from batchrun.reports.status import command_for, status_report


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job stands after a run. `output` is where the answer is, or will be."""

    job: str
    verdict: Verdict
    exit_code: ExitCode
    output: Path
    state: RunState
    policy: Policy
    changed: bool = True
    """False when the answer was there already."""

    def report(
        self, spec: str, *, now: float, sandbox: bool = False, roots: Sequence[Path] = ()
    ) -> StatusReport:
        """The same as a report. `spec` and `roots` are shown in commands as given; `now` is in seconds since
        the epoch."""
        report = status_report(
            self.state,
            self.policy,
            output=str(self.output),
            command=command_for(spec, sandbox=sandbox, roots=roots),
            now=now,
            sandbox=sandbox,
        )
        # The folder may have moved since the summary was made.
        return replace(report, summary=report.summary and replace(report.summary, output=report.output))


def standing(job: Job, state: RunState, before: Collected | None = None) -> Outcome:
    """How the job stands now; `before` is what had been collected when the run began."""
    policy = policy_of(job)
    return Outcome(
        job=job.name,
        verdict=verdicts.verdict(state, policy),
        exit_code=verdicts.exit_code(state, policy),
        output=job.output.path,
        state=state,
        policy=policy,
        changed=state.collected is None or state.collected != before,
    )
