"""Reports as text. Nothing here decides anything: it shows what a report holds.

What the API or a model wrote was made plain when the report was built; other foreign words are made so here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchrun.cost.amounts import Cause, Summary
from batchrun.render.lines import INDENT, LABEL, Paint, counted, joined, labelled, plural, span, wrapped
from batchrun.reports.job import INVENTED, ShardStatus, StatusReport
from batchrun.reports.plan import History, PlanReport
from batchrun.safetext import plain
from batchrun.units import DAY, format_duration, format_size, format_usd

SHOWN_CAUSES = 5
SHOWN_FETCHED = 5
WARN_KEPT = 5 * DAY
"""Warn when the API keeps unfetched results for no longer than this (design §4)."""

# ---- summary -----------------------------------------------------------------------------------


def summary(
    report: Summary, *, color: bool = False, next_command: str = "", advice: str = "", sandbox: bool = False
) -> str:
    """What a finished job came to; `next_command` is what to run next, and `advice` what else to do, where there is
    something."""
    return joined(_summary(report, Paint(color), next_command, advice, sandbox))


def _summary(report: Summary, paint: Paint, next_command: str, advice: str, sandbox: bool) -> Iterator[str]:
    what = "row" if report.rows == report.records else "answer"
    done = f"{report.succeeded:,} of {plural(report.records, what)} succeeded"
    done = paint.good(done) if report.all_succeeded else paint.bad(done)
    yield f"{paint.bold(plain(report.job))}  {done}{_invented(sandbox, paint)}"
    yield ""
    yield from _answers(report, paint)
    yield from labelled(paint, "output", plain(report.output))
    yield from _to_do(next_command, advice, paint)


def _to_do(command: str, advice: str, paint: Paint) -> Iterator[str]:
    if command:
        yield _next(command, paint)
    if advice:
        yield _next(advice, paint)


def _next(command: str, paint: Paint) -> str:
    """Never wrapped: it is there to be pasted."""
    return f"  {paint.dim('next'.ljust(LABEL))}{command}"


def _invented(sandbox: bool, paint: Paint) -> str:
    return f"  {paint.warn(INVENTED)}" if sandbox else ""


def _answers(report: Summary, paint: Paint) -> Iterator[str]:
    failed = {word: count for word, count in report.statuses.items() if word != "succeeded"}
    if failed:
        yield from labelled(paint, "failed", counted(failed))
        yield from _causes(report.errors, paint, paint.bad)
    if report.problems:
        yield from labelled(paint, "look at", f"{plural(report.unusable, 'row')} that succeeded, but:")
        yield from _causes(report.problems, paint, paint.warn)
    if report.stop_reasons:
        yield from labelled(paint, "stopped by", counted(report.stop_reasons))
    usage = report.usage
    tokens = {
        "in": usage.input_tokens,
        "cache read": usage.cache_read,
        "cache write": usage.cache_write_5m + usage.cache_write_1h,
        "out": usage.output_tokens,
    }
    yield from labelled(paint, "tokens", counted({word: n for word, n in tokens.items() if n}) or "none")
    yield from labelled(paint, "cost", _cost(report))
    if report.repeated:
        verb = "repeats" if report.repeated == 1 else "repeat"
        yield from labelled(paint, "shared", f"{report.repeated:,} {verb} an identical row, paid for once")


def _causes(causes: tuple[Cause, ...], paint: Paint, style: Callable[[str], str]) -> Iterator[str]:
    for cause in causes[:SHOWN_CAUSES]:
        count = style(f"{cause.count:,}\N{NO-BREAK SPACE}×")
        yield f"{INDENT}{count} {cause.type}, e.g. row {plain(cause.example, 30)}"
        for part in wrapped(cause.message, len(INDENT) + 2)[:3]:
            yield f"{INDENT}  {paint.dim(part)}"
        if cause.money:
            yield f"{INDENT}  add credit or raise the spend limit, then retry these rows"
    if hidden := causes[SHOWN_CAUSES:]:
        rest = sum(cause.count for cause in hidden)
        yield f"{INDENT}{rest:,} more of {plural(len(hidden), 'other kind')}; --json lists them"


def _cost(report: Summary) -> str:
    text = f"{format_usd(report.cost_usd)} at batch price"
    if report.searches:
        text += f", {plural(report.searches, 'web search', 'web searches')} at full price included"
    if report.unpriced:
        text += f"; without {plural(report.unpriced, 'answer')} of a model whose price is not known"
    return text


# ---- plan --------------------------------------------------------------------------------------


def plan(report: PlanReport, *, color: bool = False) -> str:
    """What a run would do."""
    return joined(_plan(report, Paint(color)))


def _plan(report: PlanReport, paint: Paint) -> Iterator[str]:
    to_do = f"{plural(report.new, 'request')} to submit" if report.new else "nothing to submit"
    yield f"{paint.bold(plain(report.job))}  {paint.bold(to_do) if report.new else paint.good(to_do)}"
    yield ""
    samples = f", {report.samples} samples each" if report.samples > 1 else ""
    yield from labelled(paint, "rows", f"{report.rows:,}{samples}")
    yield from labelled(paint, "requests", _requests(report))
    for reason in report.reasons:
        yield from labelled(paint, "", f"new because {plain(reason)}")
    if report.new:
        size = format_size(sum(shard.bytes for shard in report.shards)).replace(" ", "\N{NO-BREAK SPACE}")
        yield from labelled(paint, "batches", f"{len(report.shards):,}, {size} in all")
        yield from _estimated(report, paint)
    if report.max_cost_usd is not None:
        yield from _budget(report, paint)
    for warning in report.warnings:
        yield from labelled(paint, "warning", plain(warning), paint.warn)


def _likely(history: History) -> str:
    """What is likely, between the two ends."""
    cost = "" if history.cost_usd is None else f"{format_usd(history.cost_usd)}, "
    tokens = f"{history.input_tokens:,} tokens in and {history.output_tokens:,} out"
    return f"about {cost}{tokens}, going by {plural(history.answers, 'answer')} of this job"


def _requests(report: PlanReport) -> str:
    parts = {"new": report.new, "already asked": report.reused}
    shown = counted({word: count for word, count in parts.items() if count})
    text = f"{report.requests:,}" + (f" ({shown})" if report.reused else "")
    return text + (f"; {plural(report.duplicates, 'repeat')} asked only once" if report.duplicates else "")


def _estimated(report: PlanReport, paint: Paint) -> Iterator[str]:
    estimate = report.estimate
    tokens_in = span(f"{estimate.input_low:,}", f"{estimate.input_high:,}")
    source = "estimated from bytes" if report.history is None else "from earlier answers, bounded by bytes"
    yield from labelled(paint, "tokens in", f"{tokens_in}  {source}")
    if report.exact:
        mean, counted_exactly = report.exact.mean, plural(report.exact.requests, "request")
        text = f"about {round(mean * report.new):,}: {mean:,.1f} each in {counted_exactly} counted exactly"
        yield from labelled(paint, "", text)
    tokens_out = span(f"{estimate.output_low:,}", f"{estimate.output_high:,}")
    yield from labelled(paint, "tokens out", f"{tokens_out}  max_tokens is the bound")
    if estimate.cost_low is None or estimate.cost_high is None:
        unpriced = plural(estimate.unpriced, "request")
        yield from labelled(paint, "cost", f"not known: no price for the model of {unpriced}")
        return
    cost = span(format_usd(estimate.cost_low), format_usd(estimate.cost_high))
    yield from labelled(paint, "cost", f"{paint.bold(cost)}  estimated, at batch price")
    if report.history:
        yield from labelled(paint, "", _likely(report.history))
    if estimate.cacheable_high:
        text = (
            f"up to {format_usd(estimate.cache_saving)} less if every marked prefix is read from the cache;"
            f" {format_usd(estimate.cache_premium)} of the upper bound is for writing what nothing reads"
        )
        yield from labelled(paint, "caching", text)
    if estimate.open_ended:
        text = (
            f"no true bound for {plural(estimate.open_ended, 'request')}: server tools, or documents by id or"
            " URL, bring input that is not in the request"
        )
        yield from labelled(paint, "", text)


def _budget(report: PlanReport, paint: Paint) -> Iterator[str]:
    gone = format_usd(report.spent_usd + report.at_stake_usd)
    text = f"{format_usd(report.max_cost_usd or 0.0)}, {gone} of it spent"
    if report.at_stake_usd:
        text += " or under way"
    if report.over_budget:
        known = report.estimate.cost_high is not None
        what = "the upper bound does not fit" if known else "it cannot be held without a price"
        yield from labelled(paint, "budget", f"{text}: {what}", paint.bad)
    else:
        yield from labelled(paint, "budget", text)


# ---- status ------------------------------------------------------------------------------------

_STATES = {"done": Paint.good, "held": Paint.bad, "failed": Paint.bad, "canceled": Paint.warn}


def status(report: StatusReport, *, color: bool = False) -> str:
    """Where a job is."""
    return joined(_status(report, Paint(color)))


def _status(report: StatusReport, paint: Paint) -> Iterator[str]:
    style = _STATES.get(report.state, Paint.bold)
    state = style(paint, plain(report.state))
    yield f"{paint.bold(plain(report.job))}  {state}{_invented(report.sandbox, paint)}"
    yield ""
    yield from _shards(report.shards, paint)
    if report.summary:
        yield from _answers(report.summary, paint)
    else:
        yield from labelled(paint, "cost", _spent(report))
    yield from labelled(paint, "output", plain(report.output))
    yield from _to_do(report.next, report.advice, paint)
    for need in report.needs:
        yield ""
        for number, part in enumerate(wrapped(f"decide: {plain(need.what, 1000)}", 0)):
            yield paint.bad("decide:") + part[len("decide:") :] if number == 0 else part
        yield from (f"    {command}" for command in need.commands)


def _shards(shards: tuple[ShardStatus, ...], paint: Paint) -> Iterator[str]:
    """A line a shard, and one below it where there is more to say. Many fetched ones become one line."""
    fetched = [shard for shard in shards if shard.phase == "fetched"]
    shown = [s for s in shards if s.phase != "fetched"] if len(fetched) > SHOWN_FETCHED else list(shards)
    if len(fetched) > SHOWN_FETCHED:
        requests = plural(sum(shard.requests for shard in fetched), "request")
        yield from labelled(paint, "fetched", f"{plural(len(fetched), 'shard')}, {requests}")
    if shown:
        yield paint.dim(f"  {'SHARD':<6} {'PHASE':<11} {'REQUESTS':>8}  BATCH")
    for shard in shown:
        phase = _phase(shard, paint)
        yield f"  {plain(shard.id, 6):<6} {phase} {shard.requests:>8,}  {plain(shard.batch_id or '–', 48)}"
        yield from (f"         {line}" for text in _details(shard) for line in wrapped(text, 9))
    if shards:
        yield ""


def _phase(shard: ShardStatus, paint: Paint) -> str:
    word = f"{plain(shard.phase, 11):<11}"
    match shard.phase:
        case "fetched":
            return paint.good(word)
        case "held" | "refused":
            return paint.bad(word)
    return word


def _details(shard: ShardStatus) -> Iterator[str]:
    parts = []
    if shard.attempt > 1:
        parts.append(f"attempt {shard.attempt}")
    if counts := shard.counts:
        words = ("succeeded", "errored", "canceled", "expired")
        done = {word: n for word in words if (n := getattr(counts, word))}
        parts.append(counted(done) if done else (shard.processing_status or "").replace("_", " "))
    if shard.age is not None:
        parts.append(f"for {_time(shard.age)}")
    if shard.took is not None:
        parts.append(f"took {_time(shard.took)}")
    if shard.ends_in is not None:
        parts.append(
            f"must end in {_time(shard.ends_in)}" if shard.ends_in > 0 else "should have ended by now"
        )
    if text := ", ".join(part for part in parts if part):
        yield text
    if shard.detail:
        yield plain(shard.detail)
    if shard.kept_for is not None and shard.kept_for <= WARN_KEPT:
        yield f"fetch it soon: the results are kept for {_time(max(shard.kept_for, 0.0))} more"


def _time(seconds: float) -> str:
    return format_duration(seconds).replace(" ", "\N{NO-BREAK SPACE}")


def _spent(report: StatusReport) -> str:
    text = f"{format_usd(report.spent_usd)} so far"
    if report.at_stake_usd:
        text += f", at most {format_usd(report.at_stake_usd)} under way"
    if report.max_cost_usd is not None:
        text += f" (budget {format_usd(report.max_cost_usd)})"
    return text
