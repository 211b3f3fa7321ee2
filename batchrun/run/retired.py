"""Models that are not there any more: nothing is sent to them, and what was sent before is none the worse for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from batchrun.cost.models import retired_on
from batchrun.errors import Problem, SpecError
from batchrun.lifecycle import budget, phases
from batchrun.lifecycle.state import RunState, Shard
from batchrun.requests.params import successor
from batchrun.units import format_usd


def day_of(now: float) -> date:
    """The day at `now`, seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def retired_of(shards: Iterable[Shard], today: date) -> frozenset[str]:
    """The models of these shards that are not there any more."""
    return frozenset(model for shard in shards for model in shard.models if retired_on(model, today))


def refuse_retired(
    shards: Sequence[Shard], told: Sequence[Problem], state: RunState, today: date, *, where: str
) -> None:
    """Raise SpecError where one of `shards`, which would be sent, asks a model that is not there any more. `told`: what
    the spec's reader says of its model; `where`: the spec, for models that rows name."""
    gone = sorted(retired_of(shards, today))
    # Shards that an earlier version cut do not say whom they ask.
    if not gone and not (told and any(not shard.models for shard in shards)):
        return
    problems = list(told) or [
        Problem(f"{model} was retired on {retired_on(model, today)}", where, successor(model))
        for model in gone
    ]
    price = price_of_another_request(state)
    raise SpecError([replace(p, hint="\n".join(filter(None, (p.hint, price)))) for p in problems])


def price_of_another_request(state: RunState) -> str:
    """What has to be known before the request is edited: which paid answers that gives up. Empty where there are none."""
    asked = sum(shard.requests for shard in phases.live(state.shards))
    if not asked:
        return ""
    cost, at_stake = budget.spent(state), budget.at_stake(state)
    worth = f"cost {format_usd(cost)}" if cost or not at_stake else f"may cost {format_usd(at_stake)}"
    if cost and at_stake:
        worth += f", and up to {format_usd(at_stake)} more"
    them = "request is" if asked == 1 else "requests are"
    return (
        f"another request (a new model, prompt or max_tokens) asks every row anew: {asked:,} {them} answered or under"
        f" way, which {worth}"
    )


def priced(problem: Problem, state: RunState) -> Problem:
    """`problem`, which advises another request perhaps, with what that gives up."""
    advises = problem.field == "request" or problem.field.startswith("request.")
    price = price_of_another_request(state) if advises else ""
    return replace(problem, hint="\n".join(filter(None, (problem.hint, price))))
