"""Faults of what is told about batches: one that is not to be seen, or shown otherwise than it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.simulator.faults.arguments import OBJECT, POSITIVE, SECONDS, WHOLE, YES, Kind, Takes
from batchrun.simulator.faults.turn import Turn
from batchrun.simulator.replies import Reply, no_results
from batchrun.simulator.replies import not_found as no_such_batch

LAG = Takes({"seconds": SECONDS})
NOT_FOUND = Takes({"not_found": YES}, own=True)
STALE = Takes({"stale": YES}, own=True)
FIELDS = Takes({"fields": OBJECT}, own=True)
NEWEST = Takes({"newest": POSITIVE})
COUNTS = Takes(
    {
        "counts": Kind(
            "a whole number to add, or a mapping of request_counts",
            lambda value: WHOLE.fits(value) or OBJECT.fits(value),
        )
    },
    own=True,
)
ARCHIVED = Takes({"archived": YES}, own=True)


def lag(turn: Turn) -> Reply:
    """List knows nothing of the batches of the last so many seconds."""
    turn.call.lag = float(turn.told["seconds"])
    return turn.proceed()


def newest(turn: Turn) -> Reply:
    """List shows only so many of a page, and says that these are all."""
    reply = turn.proceed()
    if reply.status == 200:
        data = orjson.loads(reply.body)["data"][: turn.told["newest"]]
        last = data[-1]["id"] if data else None
        ends = {"first_id": data[0]["id"] if data else None, "last_id": last}
        reply.body = jsonbytes.dumps({"data": data, "has_more": False, **ends})
    return reply


def not_found(turn: Turn) -> Reply:
    """A batch that is there reads 404; on results, those of a batch that has ended."""
    refused = (no_results if turn.call.name == "results" else no_such_batch)(turn.call.target)
    return refused.reply(turn.call.request_id)


def stale(turn: Turn) -> Reply:
    """The batch as it was when it was created, however far it is."""

    def as_created(batch: dict[str, Any]) -> None:
        total = sum(batch["request_counts"].values())
        nothing = dict.fromkeys(("ended_at", "archived_at", "cancel_initiated_at", "results_url"))
        tally = dict.fromkeys(batch["request_counts"], 0) | {"processing": total}
        batch |= {"processing_status": "in_progress", "request_counts": tally, **nothing}

    return _shown(turn, as_created)


def fields(turn: Turn) -> Reply:
    """Fields of the batch, or of each batch of a list, as given; null stands for null."""
    return _shown(turn, lambda batch: batch.update(turn.told["fields"]))


def counts(turn: Turn) -> Reply:
    """The batch's request_counts: so many more than there are, or some of them as given."""
    given = turn.told["counts"]

    def disagree(batch: dict[str, Any]) -> None:
        tally = batch["request_counts"]
        if isinstance(given, dict):
            tally |= given
        else:
            tally[max(tally, key=lambda name: tally[name])] += given

    return _shown(turn, disagree)


def archived(turn: Turn) -> Reply:
    """The results are gone, as they are 29 days after creation."""
    if turn.call.name == "results":
        return no_results(turn.call.target).reply(turn.call.request_id)

    def gone(batch: dict[str, Any]) -> None:
        if batch["ended_at"]:
            batch |= {"archived_at": batch["ended_at"], "results_url": None}

    return _shown(turn, gone)


def _shown(turn: Turn, change: Callable[[dict[str, Any]], None]) -> Reply:
    """The call's reply, with every batch in it changed."""
    reply = turn.proceed()
    if reply.status != 200:
        return reply
    value = orjson.loads(reply.body)
    for batch in value["data"] if turn.call.name == "list" else [value]:
        change(batch)
    reply.body = jsonbytes.dumps(value)
    return reply
