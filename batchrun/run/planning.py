"""What a run would do, as a report: new and reused requests and why, shards, tokens, cost. Sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson

from batchrun.cost.amounts import NO_REQUESTS
from batchrun.errors import Problem
from batchrun.lifecycle import budget
from batchrun.lifecycle.policy import policy_of
from batchrun.lifecycle.retry import invalid, rows_to_ask, rows_to_retry
from batchrun.lifecycle.state import RunState, Shard
from batchrun.model import Job, Json
from batchrun.outputs.writers import check_installed
from batchrun.reports.plan import ExactSample, PlannedShard, PlanReport
from batchrun.run.history import history, with_low
from batchrun.run.prepare import Prepared, survey
from batchrun.rundir.store import Store
from batchrun.safetext import plain

CountTokens = Callable[[Mapping[str, Json]], int]
Refuse = Callable[[Sequence[Shard], RunState], None]


def plan(
    job: Job,
    store: Store,
    *,
    warnings: Sequence[str] = (),
    exact: int = 0,
    count_tokens: CountTokens | None = None,
    refuse: Refuse | None = None,
) -> PlanReport:
    """The report for `job`. Touches no file; with `exact`, asks `count_tokens` about so many new requests. `refuse`
    hears of what would be sent, and raises what a run would.

    Raises ConfigError, DataError and MissingInput as a run would.
    """
    check_installed(job.output)
    state = store.load()
    found = survey(job, state, store, sample=exact)
    if refuse:
        refuse(found.shards, state or RunState(job.name, job.spec.name, "anthropic", ""))
    counted = None
    if exact and count_tokens is not None and found.sample:
        counted = ExactSample(len(found.sample), sum(count_tokens(orjson.loads(p)) for p in found.sample))
    return PlanReport(
        job=job.name,
        rows=found.expansion.rows,
        requests=found.expansion.requests,
        duplicates=found.duplicates,
        new=found.new,
        reused=found.reused,
        reasons=tuple(_why_new(state, found)) if found.new else (),
        shards=tuple(PlannedShard(s.id, s.requests, s.bytes) for s in found.shards),
        estimate=with_low(sum((s.estimate for s in found.shards), NO_REQUESTS), state, found),
        exact=counted,
        history=history(state, found),
        samples=job.samples,
        spent_usd=budget.spent(state) if state else 0.0,
        at_stake_usd=budget.at_stake(state) if state else 0.0,
        max_cost_usd=job.limits.max_cost_usd,
        warnings=(
            *warnings,
            *map(told_in_a_line, found.warnings),
            *(_failed(state, job, found) if state else ()),
        ),
    )


def told_in_a_line(problem: Problem) -> str:
    where = f"{problem.where}: " if problem.where else ""
    return "; ".join(filter(None, (f"{where}{problem.message}", problem.hint)))


def _why_new(state: RunState | None, found: Prepared) -> list[str]:
    """Why the new requests are new, the widest cause first."""
    last, now = state.expansion if state else None, found.expansion
    if state is None or last is None:
        return ["the job was never run"]
    if not any(shard.batch or shard.intent for shard in state.shards):
        return ["nothing was submitted yet"]
    edited = sorted(k for k in now.parts.keys() | last.parts.keys() if now.parts.get(k) != last.parts.get(k))
    reasons = []
    if edited:
        reasons.append(f"the request changed: {', '.join(edited)}")
    if now.samples > last.samples:
        reasons.append(f"samples went from {last.samples} to {now.samples}")
    if found.added:
        reasons.append(f"{found.added:,} {'row was' if found.added == 1 else 'rows were'} added")
    if found.changed and not reasons[: bool(edited) + (now.samples > last.samples)]:
        rows = "row changed or was" if found.changed == 1 else "rows changed or were"
        reasons.append(f"{found.changed:,} {rows} never sent")
    return reasons


def _failed(state: RunState, job: Job, found: Prepared) -> Iterator[str]:
    """What became of rows that failed: a run tries some of them again, and `retry` the rest."""
    again = rows_to_retry(state, policy_of(job))
    if again:
        rows = "row is" if again == 1 else "rows are"
        yield f"{again:,} failed {rows} worth another attempt, which comes on top"
    edited = state.expansion is None or state.expansion.parts != found.expansion.parts
    if state.collected is None or edited:  # an edited request is new in every row
        return
    summary = state.collected.summary
    if (failed := rows_to_ask(summary) - again) > 0:
        rows, them = ("row", "it") if failed == 1 else ("rows", "them")
        yield f"{failed:,} {rows} failed; `batchrun retry` asks {them} again"
    if causes := invalid(summary.errors):
        count = sum(cause.count for cause in causes)
        rows, them = ("row", "it") if count == 1 else ("rows", "them")
        example = f"row {plain(causes[0].example, 60)}"
        yield f"the API called {count:,} {rows} invalid; only a change of the spec or the data cures {them} ({example})"
