"""What goes back over the wire: replies, and the refusals that become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchrun import jsonbytes
from batchrun.model import Json
from batchrun.simulator.sending import Sending

JSON_TYPE = "application/json"

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The `type` that goes with a status (api-facts §3.4); `api_error` where none is listed."""


@dataclass(slots=True)
class Reply:
    """One answer. `body` goes out with its length; `file` or `pieces`, when given, are sent in chunks
    instead. A header that is None is left out, also one that every reply has. `reset` sends nothing and
    resets the connection; `sending` says what else goes wrong on the way.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str | None] = field(default_factory=dict)
    content_type: str | None = JSON_TYPE
    file: Path | None = None
    pieces: Iterator[bytes] | None = None
    reset: bool = False
    sending: Sending = field(default_factory=Sending)


class Refused(Exception):
    """The API says no; becomes the error envelope of api-facts §3.4."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type or ERROR_TYPES.get(status, "api_error")
        self.error_code = error_code
        self.headers: dict[str, str | None] = dict(headers or {})

    def reply(self, request_id: str) -> Reply:
        details: dict[str, Json] | None = {"error_code": self.error_code} if self.error_code else None
        body = envelope(self.type, str(self), request_id, details=details)
        return Reply(self.status, jsonbytes.dumps(body), self.headers)


def envelope(
    type: str, message: str, request_id: str | None, *, details: dict[str, Json] | None = None
) -> dict[str, Json]:
    error: dict[str, Json] = {"type": type, "message": message}
    if details:
        error["details"] = details
    return {"type": "error", "error": error, "request_id": request_id}


def ok(value: object, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    return Reply(body=jsonbytes.dumps(value), headers=dict(headers))


def not_found(batch_id: str) -> Refused:
    return Refused(404, f"Message Batch {batch_id} not found.")


def no_results(batch_id: str) -> Refused:
    """For results asked for too early, or too late."""
    message = f"Message Batch {batch_id} has no available results."
    return Refused(404, message, headers={"x-should-retry": "false"})
