"""How a job stands: what runs until when, what it cost, and what only a person can decide. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from batchrun.lifecycle import budget, phases, verdicts
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.retry import invalid, rows_to_ask
from batchrun.lifecycle.state import Phase, Reason, RunState, SentBatch, Shard
from batchrun.lifecycle.verdicts import Verdict
from batchrun.reports.job import Need, ShardStatus, StatusReport
from batchrun.safetext import plain
from batchrun.units import format_duration, format_usd

_GONE = (Reason.REPLACED, Reason.ABANDONED, Reason.LOST)


def command_for(spec: str, *, sandbox: bool = False, roots: Iterable[Path] = ()) -> str:
    """The command line for this job, to be formatted with its verb."""
    # A name that begins with a dash would be taken for an option.
    words = [f"./{spec}" if spec.startswith("-") else spec, *(["--sandbox"] if sandbox else [])]
    for root in roots:
        words += ["--root", str(root)]
    return "batchrun {} " + shlex.join(words).replace("{", "{{").replace("}", "}}")


def status_report(
    state: RunState, policy: Policy, *, output: str, command: str, now: float, sandbox: bool = False
) -> StatusReport:
    """Everything there is to say about a job. `command` is of the form `command_for` gives."""
    verdict = verdicts.verdict(state, policy)
    return StatusReport(
        job=state.job,
        state=_word(state, verdict),
        output=output,
        shards=tuple(_shard(s, now) for s in state.shards if s.reason not in _GONE),
        needs=needs(state, policy, command, now),
        spent_usd=budget.spent(state),
        at_stake_usd=budget.at_stake(state),
        max_cost_usd=policy.max_cost_usd,
        summary=state.collected.summary if state.collected else None,
        next=_next(state, verdict, command),
        advice=_advice(state, verdict, command),
        sandbox=sandbox,
    )


_WORDS = {
    Verdict.NEW: "not started",
    Verdict.RUNNING: "running",
    Verdict.HELD: "held",
    Verdict.OVER_BUDGET: "over budget",
    Verdict.REJECTED: "refused",
    Verdict.DONE: "done",
}
_CANCELED = {Verdict.RUNNING: "canceling", Verdict.NEW: "canceling", Verdict.DONE: "canceled"}


def _word(state: RunState, verdict: Verdict) -> str:
    too_late = state.collected is not None and state.collected.all_succeeded
    words = _CANCELED if state.canceled and not too_late else {}
    return words.get(verdict, _WORDS[verdict])


def _next(state: RunState, verdict: Verdict, command: str) -> str:
    if verdict in (Verdict.RUNNING, Verdict.NEW) or (verdict is Verdict.HELD and _active(state)):
        return command.format("run")
    if verdict is not Verdict.DONE or state.collected is None or state.canceled:
        return ""
    return command.format("retry") if rows_to_ask(state.collected.summary) else ""


def _advice(state: RunState, verdict: Verdict, command: str) -> str:
    """What helps where `retry` does not: the same bytes get the same refusal."""
    if verdict is not Verdict.DONE or state.collected is None or state.canceled:
        return ""
    summary = state.collected.summary
    if not (causes := invalid(summary.errors)):
        return ""
    row = plain(causes[0].example, 60)
    advice = f"change the spec or the data (row {row}), then {command.format('run')}"
    if paid := summary.succeeded:
        them = "row that is" if paid == 1 else "rows that are"
        advice += (
            f"; another request asks the {paid:,} {them} answered anew, too ({format_usd(summary.cost_usd)})"
        )
    return advice


def _active(state: RunState) -> bool:
    return any(s.phase in (Phase.SUBMITTING, Phase.SUBMITTED, Phase.ENDED) for s in state.shards)


def _shard(shard: Shard, now: float) -> ShardStatus:
    batch = shard.batch
    running = batch is not None and shard.phase is Phase.SUBMITTED
    waiting = batch is not None and shard.phase in (Phase.SUBMITTED, Phase.ENDED, Phase.HELD)
    began = batch.created_at.timestamp() if batch else now
    ended = batch.ended_at.timestamp() if batch and batch.ended_at else None
    return ShardStatus(
        id=shard.id,
        phase=shard.phase.value,
        requests=shard.requests,
        attempt=shard.attempt,
        batch_id=batch.id if batch else None,
        processing_status=batch.processing_status if batch else None,
        counts=batch.request_counts if batch else None,
        age=now - began if batch and ended is None else None,
        took=None if ended is None else ended - began,
        ends_in=batch.expires_at.timestamp() - now if batch and running else None,
        kept_for=began + phases.RETENTION - now if waiting else None,
        detail=shard.detail,
    )


# ---- what needs a person -----------------------------------------------------------------------


def needs(state: RunState, policy: Policy, command: str, now: float) -> tuple[Need, ...]:
    """The decisions a job waits for, and what should be known in time, each with its commands."""
    found = [_held(s, command) for s in state.shards if phases.needs_person(s)]
    if not state.canceled:
        found += [_rejected(s, command) for s in state.shards if s.reason is Reason.REJECTED]
    if verdicts.verdict(state, policy) is Verdict.OVER_BUDGET:
        found.append(_over_budget(state, policy, command))
    for shard in state.shards:
        if shard.batch and shard.phase in (Phase.SUBMITTED, Phase.ENDED):
            found += _late(shard, shard.batch, policy, command, now)
            found += _unclear(shard, shard.batch, command, canceled=state.canceled)
    return tuple(found)


def _held(shard: Shard, command: str) -> Need:
    adopt = f"{command.format('adopt')} {shard.id}"
    resubmit = f"{command.format('resubmit')} {shard.id} --accept-duplicate-cost"
    batch = shard.batch.id if shard.batch else "BATCH_ID"
    match shard.reason:
        case Reason.SEVERAL:
            return Need(
                f"shard {shard.id} may have been submitted, and {len(shard.candidates)} batches could be it."
                " Name it, or submit again and perhaps pay twice:",
                (*(f"{adopt} {name}" for name in shard.candidates), resubmit),
            )
        case Reason.CREDENTIAL:
            return Need(
                f"shard {shard.id} may have been submitted: {shard.detail}. Run it with the earlier key, name the"
                " batch, or submit again and perhaps pay twice:",
                (command.format("run"), f"{adopt} {batch}", resubmit),
            )
        case Reason.RESULTS:
            return Need(
                f"the results of {batch} (shard {shard.id}) never came complete: {shard.detail}.{_kept(shard)} Fetch"
                " them again, or submit again and pay twice:",
                (command.format("retry"), resubmit),
            )
        case Reason.NOT_FOUND:
            return Need(
                f"the API knows no {batch} (shard {shard.id}), or not its results: {shard.detail}. Look once"
                " more; or, if it was deleted, submit again and pay twice:",
                (command.format("run"), resubmit),
            )
    return Need(f"shard {shard.id}: {shard.detail}. Submit it again and perhaps pay twice:", (resubmit,))


def _kept(shard: Shard) -> str:
    """Until when there is time to act."""
    if shard.batch is None:
        return ""
    return (
        f" The API keeps them until {shard.batch.created_at + timedelta(seconds=phases.RETENTION):%Y-%m-%d}."
    )


def _rejected(shard: Shard, command: str) -> Need:
    return Need(
        f"the API refused shard {shard.id}, nothing was submitted: {shard.detail}. Mend the spec and run it"
        " again, or send it as it is:",
        (command.format("retry"),),
    )


def _over_budget(state: RunState, policy: Policy, command: str) -> Need:
    limit = format_usd(policy.max_cost_usd or 0.0)
    if any(s.phase is Phase.PLANNED and s.estimate.cost_high is None for s in state.shards):
        reason = f"the price of a model is not known, so the budget of {limit} cannot be held"
        advice = f"Check the model's name; or take {policy.max_cost_from} out, and allow it with --yes"
    else:
        reason = f"what is planned may cost up to {format_usd(budget.planned(state))}"
        if spent := budget.spent(state):
            reason += f", {format_usd(spent)} is spent"
        if at_stake := budget.at_stake(state):
            reason += f", up to {format_usd(at_stake)} is under way"
        reason += f"; the budget is {limit}"
        advice = f"Raise {policy.max_cost_from}, or ask for less"
    reason += f". Nothing was submitted. {advice}"
    if any(s.tally for s in state.shards):
        return Need(
            f"{reason}; or write the answers there are:", (command.format("plan"), command.format("cancel"))
        )
    return Need(f"{reason}:", (command.format("plan"),))


def _late(shard: Shard, batch: SentBatch, policy: Policy, command: str, now: float) -> list[Need]:
    if not phases.overdue(shard, policy, now):
        return []
    age = format_duration(now - batch.created_at.timestamp())
    words = f"{batch.id} has not ended after {age}; the API ends a batch within 24 h. Look once more:"
    return [Need(words, (command.format("run"),))]


def _unclear(shard: Shard, batch: SentBatch, command: str, *, canceled: bool) -> list[Need]:
    run = command.format("run")
    if shard.reason is Reason.NOT_FOUND:
        words = (
            f"the API knows no {batch.id} (shard {shard.id}). Look once more; or, if it was deleted, submit"
        )
        resubmit = f"{command.format('resubmit')} {shard.id} --accept-duplicate-cost"
        return [Need(f"{words} again and pay twice:", (run, resubmit))]
    if canceled and batch.provisional:
        words = f"{batch.id} may be the batch of shard {shard.id}, or a stranger's: it is not canceled."
        return [Need(f"{words} Its results will tell:", (run,))]
    return []
