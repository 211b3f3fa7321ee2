"""Faults of the HTTP calls, switched on by a scenario: each an action around one call.

To add one: write a function from a Turn to the reply that goes out, in the module of its subject, and add a
line to the table here and to the one in docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batchrun.simulator.counters import Counters
from batchrun.simulator.faults import answers, batches, connection, create, results
from batchrun.simulator.faults.arguments import Takes
from batchrun.simulator.faults.turn import Proceed, Turn
from batchrun.simulator.replies import Reply
from batchrun.simulator.requests import Call
from batchrun.simulator.scenario import Fault


@dataclass(frozen=True, slots=True)
class Action:
    """`on`: the only calls it makes sense for (none: any); `usual`: the calls meant where none is named;
    `standing`: strikes for ever by default, not once."""

    run: Callable[[Turn], Reply]
    takes: Takes
    on: frozenset[str] = frozenset()
    usual: frozenset[str] = frozenset()
    standing: bool = False


_CREATE, _LIST, _RESULTS = frozenset({"create"}), frozenset({"list"}), frozenset({"results"})
_SHOWN = frozenset({"create", "retrieve", "list", "cancel"})
_OF_A_BATCH = frozenset({"retrieve", "results", "cancel", "delete"})

ACTIONS: Mapping[str, Action] = {
    # connection
    "refuse": Action(connection.refuse, connection.REFUSE),
    "reset": Action(connection.reset, connection.RESET),
    "stall": Action(connection.stall, connection.STALL),
    "drip": Action(connection.drip, connection.DRIP),
    # answers to any call
    "status": Action(answers.status, answers.STATUS),
    "redirect": Action(answers.redirect, answers.REDIRECT),
    "garble": Action(answers.garble, answers.GARBLE),
    "headers": Action(answers.headers, answers.HEADERS),
    # create
    "accept_then": Action(create.accept_then, create.ACCEPT_THEN, _CREATE, _CREATE),
    "queue": Action(create.queue, create.QUEUE, _CREATE, _CREATE, standing=True),
    "strangers": Action(create.strangers, create.STRANGERS, _CREATE, _CREATE),
    "skew": Action(create.skew, create.SKEW, _CREATE, _CREATE),
    # the batches as list and retrieve show them
    "lag": Action(batches.lag, batches.LAG, _LIST, _LIST, standing=True),
    "newest": Action(batches.newest, batches.NEWEST, _LIST, _LIST, standing=True),
    "not_found": Action(batches.not_found, batches.NOT_FOUND, _OF_A_BATCH),
    "stale": Action(batches.stale, batches.STALE, _SHOWN, frozenset({"retrieve"})),
    "fields": Action(batches.fields, batches.FIELDS, _SHOWN),
    "counts": Action(batches.counts, batches.COUNTS, _SHOWN),
    "archived": Action(
        batches.archived,
        batches.ARCHIVED,
        frozenset({"retrieve", "list", "results"}),
        frozenset({"retrieve", "list", "results"}),
        standing=True,
    ),
    # results
    "cut": Action(results.cut, results.CUT, _RESULTS, _RESULTS),
    "lines": Action(results.lines, results.LINES, _RESULTS, _RESULTS),
}


def around(faults: tuple[Fault, ...], counters: Counters, call: Call, proceed: Proceed) -> Reply:
    """Perform a call with the faults whose turn it is around it, the first outermost."""
    for fault in reversed(_striking(faults, counters, call)):
        proceed = _wrapped(fault, call, proceed)
    return proceed()


def _wrapped(fault: Fault, call: Call, proceed: Proceed) -> Proceed:
    action = ACTIONS[fault.action]
    return lambda: action.run(Turn(call, action.takes.told(fault.argument), proceed))


def _striking(faults: tuple[Fault, ...], counters: Counters, call: Call) -> list[Fault]:
    concerned = [fault for fault in faults if call.name in fault.on]
    if not concerned:
        return []
    striking = []
    with counters.held() as count:
        for fault in concerned:
            name = f"{fault.name} {call.target}" if fault.per_batch else fault.name
            nth = count.get(name, 0)
            if not fault.settled(nth):  # beyond that there is nothing to count
                count[name] = nth + 1
            if fault.strikes(nth):
                striking.append(fault)
    return striking
