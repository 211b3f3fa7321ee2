"""Reports as JSON, for programs: every field of the report under its own name, and what it derives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.codec import encode
from batchrun.cost.amounts import Summary
from batchrun.reports.job import StatusReport
from batchrun.reports.overview import FolderOverview
from batchrun.reports.plan import PlanReport
from batchrun.safetext import escaped


def dumps(report: Summary | PlanReport | StatusReport) -> str:
    """Indented JSON with LF at its end. What a report does not know is left out."""
    return text(values(report))


def dumps_folders(reports: Sequence[FolderOverview]) -> str:
    """`{"folders": […]}`, each with its jobs as `status` has them (schemas/folders.schema.json)."""
    return text({"folders": [_of_folder(report) for report in reports]})


def text(value: object) -> str:
    """Indented JSON with LF at its end, in which nothing moves a terminal."""
    return escaped(jsonbytes.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)).decode()


def _of_folder(report: FolderOverview) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "folder": report.folder,
        "sandbox": report.sandbox,
        "counts": report.counts(),
        "spent_usd": report.spent_usd,
        "at_stake_usd": report.at_stake_usd,
        "rehearsals": report.rehearsals,
    }
    jobs = [
        {
            "standing": job.standing.value,
            "spec": job.spec,
            "looked": job.looked,
            "remark": job.remark,
            **values(job.report),
        }
        for job in report.jobs
    ]
    return facts | {"jobs": jobs, "broken": encode(report.broken), "new": encode(report.new)}


def values(report: Summary | PlanReport | StatusReport) -> dict[str, Any]:
    """The report as JSON values."""
    value: dict[str, Any] = encode(report)
    match report:
        case Summary():
            value |= _derived(report)
        case PlanReport():
            value["over_budget"] = report.over_budget
        case StatusReport(summary=Summary() as summary):
            value["summary"] |= _derived(summary)
    return value


def _derived(summary: Summary) -> dict[str, Any]:
    return {"all_succeeded": summary.all_succeeded, "unusable": summary.unusable}
