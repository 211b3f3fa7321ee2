"""What a job's own answers say of the requests it is to send: a better guess than bytes alone allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from batchrun.cost.amounts import Estimate, Tally
from batchrun.lifecycle.state import RunState, Shard
from batchrun.reports.plan import History
from batchrun.run.prepare import Prepared
from batchrun.rundir.shards import params_bytes

_ALIKE = ("model", "thinking", "tools", "output_config")
"""Parts of the request that change what a row costs, beside its bytes. Where they were edited, earlier answers
say nothing."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one shard's answers took: tokens for each byte of the requests, tokens and USD for each request."""

    answers: int
    bytes: float
    input: int
    output: int
    cost: float | None


def history(state: RunState | None, found: Prepared) -> History | None:
    """What the new requests in `found` will take; None where the job has no answers to requests like them."""
    taken = _taken(state, found)
    if not taken or not found.shards:
        return None
    answers, size = sum(t.answers for t in taken), sum(t.bytes for t in taken)
    new, new_bytes = _new(found)
    costs = [t.cost for t in taken if t.cost is not None]
    return History(
        answers=answers,
        input_tokens=round(sum(t.input for t in taken) / size * new_bytes),
        output_tokens=round(sum(t.output for t in taken) / answers * new),
        cost_usd=round(sum(costs) / answers * new, 10) if len(costs) == len(taken) else None,
    )


def with_low(estimate: Estimate, state: RunState | None, found: Prepared) -> Estimate:
    """`estimate` with the low figures of the shard that took least; the high ones stay the bound."""
    taken = _taken(state, found)
    if not taken or not found.shards:
        return estimate
    new, new_bytes = _new(found)
    low = replace(
        estimate,
        input_low=min(estimate.input_high, int(_least(taken, lambda t: t.input / t.bytes) * new_bytes)),
        output_low=min(estimate.output_high, int(_least(taken, lambda t: t.output / t.answers) * new)),
    )
    costs = [t.cost / t.answers for t in taken if t.cost is not None]
    if estimate.cost_high is None or len(costs) < len(taken):
        return low
    return replace(low, cost_low=min(estimate.cost_high, round(min(costs) * new, 10)))


def _new(found: Prepared) -> tuple[int, int]:
    """How many requests are new, and their bytes."""
    return sum(s.requests for s in found.shards), sum(map(params_bytes, found.shards))


def _least(taken: Sequence[_Taken], figure: Callable[[_Taken], float]) -> float:
    return min(map(figure, taken))


def _taken(state: RunState | None, found: Prepared) -> list[_Taken]:
    last = state.expansion if state else None
    if state is None or last is None:
        return []
    now = found.expansion.parts
    if any(now.get(part) != last.parts.get(part) for part in _ALIKE):
        return []
    return [t for s in state.shards if s.tally and (t := _of(s, s.tally))]


def _of(shard: Shard, tally: Tally) -> _Taken | None:
    answers, usage = tally.counts.succeeded, tally.usage
    size = params_bytes(shard) * answers / shard.requests if shard.requests else 0
    if not answers or size <= 0:
        return None
    read = usage.input_tokens + usage.cache_write_5m + usage.cache_write_1h + usage.cache_read
    return _Taken(answers, size, read, usage.output_tokens, None if tally.unpriced else tally.cost_usd)
