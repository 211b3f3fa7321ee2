from __future__ import annotations

import pytest

from batchrun.model import RequestCounts
from batchrun.simulator.record import DAY, Record, shown

START = 1_795_000_000.0


def record(seconds: float = 100.0, cancelled: float | None = None) -> Record:
    return Record(
        "msgbatch_01x",
        START,
        requests=10,
        process_seconds=seconds,
        cancel_seconds=5.0,
        api_version="2023-06-01",
        cancel_initiated_at=None if cancelled is None else START + cancelled,
    )


@pytest.mark.parametrize(
    ("seconds", "cancelled", "after", "done"),
    [
        (100, None, -50, 0),
        (100, None, 0, 0),
        (100, None, 55, 5),
        (100, None, 100, 10),
        (100, None, 1e9, 10),
        (0, None, 0, 10),
        (0, None, -50, 10),
        (0, -20, 1e9, 10),
        (100, -20, 1e9, 0),
        (100, 31, 1e9, 3),
        (2 * DAY, None, 1e9, 5),
        (1e12, None, 1e9, 0),
        (0.1, None, 0.1, 10),
    ],
)
def test_requests_are_worked_off_evenly(
    seconds: float, cancelled: float | None, after: float, done: int
) -> None:
    assert record(seconds, cancelled).done(START + after) == done


@pytest.mark.parametrize(
    ("seconds", "cancelled", "ends"),
    [(100, None, 100), (100, 31, 36), (100, 99, 104), (2 * DAY, None, DAY), (2 * DAY, DAY - 1, DAY)],
)
def test_when_a_batch_ends(seconds: float, cancelled: float | None, ends: float) -> None:
    assert record(seconds, cancelled).ends_at == START + ends


def test_the_object_of_a_fresh_batch() -> None:
    assert shown(record(), START, "http://x/results") == {
        "id": "msgbatch_01x",
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": 10, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": None,
        "created_at": "2026-11-18T11:06:40.000000+00:00",
        "expires_at": "2026-11-19T11:06:40.000000+00:00",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }


def test_fields_come_in_the_order_of_the_wire() -> None:
    counts = RequestCounts(processing=4, succeeded=6)
    assert list(shown(record(), START, "", counts)) == [
        "id",
        "type",
        "processing_status",
        "request_counts",
        "ended_at",
        "created_at",
        "expires_at",
        "archived_at",
        "cancel_initiated_at",
        "results_url",
    ]
    assert shown(record(), START, "", counts)["request_counts"] == {
        "processing": 4,
        "succeeded": 6,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
