from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from batchrun.client import wire
from batchrun.model import ProcessingStatus, RequestCounts
from tests.rawserver import batch_json


def test_a_batch() -> None:
    batch = wire.batch({**batch_json(status="ended", succeeded=2, expired=1), "new_field": 1})
    assert batch.processing_status is ProcessingStatus.ENDED
    assert batch.ended
    assert batch.request_counts == RequestCounts(succeeded=2, expired=1)
    assert batch.created_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert batch.ended_at == datetime(2026, 11, 22, 10, 7, 31, tzinfo=UTC)
    assert batch.archived_at is None
    assert batch.raw["new_field"] == 1


def test_a_status_we_do_not_know_stays_a_word() -> None:
    batch = wire.batch(batch_json(status="resting"))
    assert batch.processing_status == "resting"
    assert not batch.ended


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "message"}, "the answer is not a message_batch"),
        ({"id": ""}, "id is missing"),
        ({"id": None}, "id is missing"),
        ({"processing_status": 3}, "processing_status is not a string"),
        ({"request_counts": None}, "request_counts is not an object"),
        ({"request_counts": {"processing": 1}}, "request_counts.succeeded is not a count"),
        ({"request_counts": {"processing": True}}, "request_counts.processing is not a count"),
        ({"request_counts": {"processing": -1}}, "request_counts.processing is not a count"),
        ({"created_at": "yesterday"}, "created_at: not a time"),
        ({"created_at": None}, "created_at is missing"),
        ({"ended_at": 5}, "ended_at is not a string"),
        ({"results_url": 5}, "results_url is not a string"),
    ],
)
def test_what_is_no_batch(change: dict[str, Any], message: str) -> None:
    value: Any = {**batch_json(), **change}
    with pytest.raises(ValueError, match=f"^{message}$"):
        wire.batch(value)


def test_another_batch_than_the_one_asked_for() -> None:
    value: Any = batch_json("msgbatch_2")
    with pytest.raises(ValueError, match=r"^the answer speaks of another batch$"):
        wire.batch(value, id="msgbatch_1")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-29T01:02:03.123456+00:00", datetime(2025, 1, 29, 1, 2, 3, 123456, UTC)),
        ("2025-01-29T01:02:03Z", datetime(2025, 1, 29, 1, 2, 3, tzinfo=UTC)),
        ("2025-01-29T01:02:03.1Z", datetime(2025, 1, 29, 1, 2, 3, 100000, UTC)),
        ("2025-01-29T01:02:03.123456789Z", datetime(2025, 1, 29, 1, 2, 3, 123456, UTC)),
        ("2025-01-29T01:02:03", datetime(2025, 1, 29, 1, 2, 3, tzinfo=UTC)),
        ("2025-01-29T03:02:03+02:00", datetime(2025, 1, 29, 3, 2, 3, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert wire.parse_time(text) == moment


def test_a_page() -> None:
    value: Any = {"data": [batch_json()], "has_more": True, "first_id": "a", "last_id": "b"}
    page = wire.page(value)
    assert [b.id for b in page.data] == ["msgbatch_1"]
    assert (page.has_more, page.first_id, page.last_id) == (True, "a", "b")
    assert wire.page({"data": [], "has_more": False, "first_id": None, "last_id": None}).data == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the answer is not an object"),
        ({"data": {}}, "data is not a list"),
        ({"data": []}, "has_more is not a boolean"),
        ({"data": [{}], "has_more": False}, "the answer is not a message_batch"),
        ({"data": [batch_json()], "has_more": True}, "has_more is true and the cursors are missing"),
        ({"data": [], "has_more": True}, "has_more is true and the page is empty"),
    ],
)
def test_what_is_no_page(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        wire.page(value)


def test_deletions_and_token_counts() -> None:
    wire.deleted({"id": "a", "type": "message_batch_deleted"}, id="a")
    with pytest.raises(ValueError, match="another batch"):
        wire.deleted({"id": "b", "type": "message_batch_deleted"}, id="a")
    with pytest.raises(ValueError, match="not a message_batch_deleted"):
        wire.deleted({"id": "a"}, id="a")
    assert wire.input_tokens({"input_tokens": 8}) == 8
    for value in ({}, {"input_tokens": -1}, {"input_tokens": "8"}, {"input_tokens": True}):
        with pytest.raises(ValueError, match="input_tokens is not a count"):
            wire.input_tokens(value)  # type: ignore[arg-type]
