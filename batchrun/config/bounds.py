"""A job within what the operator allows. Pure."""

from __future__ import annotations

from dataclasses import replace

from batchrun.config.values import Config
from batchrun.model import Job, Limits


def bounded(job: Job, config: Config) -> Job:
    """`job` with the operator's budget and poll rate."""
    interval = max(job.timing.poll_interval, config.poll_min_interval)
    return replace(
        job, limits=_limits(job.limits, config), timing=replace(job.timing, poll_interval=interval)
    )


def _limits(limits: Limits, config: Config) -> Limits:
    """The spec's budget or, without one, the operator's; never above the operator's ceiling."""
    found, ceiling = limits, config.budget_job_usd
    if found.max_cost_usd is None and config.budget_default_usd is not None:
        found = _budget(found, config, "budget.default_usd", config.budget_default_usd)
    if ceiling is not None and (found.max_cost_usd is None or found.max_cost_usd > ceiling):
        found = _budget(found, config, "budget.job_usd", ceiling)
    return found


def _budget(limits: Limits, config: Config, name: str, amount: float) -> Limits:
    return replace(limits, max_cost_usd=amount, max_cost_from=f"{name} ({config.origin(name) or 'default'})")
