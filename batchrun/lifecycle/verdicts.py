"""How a job stands, in one word and as an exit code."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from batchrun.errors import ExitCode
from batchrun.lifecycle.budget import over_budget
from batchrun.lifecycle.phases import began, needs_person, under_way
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Reason, RunState


class Verdict(StrEnum):
    """How a job stands when no action is left for now."""

    DONE = "done"
    RUNNING = "running"
    HELD = "held"
    OVER_BUDGET = "over_budget"
    REJECTED = "rejected"
    NEW = "new"


def verdict(state: RunState, policy: Policy) -> Verdict:
    """One word for the job, the one that needs a person first."""
    if any(map(needs_person, state.shards)):
        return Verdict.HELD
    if under_way(state):
        return Verdict.RUNNING
    if any(s.reason is Reason.REJECTED for s in state.shards) and not state.canceled:
        return Verdict.REJECTED
    if over_budget(state, policy) and not state.canceled:
        return Verdict.OVER_BUDGET
    if state.collected is not None:
        return Verdict.DONE
    return Verdict.RUNNING if began(state) else Verdict.NEW


def exit_code(state: RunState, policy: Policy) -> ExitCode:
    match verdict(state, policy):
        case Verdict.DONE:
            done = state.collected is not None and state.collected.all_succeeded
            return ExitCode.OK if done else ExitCode.ROWS_FAILED
        case Verdict.HELD | Verdict.OVER_BUDGET:
            return ExitCode.NEEDS_PERSON
        case Verdict.REJECTED:
            return ExitCode.DATA
        case Verdict.RUNNING | Verdict.NEW:
            return ExitCode.NOT_FINISHED
    assert_never(verdict(state, policy))
