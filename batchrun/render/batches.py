"""A batch as text, at 80 columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from batchrun.model import Batch, RequestCounts
from batchrun.safetext import plain

_RETENTION = timedelta(days=29)  # from creation (api-facts §2.6)
_ROW = "{:<33}  {:<11}  {:<16}  {:>10}"
HEADER = _ROW.format("ID", "STATUS", "CREATED (UTC)", "REQUESTS")


def row(batch: Batch) -> str:
    """One line of a list. An id is never cut: it is there to be copied."""
    total = f"{batch.request_counts.total:,}"
    return _ROW.format(plain(batch.id), plain(batch.processing_status), _time(batch.created_at), total)


def details(batch: Batch) -> str:
    """All there is to know about one batch, a line each."""
    lines = {
        "id": plain(batch.id),
        "status": plain(batch.processing_status),
        "requests": _counts(batch.request_counts),
        "created": _utc(batch.created_at),
        "expires": "" if batch.ended else _utc(batch.expires_at),
        "canceled": _utc(batch.cancel_initiated_at),
        "ended": _utc(batch.ended_at),
        "results": _results(batch),
    }
    return "\n".join(f"{name:<9} {value}" for name, value in lines.items() if value)


def _counts(counts: RequestCounts) -> str:
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    parts = [f"{getattr(counts, name):,} {name}" for name in names if getattr(counts, name)]
    return f"{counts.total:,}" + (f" ({', '.join(parts)})" if parts else "")


def _results(batch: Batch) -> str:
    if batch.archived_at:
        return f"gone since {_utc(batch.archived_at)}"
    return f"kept until {_utc(batch.created_at + _RETENTION)}" if batch.ended else ""


def _utc(moment: datetime | None) -> str:
    return f"{_time(moment)} UTC" if moment else ""


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
