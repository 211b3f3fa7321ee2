"""The facts of one batch, where the clock puts it, and how the API shows it (api-facts §2.7)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from batchrun.model import Json, ProcessingStatus, RequestCounts

DAY = 24 * 3600.0
RETENTION = 29 * DAY  # counted from created_at (api-facts §2.6)


@dataclass(frozen=True, slots=True)
class Record:
    """What batch.json holds. Times are seconds since the epoch."""

    id: str
    created_at: float
    requests: int
    process_seconds: float
    cancel_seconds: float
    api_version: str
    betas: tuple[str, ...] = ()
    user_profile_id: str | None = None
    cancel_initiated_at: float | None = None
    counts: RequestCounts | None = None  # the final ones; there once the results are
    deleted: bool = False

    @property
    def expires_at(self) -> float:
        return self.created_at + DAY

    @property
    def stops_at(self) -> float:
        """When no further request is begun."""
        ends = (self.created_at + self.process_seconds, self.expires_at, self.cancel_initiated_at)
        return min(end for end in ends if end is not None)

    @property
    def ends_at(self) -> float:
        if self.cancel_initiated_at is None:
            return self.stops_at
        return min(self.cancel_initiated_at + self.cancel_seconds, self.expires_at)

    def done(self, now: float) -> int:
        """How many requests were worked off by `now`: the first ones, as many as the time allowed."""
        # The clock may have been set back since: nothing is done before there was a batch.
        until = max(self.created_at, min(now, self.stops_at))
        if until >= self.created_at + self.process_seconds:
            return self.requests
        return int(self.requests * (until - self.created_at) / self.process_seconds)

    def status(self) -> ProcessingStatus:
        if self.counts is not None:
            return ProcessingStatus.ENDED
        return (
            ProcessingStatus.IN_PROGRESS if self.cancel_initiated_at is None else ProcessingStatus.CANCELING
        )


def wire_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def shown(
    record: Record, now: float, results_url: str, running: RequestCounts | None = None
) -> dict[str, Json]:
    """The batch object, fields in the order of the wire. `running`: counts to show while it is not ended."""
    ended = record.counts is not None
    counts = record.counts or running or RequestCounts(processing=record.requests)
    archived_at = record.created_at + RETENTION
    return {
        "id": record.id,
        "type": "message_batch",
        "processing_status": record.status().value,
        "request_counts": asdict(counts),
        "ended_at": wire_time(record.ends_at) if ended else None,
        "created_at": wire_time(record.created_at),
        "expires_at": wire_time(record.expires_at),
        "archived_at": wire_time(archived_at) if ended and now >= archived_at else None,
        "cancel_initiated_at": _time(record.cancel_initiated_at),
        "results_url": results_url if ended else None,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else wire_time(seconds)
