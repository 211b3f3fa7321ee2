"""All jobs of a folder on one screen of 80 columns: what needs a person first, each with the command to copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from batchrun.render.lines import WIDTH, Paint, joined, plural, wrapped
from batchrun.reports.job import INVENTED
from batchrun.reports.overview import BrokenSpec, FolderOverview, JobOverview, NewSpec, Standing
from batchrun.safetext import plain
from batchrun.units import format_duration, format_usd

T = TypeVar("T")

_WORDS = {"needs_person": "needs a person", "not_started": "not started"}
_NAME = 26
"""Columns of a job's name."""


def folder(report: FolderOverview, *, color: bool = False, every: bool = False) -> str:
    """The screen; `every` leaves nothing out."""
    return joined(_folder(report, Paint(color), every))


def _folder(report: FolderOverview, paint: Paint, every: bool) -> Iterator[str]:
    yield from _head(report, paint)
    begun = (NewSpec(job.spec or job.report.job, job.remark) for job in report.of(Standing.NOT_STARTED))
    new = (*begun, *report.new)
    running = f"{'RUNNING':<{_NAME + 2}} {'REQUESTS':>9}  {'FOR':>7}  {'LOOKED AT':>11}  MUST END"
    done = f"{'DONE':<{_NAME + 2}} {'SUCCEEDED':>17}  {'COST':>9}  ANSWER"
    needs = report.of(Standing.NEEDS_PERSON)
    yield from _block(paint.bad("NEEDS A PERSON"), needs, lambda job: _need(job, paint), 20, every)
    yield from _block(paint.dim(running), report.of(Standing.RUNNING), _running, 20, every)
    yield from _block(paint.bad("BROKEN"), report.broken, _broken, 10, every)
    yield from _block(paint.dim("NOT STARTED"), new, _new, 5, every)
    yield from _block(paint.dim(done), report.of(Standing.DONE), lambda job: _done(job, paint), 10, every)
    if report.rehearsals:
        yield ""
        them = "it" if report.rehearsals == 1 else "them"
        yield f"and {plural(report.rehearsals, 'rehearsal')} in the sandbox; --sandbox shows {them}"


def _head(report: FolderOverview, paint: Paint) -> Iterator[str]:
    counts = report.counts()
    invented = f"  {paint.warn(INVENTED)}" if report.sandbox else ""
    total = len(report.jobs) + len(report.broken) + len(report.new)
    yield f"{paint.bold(plain(report.folder, 60))}  {plural(total, 'job')}{invented}"
    if not total and not report.rehearsals:
        yield "  no spec (*.yaml, *.yml) stands here, and none was run here; `batchrun init`"
        yield "  writes one. Jobs are shown for the folder in which their specs stand."
    if total:
        yield "  " + " · ".join(f"{n:,} {_WORDS.get(word, word)}" for word, n in counts.items() if n)
    if report.spent_usd or report.at_stake_usd:
        cost = f"  {format_usd(report.spent_usd)} spent"
        yield cost + (f", at most {format_usd(report.at_stake_usd)} under way" if report.at_stake_usd else "")


def _block(
    title: str, items: Sequence[T], lines: Callable[[T], Iterator[str]], most: int, every: bool
) -> Iterator[str]:
    """A group with the lines of each item, and a word about those that are left out."""
    if not items:
        return
    yield ""
    yield title
    shown = items if every else items[:most]
    for item in shown:
        yield from lines(item)
    if hidden := len(items) - len(shown):
        yield f"  and {hidden:,} more; --all shows them"


def _need(job: JobOverview, paint: Paint) -> Iterator[str]:
    yield f"  {paint.bad(plain(job.report.job, 60))}  {plain(job.report.state)}"
    for need in job.report.needs:
        yield from (f"    {line}" for line in wrapped(plain(need.what, 1000), 4))
        yield from (f"      {command}" for command in need.commands)


def _running(job: JobOverview) -> Iterator[str]:
    requests = f"{job.requests:,}" if job.requests else "–"
    age = "–" if job.age is None else _time(job.age)
    yield f"  {_name(job)} {requests:>9}  {age:>7}  {_time(job.looked) + ' ago':>11}  {_end(job)}"
    yield from (f"    {line}" for line in wrapped(job.remark, 4)[:3])


def _end(job: JobOverview) -> str:
    if job.ends_in is None:
        phases = {shard.phase for shard in job.report.shards}
        return "being looked for" if "submitting" in phases else "not known yet"
    return f"in {_time(job.ends_in)}" if job.ends_in > 0 else "by now"


def _new(spec: NewSpec) -> Iterator[str]:
    yield f"  {plain(spec.spec, WIDTH - 2)}"
    yield from (f"    {line}" for line in wrapped(spec.remark, 4)[:3])


def _broken(broken: BrokenSpec) -> Iterator[str]:
    yield f"  {plain(broken.spec, 60)}  {_time(broken.age)} ago"
    yield from (f"    {line}" for line in wrapped(broken.text, 4)[:2])
    yield f"    more in {plain(broken.error, 1000)}"


def _done(job: JobOverview, paint: Paint) -> Iterator[str]:
    style: Callable[[str], str] = paint.bad if job.failed else str
    line = f"  {_name(job)} {style(f'{_succeeded(job):>17}')}  {format_usd(job.report.spent_usd):>9}"
    answer = plain(job.report.output, 1000)
    if _NAME + 33 + len(answer) <= WIDTH:
        yield f"{line}  {answer}"
    else:
        yield line
        yield f"    {answer}"
    if job.failed and job.report.next:
        yield f"    {job.report.next}"


def _succeeded(job: JobOverview) -> str:
    if job.report.state == "canceled":
        return "canceled"
    summary = job.report.summary
    return f"{summary.succeeded:,} of {summary.records:,}" if summary else ""


def _name(job: JobOverview) -> str:
    return f"{plain(job.report.job, _NAME):<{_NAME}}"


def _time(seconds: float) -> str:
    return format_duration(round(seconds) if seconds < 60 else seconds)
