"""The API's JSON objects as values (api-facts §2). Every function raises ValueError, naming what is off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from batchrun.model import Batch, BatchPage, Json, ProcessingStatus, RequestCounts

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


def batch(value: Json, *, id: str | None = None) -> Batch:
    """A `message_batch` object (api-facts §2.7); `id` is the batch that was asked for."""
    fields = _object(value, "the answer")
    if fields.get("type") != "message_batch":
        raise ValueError("the answer is not a message_batch")
    found = _text(fields, "id")
    if id is not None and found != id:
        raise ValueError("the answer speaks of another batch")
    status = _text(fields, "processing_status")
    return Batch(
        id=found,
        processing_status=ProcessingStatus(status) if status in set(ProcessingStatus) else status,
        request_counts=_counts(fields.get("request_counts")),
        created_at=_required_time(fields, "created_at"),
        expires_at=_required_time(fields, "expires_at"),
        ended_at=_optional_time(fields, "ended_at"),
        cancel_initiated_at=_optional_time(fields, "cancel_initiated_at"),
        archived_at=_optional_time(fields, "archived_at"),
        results_url=_optional_text(fields, "results_url"),
        raw=fields,
    )


def page(value: Json) -> BatchPage:
    """One page of a list (api-facts §2.3)."""
    fields = _object(value, "the answer")
    data, has_more = fields.get("data"), fields.get("has_more")
    if not isinstance(data, list):
        raise ValueError("data is not a list")
    if not isinstance(has_more, bool):
        raise ValueError("has_more is not a boolean")
    batches = tuple(batch(entry) for entry in data)
    if has_more and not batches:
        raise ValueError("has_more is true and the page is empty")
    first, last = _optional_text(fields, "first_id"), _optional_text(fields, "last_id")
    if has_more and not (first and last):
        raise ValueError("has_more is true and the cursors are missing")
    return BatchPage(batches, has_more, first, last)


def deleted(value: Json, *, id: str) -> None:
    """The record of a deletion (api-facts §2.5)."""
    fields = _object(value, "the answer")
    if fields.get("type") != "message_batch_deleted":
        raise ValueError("the answer is not a message_batch_deleted")
    if fields.get("id") != id:
        raise ValueError("the answer speaks of another batch")


def input_tokens(value: Json) -> int:
    """The answer of count_tokens (api-facts §6)."""
    count = _object(value, "the answer").get("input_tokens")
    if type(count) is not int or count < 0:
        raise ValueError("input_tokens is not a count")
    return count


def parse_time(text: str) -> datetime:
    """A time of the API: `Z` or an offset, any fraction (api-facts §2.7); without either it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter: the first of January of the year 1, east of London
        raise ValueError("not a time") from None


def _counts(value: Json) -> RequestCounts:
    fields = _object(value, "request_counts")
    for name in _COUNTS:
        count = fields.get(name)
        if type(count) is not int or count < 0:
            raise ValueError(f"request_counts.{name} is not a count")
    return RequestCounts(**{name: _int(fields[name]) for name in _COUNTS})


def _int(value: Json) -> int:
    assert isinstance(value, int)
    return value


def _object(value: Json, name: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise ValueError(f"{name} is missing")
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    return value


def _optional_text(fields: Mapping[str, Json], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _required_time(fields: Mapping[str, Json], name: str) -> datetime:
    text = _text(fields, name)
    try:
        return parse_time(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _optional_time(fields: Mapping[str, Json], name: str) -> datetime | None:
    return None if fields.get(name) is None else _required_time(fields, name)
