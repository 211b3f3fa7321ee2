from __future__ import annotations

import pytest

from batchrun.cost.amounts import Cause, Estimate, Summary
from batchrun.reports.plan import ExactSample, PlanReport


def plan(
    new: int, high: float | None, budget: float | None, *, spent: float = 0.0, at_stake: float = 0.0
) -> PlanReport:
    return PlanReport(
        "job",
        1,
        1,
        0,
        new,
        0,
        estimate=Estimate(cost_high=high),
        spent_usd=spent,
        at_stake_usd=at_stake,
        max_cost_usd=budget,
    )


@pytest.mark.parametrize(
    ("report", "over"),
    [
        (plan(1, 2.0, None), False),
        (plan(1, None, None), False),
        (plan(1, 2.0, 2.0), False),
        (plan(1, 2.0, 1.99), True),
        (plan(1, 2.0, 3.0, spent=1.01), True),
        (plan(1, 2.0, 3.0, at_stake=1.01), True),
        (plan(1, None, 100.0), True),
        (plan(0, None, 0.0), False),
    ],
)
def test_a_plan_knows_whether_it_fits_the_budget(report: PlanReport, over: bool) -> None:
    assert report.over_budget is over


def test_a_summary_tells_failed_from_unusable() -> None:
    summary = Summary(
        "job", "o", records=3, statuses={"succeeded": 3}, problems=(Cause("refusal", "", 2, "1"),)
    )
    assert (summary.succeeded, summary.all_succeeded, summary.unusable) == (3, True, 2)
    assert Summary("job", "o").all_succeeded
    assert not Summary("job", "o", records=1, statuses={"expired": 1}).all_succeeded


def test_the_mean_of_counted_requests() -> None:
    assert ExactSample(4, 10).mean == 2.5
    assert ExactSample(0, 0).mean == 0.0
