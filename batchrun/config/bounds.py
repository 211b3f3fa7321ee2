"""A job within what the operator allows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from batchrun.config.values import Config
from batchrun.errors import Problem
from batchrun.model import Job, Limits, Timing
from batchrun.units import format_duration


def bounded(job: Job, config: Config) -> Job:
    """`job` with the operator's budget, poll rate, and care before a lost submission is repeated."""
    return replace(job, limits=_limits(job.limits, config), timing=_timing(job.timing, config))


def hurries(job: Job, config: Config) -> Iterator[Problem]:
    """What the spec says of the search for a lost submission, and is less than what the operator lets hold."""
    asked, held = job.timing, _timing(job.timing, config)
    if held.reconcile_listings > asked.reconcile_listings:
        yield _less(job, "listings", f"{held.reconcile_listings}")
    if held.reconcile_over > asked.reconcile_over:
        yield _less(job, "over", format_duration(held.reconcile_over))


def _less(job: Job, name: str, least: str) -> Problem:
    return Problem(
        f"is less than {least}, which holds instead: what is listed late would be paid for twice",
        str(job.spec),
        f"only the operator can allow less: reconcile.{name} in batchrun.toml",
        f"reconcile.{name}",
    )


def _timing(timing: Timing, config: Config) -> Timing:
    """A lost submission that shows late is paid for twice: how long it is looked for is no matter of the spec alone."""
    return replace(
        timing,
        poll_interval=max(timing.poll_interval, config.poll_min_interval),
        reconcile_listings=max(timing.reconcile_listings, config.reconcile_listings),
        reconcile_over=max(timing.reconcile_over, config.reconcile_over),
        reconcile_gap=max(timing.reconcile_gap, config.reconcile_gap),
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
