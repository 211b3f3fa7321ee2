from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest

from batchrun.client import apierrors
from batchrun.errors import (
    ApiError,
    BadRequest,
    BadResponse,
    BillingStopped,
    Conflict,
    ConnectionFailed,
    ExitCode,
    KeyRefused,
    NotFound,
    RateLimited,
    ServerError,
    TooLarge,
)

NOW = 1_800_000_000.0


def envelope(type: str, message: str = "no", code: str | None = None) -> bytes:
    error = {"type": type, "message": message, **({"details": {"error_code": code}} if code else {})}
    return json.dumps({"type": "error", "error": error, "request_id": "req_body"}).encode()


def made(status: int, body: bytes = b"", **headers: str) -> ApiError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return apierrors.from_answer(status, names, body, now=NOW, secret="sk-ant-secret")


@pytest.mark.parametrize(
    ("status", "type", "kind", "exit_code", "transient"),
    [
        (400, "invalid_request_error", BadRequest, ExitCode.DATA, False),
        (401, "authentication_error", KeyRefused, ExitCode.KEY_REFUSED, False),
        (402, "billing_error", BillingStopped, ExitCode.NEEDS_PERSON, False),
        (403, "permission_error", KeyRefused, ExitCode.KEY_REFUSED, False),
        (404, "not_found_error", NotFound, ExitCode.NO_INPUT, False),
        (405, "invalid_request_error", BadRequest, ExitCode.DATA, False),
        (408, "timeout_error", ServerError, ExitCode.UNAVAILABLE, True),
        (409, "conflict_error", Conflict, ExitCode.UNAVAILABLE, False),
        (413, "request_too_large", TooLarge, ExitCode.DATA, False),
        (422, "invalid_request_error", BadRequest, ExitCode.DATA, False),
        (429, "rate_limit_error", RateLimited, ExitCode.UNAVAILABLE, True),
        (500, "api_error", ServerError, ExitCode.UNAVAILABLE, True),
        (504, "timeout_error", ServerError, ExitCode.UNAVAILABLE, True),
        (529, "overloaded_error", ServerError, ExitCode.UNAVAILABLE, True),
    ],
)
def test_statuses(status: int, type: str, kind: type[ApiError], exit_code: ExitCode, transient: bool) -> None:
    error = made(status, envelope(type, "words"))
    assert error.__class__ is kind
    assert (str(error), error.status, error.type) == ("words", status, type)
    assert (error.exit_code, error.transient) == (exit_code, transient)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, envelope("rate_limit_error", code="enforced_spend_limit_reached")),
        (429, envelope("rate_limit_error", code="contract_spend_limit_reached")),
        (400, envelope("invalid_request_error", "You have reached your specified API usage limits. …")),
        (
            400,
            envelope("invalid_request_error", "You have reached your specified workspace API usage limits."),
        ),
        (400, envelope("invalid_request_error", "Your credit balance is too low to access the API.")),
        (403, envelope("billing_error")),
    ],
)
def test_money(status: int, body: bytes) -> None:
    error = made(status, body, x_should_retry="true")
    assert isinstance(error, BillingStopped)
    assert not error.transient
    assert error.hint.startswith("only money or a higher limit helps")


def test_a_ramp_limit_is_no_money_matter() -> None:
    error = made(429, envelope("rate_limit_error", code="ramp_limit_exceeded"), retry_after="17")
    assert isinstance(error, RateLimited)
    assert (error.error_code, error.retry_after) == ("ramp_limit_exceeded", 17.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, BadResponse),
        (302, BadResponse),
        (400, BadResponse),
        (401, KeyRefused),
        (403, BadResponse),
        (404, BadResponse),
        (413, TooLarge),
        (429, RateLimited),
        (502, ServerError),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>Nope</html>", b'{"error":"no"}', b'{"error":{"type":"x"}}', b"[1]"]
)
def test_answers_of_something_on_the_way(status: int, kind: type[ApiError], body: bytes) -> None:
    error = made(status, body)
    assert error.__class__ is kind
    assert error.type == ""
    assert error.status == status


def test_an_excerpt_is_short_harmless_and_without_the_key() -> None:
    error = made(502, b"<h1>\x1b[31mBad\nGateway</h1> x-api-key: sk-ant-secret " + b"y" * 9000)
    assert str(error).startswith("the server answered 502 with '<h1>�[31mBad Gateway</h1> x-api-key: *** yyy")
    assert len(str(error)) < 300
    assert str(made(500)) == "the server answered 500 without a body"
    assert str(made(301, b"moved")) == "the server answered 301, a redirect, which is never followed"


