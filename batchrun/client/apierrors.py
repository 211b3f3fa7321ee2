"""Answers that are not a success → the error tree (api-facts §3.4). Pure: status, headers, body in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import orjson

from batchrun.client.redaction import redacted
from batchrun.errors import (
    ApiError,
    BadRequest,
    BadResponse,
    BillingStopped,
    Conflict,
    ConnectionFailed,
    KeyRefused,
    NotFound,
    RateLimited,
    ServerError,
    TooLarge,
)
from batchrun.safetext import plain

MAX_RETRY_AFTER = 86_400.0  # a day: what a server asks beyond that is taken for a mistake
NO_ANSWER_OF_THE_API = (
    "this is no answer of the Batches API: check ANTHROPIC_BASE_URL and any proxy on the way"
)

_SPEND_CAPS = {"enforced_spend_limit_reached", "contract_spend_limit_reached"}
# The API's own words for money troubles under the plain type invalid_request_error (api-facts §3.2, §3.4).
_SPENT = ("credit balance is too low", "you have reached your specified")
_BILLING = (
    "only money or a higher limit helps: see the billing and limits pages of the console, then run it again"
)
_HINTS = {
    401: "check ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN",
    403: "the key is valid but may not do this: check its workspace and permissions",
    404: "check the id, and that the key belongs to the batch's workspace",
    413: "send fewer or smaller requests in one batch; the limit is 256 MB",
    429: "too many requests, or too many waiting in batches: try again later",
}
_CODE_HINTS = {
    "organization_on_hold": "the organization is on hold: write to Anthropic's support",
    "cmek_key_disabled": "the organization's own encryption key is disabled: enable it again",
    "claude_code_key_creator_not_member": "the key's creator left the organization: make a new key",
}
_WORKSPACE = "set ANTHROPIC_WORKSPACE_ID to the workspace the key shall act in"


@dataclass(frozen=True, slots=True)
class _Envelope:
    type: str
    message: str
    error_code: str = ""
    request_id: str = ""


def from_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float, secret: str = ""
) -> ApiError:
    """The error for an answer. `headers` have lower-case names; `now` is the Unix time, against which a date
    in retry-after counts; `secret` is blotted out wherever the server repeats it.

    `type` is set only where the body is the API's own error envelope; so it tells an answer of the API from
    one of a proxy on the way. `transient` follows x-should-retry, else the status (api-facts §1.2, §1.3).
    """
    body = redacted(body.decode("utf-8", "replace"), secret).encode()
    header_id = redacted(headers.get("request-id", ""), secret)
    envelope = _envelope(body)
    kind = _kind(status, envelope)
    error = kind(
        plain(envelope.message, 1000) if envelope else _excerpt(status, body),
        status=status,
        type=envelope.type if envelope else "",
        error_code=envelope.error_code if envelope else "",
        request_id=plain(header_id or (envelope.request_id if envelope else ""), 100),
        retry_after=retry_after(headers, now),
        hint=_hint(status, kind, envelope),
    )
    error.transient = _transient(status, headers, kind)
    error.where = _where(error)
    return error


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the server asks us to wait: a number or an HTTP date, never negative, at most a day.

    None where it names no time, or nonsense.
    """
    text = headers.get("retry-after", "").strip()[:64]
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now, 0.0), MAX_RETRY_AFTER)


def created_nothing(error: ApiError) -> bool:
    """Whether a failed create certainly left no batch behind (design §4): nothing was sent, or the API itself
    refused. A 413 often comes from the edge without the API's envelope (api-facts §3.1): it counts."""
    if isinstance(error, ConnectionFailed):
        return not error.sent
    if isinstance(error, TooLarge):
        return True
    # 408 may mean that the server gave up on its answer, not on the work.
    refused = 400 <= error.status < 500 and error.status != 408
    return bool(error.type) and (refused or error.status == 529)


def _envelope(body: bytes) -> _Envelope | None:
    """The API's error envelope; None for any other body: HTML, a proxy's own JSON, nothing at all."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = value.get("error") if isinstance(value, dict) and value.get("type") == "error" else None
    if not isinstance(error, dict) or not isinstance(error.get("type"), str) or not error["type"]:
        return None
    message, details, request_id = error.get("message"), error.get("details"), value.get("request_id")
    code = details.get("error_code") if isinstance(details, dict) else None
    return _Envelope(
        type=plain(error["type"], 100),
        message=message if isinstance(message, str) and message else error["type"],
        error_code=plain(code, 100) if isinstance(code, str) else "",
        request_id=request_id if isinstance(request_id, str) else "",
    )


def _kind(status: int, envelope: _Envelope | None) -> type[ApiError]:
    if envelope and _billing(status, envelope):
        return BillingStopped
    match status:
        case 401:
            return KeyRefused
        case 413:
            return TooLarge
        case 429:
            return RateLimited
        case 408:
            return ServerError
        case _ if status >= 500:
            return ServerError
        case _ if envelope is None or status < 400:
            # A proxy's 404 says nothing about the batch, its 403 nothing about the key.
            return BadResponse
        case 403:
            return KeyRefused
        case 404:
            return NotFound
        case 409:
            return Conflict
        case _:
            return BadRequest


def _billing(status: int, envelope: _Envelope) -> bool:
    if status == 402 or envelope.type == "billing_error" or envelope.error_code in _SPEND_CAPS:
        return True
    return 400 <= status < 500 and any(words in envelope.message.lower() for words in _SPENT)


def _hint(status: int, kind: type[ApiError], envelope: _Envelope | None) -> str:
    if kind is BillingStopped:
        return _BILLING
    if kind is BadResponse:
        return NO_ANSWER_OF_THE_API
    if envelope and envelope.error_code in _CODE_HINTS:
        return _CODE_HINTS[envelope.error_code]
    if status == 400 and envelope and "anthropic-workspace-id" in envelope.message.lower():
        return _WORKSPACE
    return _HINTS.get(status, "")


def _transient(status: int, headers: Mapping[str, str], kind: type[ApiError]) -> bool:
    if kind is BillingStopped:
        return False
    match headers.get("x-should-retry", "").strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            return status in {408, 429} or status >= 500


def _where(error: ApiError) -> str:
    parts = (f"HTTP {error.status}", error.type, error.error_code, error.request_id)
    return " ".join(part for part in parts if part)


def _excerpt(status: int, body: bytes) -> str:
    if 300 <= status < 400:
        return f"the server answered {status}, a redirect, which is never followed"
    start = plain(body[:2000].decode("utf-8", "replace"), 200)
    return (
        f"the server answered {status} with {start!r}"
        if start
        else f"the server answered {status} without a body"
    )
