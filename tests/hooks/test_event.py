"""What counts as one happening. How it is told is in test_telling."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun import errors
from batchrun.errors import BatchrunError, ExitCode
from batchrun.hooks import event
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Phase, Reason, RunState
from batchrun.model import Moment, Timing
from tests.states import shard

POLICY = Policy(Timing(), max_cost_usd=5.0)
STATE = RunState("job", "job.yaml", "anthropic", "https://api.anthropic.com")


@pytest.mark.parametrize(
    ("error", "moment"),
    [
        (errors.DataError("x"), Moment.FAILED),
        (errors.MissingInput("x"), Moment.FAILED),
        (errors.CannotCreate("x"), Moment.FAILED),
        (errors.DiskError("x"), Moment.FAILED),
        (errors.ConfigError("x"), Moment.FAILED),
        (errors.KeyRefused("x"), Moment.FAILED),
        (errors.NeedsPerson("x"), Moment.NEEDS_PERSON),
        (errors.BillingStopped("x"), Moment.NEEDS_PERSON),
        (errors.ServerError("x"), None),
        (errors.RateLimited("x"), None),
        (errors.NotFinished("x"), None),
        (errors.UsageError("x"), None),
    ],
)
def test_the_moment_of_an_error(error: BatchrunError, moment: Moment | None) -> None:
    found = event.of_error(error)
    assert (found.moment if found else None) == moment


def test_one_error_is_one_happening() -> None:
    one, same, other = (event.of_error(errors.DataError(text)) for text in ("x", "x", "y"))
    assert one == same != other
    refused = (event.of_error(errors.KeyRefused(f"HTTP 401 req_{n}", type="a")) for n in range(2))
    assert len(set(refused)) == 1


def test_what_goes_on_is_none() -> None:
    assert event.of_state(STATE, POLICY) is None
    running = replace(STATE, shards=(shard(phase=Phase.PLANNED),))
    assert event.of_state(running, POLICY) is None


def test_each_need_is_its_own() -> None:
    held = [
        replace(STATE, shards=(shard(phase=Phase.HELD, reason=reason),))
        for reason in (Reason.SEVERAL, Reason.RESULTS, Reason.SEVERAL)
    ]
    found = [event.of_state(state, POLICY) for state in held]
    assert found[0] == found[2] != found[1]
    assert all(h and (h.moment, h.code) == (Moment.NEEDS_PERSON, ExitCode.NEEDS_PERSON) for h in found)


def test_a_refused_shard_is_a_failure() -> None:
    refused = replace(STATE, shards=(shard(phase=Phase.REFUSED, reason=Reason.REJECTED),))
    found = event.of_state(refused, POLICY)
    assert found is not None
    assert (found.moment, found.code) == (Moment.FAILED, ExitCode.DATA)
