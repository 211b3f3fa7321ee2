"""Reports as JSON, for programs: every field of the report under its own name, and what it derives."""

from __future__ import annotations

from typing import Any

import orjson

from batchrun.codec import encode
from batchrun.report import PlanReport, StatusReport, Summary


def dumps(report: Summary | PlanReport | StatusReport) -> str:
    """Indented JSON with LF at its end. What a report does not know is left out."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(values(report), option=options).decode()


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
