"""What is worth asking again, and what must fail again: one judgement for a run, `batchrun retry`, and what is advised.
Pure.

The same bytes get the same refusal: a row that the API called invalid is only cured by another request, as one that was
cut off at its `max_tokens` is. An error of the service passes by itself; one of money once a person has paid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from batchrun.cost.amounts import Cause, Summary
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import RunState, Shard
from batchrun.model import RequestError, Result, ResultType

RETRYABLE = frozenset({"api_error", "overloaded_error", "rate_limit_error", "timeout_error"})
"""Errors of a row that sending it again may cure (api-facts §3.5)."""

INVALID = frozenset(
    {
        "invalid_request_error",
        "not_found_error",
        "authentication_error",
        "permission_error",
        "request_too_large",
    }
)
"""Errors of a row that the same request meets again (api-facts §3.5), unless payment is what they ask for."""

_MONEY = re.compile(r"credit balance|api usage limits|spend limit", re.IGNORECASE)


def money_error(error: RequestError | None) -> bool:
    """Whether payment cures this error, not editing: sent again only once a person has acted. The API also
    says so as an `invalid_request_error` (api-facts §3.2, §3.4)."""
    if error is None:
        return False
    return error.type == "billing_error" or _MONEY.search(error.message) is not None


def row_retryable(result: Result, *, canceled_by_user: bool) -> bool:
    """Whether a run sends the same request again by itself (api-facts §3.5, design §4)."""
    match result.type:
        case ResultType.SUCCEEDED:
            return False
        case ResultType.EXPIRED:
            return True
        case ResultType.CANCELED:
            return not canceled_by_user
        case ResultType.ERRORED:
            error = result.error
            return error is not None and error.type in RETRYABLE and not money_error(error)


def row_askable(result: Result) -> bool:
    """Whether `batchrun retry`, which a person asks for, sends the same request again: not what must fail again."""
    if result.type is ResultType.SUCCEEDED:
        return False
    error = result.error
    return error is None or error.type not in INVALID or money_error(error)


def shard_retryable(shard: Shard, policy: Policy) -> bool:
    """Whether a run looks for rows of a fetched shard to send again."""
    return bool(_again(shard)) and not shard.retried and shard.attempt < policy.max_attempts


def rows_to_retry(state: RunState, policy: Policy) -> int:
    """How many rows of fetched shards a run would send again."""
    return sum(_again(s) for s in state.shards if shard_retryable(s, policy))


def _again(shard: Shard) -> int:
    if shard.tally is None:
        return 0
    counts, errors = shard.tally.counts, shard.tally.errors
    canceled = 0 if shard.canceling else counts.canceled
    return counts.expired + canceled + sum(n for kind, n in errors.items() if kind in RETRYABLE)


# ---- of a finished job -------------------------------------------------------------------------


def rows_to_ask(summary: Summary) -> int:
    """How many records without an answer `batchrun retry` would ask for again."""
    return summary.records - summary.succeeded - sum(cause.count for cause in invalid(summary.errors))


def invalid(errors: Iterable[Cause]) -> tuple[Cause, ...]:
    """The causes that the same request meets again."""
    return tuple(cause for cause in errors if cause.type in INVALID and not cause.money)
