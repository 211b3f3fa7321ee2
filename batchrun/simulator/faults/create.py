"""Faults of create: what is accepted and not said, what is not accepted, who else is there."""

from __future__ import annotations

from batchrun.simulator.faults.answers import ANSWER, answer
from batchrun.simulator.faults.arguments import CODE, COUNT, POSITIVE, SECONDS, SHIFT, Kind, Takes
from batchrun.simulator.faults.turn import Turn
from batchrun.simulator.replies import Reply

_RESET_OR_CODE = Kind(f"reset, or {CODE.words}", lambda value: value == "reset" or CODE.fits(value))
ACCEPT_THEN = Takes({**ANSWER, "code": _RESET_OR_CODE})
QUEUE = Takes({"limit": COUNT, "retry_after": SECONDS})
STRANGERS = Takes({"requests": POSITIVE, "before": COUNT, "after": COUNT})
SKEW = Takes({"seconds": SHIFT})


def accept_then(turn: Turn) -> Reply:
    """The batch is accepted; its reply is lost, `reset`, or another answer comes in its place."""
    reply = turn.proceed()
    if reply.status != 200:
        return reply  # refused anyway
    return Reply(reset=True) if turn.told.get("code") == "reset" else answer(turn.told, turn.call)


def queue(turn: Turn) -> Reply:
    """So many requests may wait at a time; a batch that would be more reads 429 with `retry_after`."""
    turn.call.queue_limit = turn.told["limit"]
    turn.call.queue_retry_after = turn.told.get("retry_after", 10)
    return turn.proceed()


def strangers(turn: Turn) -> Reply:
    """Others submit batches of so many requests at the same moment: some before this one, some after."""
    turn.call.strangers = (turn.told["requests"], turn.told.get("before", 1), turn.told.get("after", 1))
    return turn.proceed()


def skew(turn: Turn) -> Reply:
    """The server that takes the batch has a clock of its own: so many seconds are added to created_at."""
    turn.call.skew = float(turn.told["seconds"])
    return turn.proceed()
