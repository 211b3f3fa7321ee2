from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchrun.config.bounds import bounded
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
    assert bounded(found, Config(poll_min_interval=least)).timing == Timing(poll_interval=interval)
