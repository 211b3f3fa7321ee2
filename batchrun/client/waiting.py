"""Waiting for a batch to end: poll, pause, and shrug off what passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from batchrun.clockwork import Clockwork
from batchrun.errors import ApiError, BadResponse, NotFound, UsageError, WaitTimeout
from batchrun.model import Batch
from batchrun.safetext import plain
from batchrun.units import format_duration

# Seconds a batch that we know may answer 404 (api-facts §2.2): just after create, or between polls.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Polled:
    """A batch, and in how many seconds the server would like to be asked again (api-facts §1.2)."""

    batch: Batch
    retry_after: float | None


def wait(
    id: str,
    poll: Callable[[], Polled],
    clockwork: Clockwork,
    *,
    poll_interval: float,
    timeout: float,
    callback: Callable[[Batch], object] | None,
    known: bool,
) -> Batch:
    """The batch, once it has ended. `poll` tries once; `known` says that the batch certainly exists.

    The pause is `poll_interval`, or more when the server asks for more; the last poll is at the end of
    `timeout`. Raises WaitTimeout then, with the last failure as its cause.
    """
    _positive("poll_interval", poll_interval)
    _positive("timeout", timeout)
    now = clockwork.clock()
    until, seen, status = now + timeout, (now if known else None), "not seen yet"
    while True:
        failure: ApiError | None = None
        try:
            polled = poll()
        except ApiError as error:
            if not _passing(error, None if seen is None else clockwork.clock() - seen):
                raise
            failure, hint = error, error.retry_after
        else:
            if callback:
                callback(polled.batch)
            if polled.batch.ended:
                return polled.batch
            seen, hint, status = clockwork.clock(), polled.retry_after, str(polled.batch.processing_status)
        left = until - clockwork.clock()
        if left <= 0:
            raise _timeout(id, status, timeout, failure) from failure
        clockwork.sleep(min(max(poll_interval, hint or 0.0), left))


def _passing(error: ApiError, unseen: float | None) -> bool:
    """Whether polling on may help. A 404 may pass on a batch that we knew `unseen` seconds ago, and an answer
    that is not the API's, a proxy's error page say, comes and goes."""
    if isinstance(error, NotFound):
        return unseen is not None and unseen < PATIENCE
    return error.transient or isinstance(error, BadResponse)


def _timeout(id: str, status: str, timeout: float, failure: ApiError | None) -> WaitTimeout:
    last = f"; the last poll failed: {failure}" if failure else ""
    return WaitTimeout(
        f"batch {id} is {plain(status)} after {format_duration(timeout)}{last}",
        hint=f"it goes on without us; wait again with `batchrun batches wait {id}`",
    )


def _positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        raise UsageError(f"{name} is a positive number of seconds, not {value!r}")
