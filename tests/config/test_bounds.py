from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchrun.config.bounds import bounded, hurries
from batchrun.config.values import Config
from batchrun.model import Limits, Timing
from tests.jobs import job

ORIGINS = {"budget.default_usd": "/srv/batchrun.toml:2:15", "budget.job_usd": "BATCHRUN_BUDGET_JOB_USD"}


@pytest.mark.parametrize(
    ("spec", "default", "ceiling", "budget", "source"),
    [
        (None, None, None, None, "limits.max_cost_usd"),
        (3.0, None, None, 3.0, "limits.max_cost_usd"),
        (3.0, 1.0, 3.0, 3.0, "limits.max_cost_usd"),
        (3.0, None, 2.0, 2.0, "budget.job_usd (BATCHRUN_BUDGET_JOB_USD)"),
        (None, 5.0, None, 5.0, "budget.default_usd (/srv/batchrun.toml:2:15)"),
        (None, 5.0, 4.0, 4.0, "budget.job_usd (BATCHRUN_BUDGET_JOB_USD)"),
        (None, None, 0.0, 0.0, "budget.job_usd (BATCHRUN_BUDGET_JOB_USD)"),
    ],
)
def test_the_budget(
    spec: float | None, default: float | None, ceiling: float | None, budget: float | None, source: str
) -> None:
    config = Config(budget_default_usd=default, budget_job_usd=ceiling, origins=ORIGINS)
    limits = bounded(replace(job(Path("/srv")), limits=Limits(max_cost_usd=spec)), config).limits
    assert (limits.max_cost_usd, limits.max_cost_from) == (budget, source)


@pytest.mark.parametrize(
    ("spec", "least", "interval"), [(60.0, 0.0, 60.0), (5.0, 30.0, 30.0), (60.0, 30.0, 60.0)]
)
def test_the_poll_rate(spec: float, least: float, interval: float) -> None:
    found = replace(job(Path("/srv")), timing=Timing(poll_interval=spec))
    assert bounded(found, Config(poll_min_interval=least)).timing.poll_interval == interval


@pytest.mark.parametrize(
    ("asked", "least", "held", "told"),
    [
        ((3, 900.0), (2, 10.0, 2.0), (3, 900.0, 2.0), []),
        ((1, 0.001), (2, 10.0, 2.0), (2, 10.0, 2.0), ["listings", "over"]),
        ((2, 1.0), (2, 10.0, 2.0), (2, 10.0, 2.0), ["over"]),
        ((100, 0.5), (2, 10.0, 2.0), (100, 10.0, 2.0), ["over"]),
        ((1, 3600.0), (2, 10.0, 2.0), (2, 3600.0, 2.0), ["listings"]),
        ((3, 900.0), (5, 7200.0, 60.0), (5, 7200.0, 60.0), ["listings", "over"]),
        ((1, 0.001), (1, 0.0, 0.0), (1, 0.001, 0.0), []),
    ],
)
def test_how_long_a_lost_submission_is_looked_for(
    asked: tuple[int, float],
    least: tuple[int, float, float],
    held: tuple[int, float, float],
    told: list[str],
) -> None:
    spec = replace(job(Path("/srv")), timing=Timing(reconcile_listings=asked[0], reconcile_over=asked[1]))
    config = Config(reconcile_listings=least[0], reconcile_over=least[1], reconcile_gap=least[2])
    found = bounded(spec, config).timing
    assert (found.reconcile_listings, found.reconcile_over, found.reconcile_gap) == held
    assert [problem.field for problem in hurries(spec, config)] == [f"reconcile.{name}" for name in told]


def test_the_least_of_an_operator_who_says_nothing() -> None:
    spec = replace(job(Path("/srv")), timing=Timing(reconcile_listings=1, reconcile_over=0.0))
    found = bounded(spec, Config()).timing
    assert (found.reconcile_listings, found.reconcile_over, found.reconcile_gap) == (2, 10.0, 2.0)
    said = [(str(problem.message), problem.where, problem.hint) for problem in hurries(spec, Config())]
    assert said == [
        (
            f"is less than {least}, which holds instead: what is listed late would be paid for twice",
            "/srv/job.yaml",
            f"only the operator can allow less: reconcile.{name} in batchrun.toml",
        )
        for name, least in (("listings", "2"), ("over", "10s"))
    ]