def test_a_key_in_the_apis_words_is_blotted_out() -> None:
    assert str(made(400, envelope("t", "bad sk-ant-secret"))) == "bad ***"


def test_what_support_asks_for() -> None:
    error = made(429, envelope("rate_limit_error", code="c"), request_id="req_head")
    assert error.request_id == "req_head"
    assert error.where == "HTTP 429 rate_limit_error c req_head"
    assert made(429, envelope("rate_limit_error")).request_id == "req_body"


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (401, envelope("authentication_error"), "check ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"),
        (404, envelope("not_found_error"), "check the id, and that the key belongs to the batch's workspace"),
        (413, b"<html>", "send fewer or smaller requests in one batch; the limit is 256 MB"),
        (
            400,
            envelope("invalid_request_error", "The anthropic-workspace-id header is required for this key"),
            "set ANTHROPIC_WORKSPACE_ID to the workspace the key shall act in",
        ),
        (
            403,
            envelope("permission_error", code="organization_on_hold"),
            "the organization is on hold: write to Anthropic's support",
        ),
        (404, b"<html>", apierrors.NO_ANSWER_OF_THE_API),
    ],
)
def test_hints(status: int, body: bytes, hint: str) -> None:
    assert made(status, body).hint == hint


@pytest.mark.parametrize(
    ("status", "header", "transient"),
    [(500, "false", False), (404, "true", True), (429, "perhaps", True), (400, "", False)],
)
def test_x_should_retry_decides_before_the_status(status: int, header: str, transient: bool) -> None:
    assert made(status, envelope("t"), x_should_retry=header).transient is transient


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17.0),
        (" 0.5 ", 0.5),
        ("0", 0.0),
        ("999999999999", apierrors.MAX_RETRY_AFTER),
        ("9" * 400, apierrors.MAX_RETRY_AFTER),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30.0),
        ("Fri, 15 Jan 2021 08:00:00 GMT", 0.0),
        ("Fri, 15 Jan 9999 08:00:00 GMT", apierrors.MAX_RETRY_AFTER),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e3", None),
        ("٣", None),
        (".", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert apierrors.retry_after({"retry-after": text}, NOW) == seconds
    assert apierrors.retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("error", "nothing"),
    [
        (made(400, envelope("invalid_request_error")), True),
        (made(401, envelope("authentication_error")), True),
        (made(409, envelope("conflict_error")), True),
        (made(429, envelope("rate_limit_error")), True),
        (made(402, envelope("billing_error")), True),
        (made(529, envelope("overloaded_error")), True),
        (made(413, b"<html>"), True),
        (ConnectionFailed("refused", sent=False), True),
        (ConnectionFailed("lost", sent=True), False),
        (made(400, b"<html>"), False),
        (made(401, b"<html>"), False),
        (made(429, b"<html>"), False),
        (made(529, b"<html>"), False),
        (made(408, envelope("timeout_error")), False),
        (made(500, envelope("api_error")), False),
        (made(502, b""), False),
        (made(504, envelope("timeout_error")), False),
        (made(302), False),
        (BadResponse("no JSON", status=200), False),
    ],
)
def test_created_nothing(error: ApiError, nothing: bool) -> None:
    assert apierrors.created_nothing(error) is nothing


AWKWARD = 'CANARY/abc+"q\\&z'


@pytest.mark.parametrize(
    "written",
    [
        AWKWARD,
        json.dumps(AWKWARD)[1:-1],
        json.dumps(AWKWARD)[1:-1].replace("/", "\\/"),
        "".join(f"\\u{ord(c):04X}" for c in AWKWARD),
        json.dumps(json.dumps(AWKWARD)[1:-1].replace("/", "\\/"))[1:-1],
        quote(AWKWARD, safe=""),
        html.escape(AWKWARD),
    ],
)
def test_the_key_is_blotted_out_however_it_is_written(written: str) -> None:
    inner = f'"type":"{written}","message":"got {written}","details":{{"error_code":"{written}"}}'
    bodies = [
        f'{{"type":"error","error":{{{inner}}},"request_id":"{written}"}}',
        f'{{"type":"error","error":{{"type":"x","message":"got {written}"}}}}',
        f'{{"detail":"got {written}"}}',
        f"<p>got {written}</p>",
    ]
    for body in bodies:
        headers = {"request-id": f"req {written}"}
        error = apierrors.from_answer(400, headers, body.encode(), now=NOW, secret=AWKWARD)
        shown = (
            f"{error!r} {error} {error.where} {error.hint} {error.type} {error.error_code} {error.request_id}"
        )
        assert "got ***" in shown and "req ***" in shown
        assert "CANARY" not in shown and "abc" not in shown and "u0043" not in shown.lower()
