from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from batchrun.client import wire
from batchrun.client.waiting import PATIENCE, Polled, wait
from batchrun.clockwork import Clockwork
from batchrun.errors import ApiError, BadResponse, KeyRefused, NotFound, ServerError, UsageError, WaitTimeout
from batchrun.model import Batch
from tests.rawserver import FakeTime, batch_json


def polled(status: str = "in_progress", retry_after: float | None = None) -> Polled:
    value: Any = batch_json("b", status, processing=1)
    return Polled(wire.batch(value), retry_after)


def passing(error: ApiError) -> ApiError:
    error.transient = True
    return error


def run(
    *answers: Polled | ApiError,
    time: FakeTime | None = None,
    known: bool = False,
    callback: Callable[[Batch], object] | None = None,
    **times: Any,
) -> Batch:
    """Wait over these answers; the last one is repeated for ever."""
    left = list(answers)
    time = time or FakeTime()

    def poll() -> Polled:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, ApiError):
            raise answer
        return answer

    times = {"poll_interval": 30, "timeout": 3600, **times}
    return wait(
        "b", poll, Clockwork(time.sleep, time.clock, time.rng), callback=callback, known=known, **times
    )


def test_the_callback_gets_the_batch_on_every_poll() -> None:
    seen: list[str] = []
    batch = run(
        polled(), polled("canceling"), polled("ended"), callback=lambda b: seen.append(b.processing_status)
    )
    assert batch.ended
    assert seen == ["in_progress", "canceling", "ended"]


@pytest.mark.parametrize(("hint", "pause"), [(None, 30), (10, 30), (45, 45), (0, 30)])
def test_the_servers_hint_is_a_minimum(hint: float | None, pause: float) -> None:
    time = FakeTime()
    run(polled(retry_after=hint), polled("ended"), time=time)
    assert time.slept == [pause]


def test_a_timeout_leaves_the_batch_alone_and_polls_at_the_very_end() -> None:
    time = FakeTime()
    with pytest.raises(WaitTimeout) as caught:
        run(polled(retry_after=10_000), time=time, timeout=70, poll_interval=50)
    assert str(caught.value) == "batch b is in_progress after 1m 10s"
    assert caught.value.hint == "it goes on without us; wait again with `batchrun batches wait b`"
    assert time.slept == [70]
    assert caught.value.exit_code == 75


def test_transient_failures_are_waited_out() -> None:
    slow = passing(ServerError("overloaded", status=529, retry_after=120))
    time = FakeTime()
    run(polled(), slow, BadResponse("<html>"), polled("ended"), time=time)
    assert time.slept == [30, 120, 30]


def test_failures_until_the_timeout() -> None:
    with pytest.raises(WaitTimeout) as caught:
        run(passing(ServerError("overloaded")), timeout=40)
    assert str(caught.value) == "batch b is not seen yet after 40s; the last poll failed: overloaded"
    assert isinstance(caught.value.__cause__, ServerError)


def test_what_cannot_pass_is_raised_at_once() -> None:
    with pytest.raises(KeyRefused):
        run(polled(), KeyRefused("no"))


def test_a_404_on_a_batch_nobody_knows() -> None:
    with pytest.raises(NotFound):
        run(NotFound("gone"))


@pytest.mark.parametrize("answers", [(polled(), NotFound("gone")), (NotFound("gone"),)])
def test_a_404_on_a_batch_we_know_is_waited_out_for_a_while(answers: tuple[Polled | ApiError, ...]) -> None:
    known = len(answers) == 1
    assert run(*answers, polled("ended"), known=known).ended
    time = FakeTime()
    with pytest.raises(NotFound):
        run(*answers, known=known, time=time, poll_interval=25)
    assert PATIENCE <= time.now - 1000 < PATIENCE + 50


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "30", None])
@pytest.mark.parametrize("name", ["poll_interval", "timeout"])
def test_times_are_positive_numbers(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        run(polled(), **{name: value})
    assert str(caught.value) == f"{name} is a positive number of seconds, not {value!r}"


def test_an_error_of_the_callback_is_the_callers_own() -> None:
    def callback(_: Batch) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match=r"^mine$"):
        run(polled(), callback=callback)
