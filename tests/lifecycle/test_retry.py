"""What is worth asking again, and what must fail again."""

from __future__ import annotations

import pytest

from batchrun.lifecycle.retry import money_error, row_askable, row_retryable
from batchrun.model import RequestError, Result, ResultType


@pytest.mark.parametrize(
    ("kind", "error", "by_user", "itself", "asked"),
    [
        ("succeeded", None, False, False, False),
        ("expired", None, False, True, True),
        ("canceled", None, False, True, True),
        ("canceled", None, True, False, True),
        ("errored", RequestError("api_error", ""), False, True, True),
        ("errored", RequestError("overloaded_error", ""), False, True, True),
        ("errored", RequestError("rate_limit_error", ""), False, True, True),
        ("errored", RequestError("timeout_error", ""), False, True, True),
        ("errored", RequestError("a_new_error", ""), False, False, True),
        ("errored", RequestError("rate_limit_error", "This exceeds your spend limit"), False, False, True),
        ("errored", RequestError("invalid_request_error", "messages: Field required"), False, False, False),
        (
            "errored",
            RequestError("invalid_request_error", "Your credit balance is too low"),
            False,
            False,
            True,
        ),
        ("errored", RequestError("authentication_error", ""), False, False, False),
        ("errored", RequestError("permission_error", ""), False, False, False),
        ("errored", RequestError("not_found_error", ""), False, False, False),
        ("errored", RequestError("request_too_large", ""), False, False, False),
        ("errored", RequestError("billing_error", ""), False, False, True),
    ],
)
def test_what_is_worth_sending_again(
    kind: str, error: RequestError | None, by_user: bool, itself: bool, asked: bool
) -> None:
    """By a run itself, and by a person's `retry`."""
    result = Result("id", ResultType(kind), error=error)
    assert row_retryable(result, canceled_by_user=by_user) is itself
    assert row_askable(result) is asked


@pytest.mark.parametrize(
    ("error", "money"),
    [
        (RequestError("invalid_request_error", "Your credit balance is too low to access the API."), True),
        (RequestError("invalid_request_error", "You have reached your specified API usage limits."), True),
        (RequestError("billing_error", "pay"), True),
        (RequestError("invalid_request_error", "messages: Field required"), False),
        (RequestError("rate_limit_error", "slow down"), False),
    ],
)
def test_what_payment_cures(error: RequestError, money: bool) -> None:
    assert money_error(error) is money
