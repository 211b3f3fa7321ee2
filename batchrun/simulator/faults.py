"""Faults of the HTTP calls, each an action around one call.

An action is a function from a Turn to the reply that goes out; it may perform the call or not. To add one:
write the function, add a line to ACTIONS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from batchrun.model import Json
from batchrun.simulator.counters import Counters
from batchrun.simulator.replies import JSON_TYPE, Refused, Reply, no_results, not_found
from batchrun.simulator.requests import Call
from batchrun.simulator.scenario import Fault

Proceed: TypeAlias = Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Turn:
    """One call that a fault strikes. `proceed` performs it as if nothing were wrong, and raises Refused
    where the API itself says no; `argument` is what the scenario gives the action."""

    call: Call
    argument: Any
    proceed: Proceed


def _status(turn: Turn) -> Reply:
    """An answer in place of the call: `{code: 529}`, with `headers`, and `body` (text) or `error`."""
    told = turn.argument if isinstance(turn.argument, dict) else {"code": turn.argument}
    code: int = told["code"]
    headers = {name.lower(): str(value) for name, value in told.get("headers", {}).items()}
    kind = headers.pop("content-type", None)
    if "body" in told:
        body = told["body"]
        content = body.encode() if isinstance(body, str) else orjson.dumps(body)
        return Reply(code, content, headers, content_type=kind or JSON_TYPE)
    error = told.get("error", {})
    raise Refused(
        code,
        error.get("message", "Scripted by the scenario"),
        type=error.get("type"),
        error_code=error.get("code"),
        headers=headers,
    )


def _accept_then(turn: Turn) -> Reply:
    """The batch is accepted, its reply is lost: `reset`, or a status in its place."""
    turn.proceed()
    return Reply(reset=True) if turn.argument == "reset" else _status(turn)


def _reset(turn: Turn) -> Reply:
    """The connection breaks and nothing was done: `before_body` is read, or `after_body`."""
    if turn.argument == "after_body":
        for _ in turn.call.body():
            pass
    return Reply(reset=True)


def _lag(turn: Turn) -> Reply:
    """List knows nothing of the batches of the last so many seconds."""
    turn.call.lag = float(turn.argument)
    return turn.proceed()


def _not_found(turn: Turn) -> Reply:
    """A batch that is there reads 404; on results, those of a batch that has ended."""
    raise (no_results if turn.call.name == "results" else not_found)(turn.call.target)


def _queue(turn: Turn) -> Reply:
    """So many requests may wait at a time; a batch that would be more reads 429 with `retry_after`."""
    told = turn.argument if isinstance(turn.argument, dict) else {"limit": turn.argument}
    turn.call.queue_limit, turn.call.queue_retry_after = told["limit"], told.get("retry_after", 10)
    return turn.proceed()


def _cut(turn: Turn) -> Reply:
    """Results end after so many bytes (negative: so many before the end): `clean`, or `torn` off."""
    told = turn.argument if isinstance(turn.argument, dict) else {"bytes": turn.argument}
    reply = turn.proceed()
    if reply.file is not None:
        size = reply.file.stat().st_size
        reply.cut = max(0, told["bytes"] + size if told["bytes"] < 0 else told["bytes"])
        reply.torn = told.get("end", "clean") == "torn"
    return reply


def _whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _mapping(value: Json, needed: str, **known: Callable[[Any], bool]) -> bool:
    return (
        isinstance(value, dict)
        and needed in value
        and all(name in known and known[name](inner) for name, inner in value.items())
    )


def _is_status(value: Json) -> bool:
    def code(inner: Json) -> bool:
        return isinstance(inner, int) and not isinstance(inner, bool) and 200 <= inner <= 599

    def error(inner: Json) -> bool:
        return isinstance(inner, dict) and inner.keys() <= {"type", "message", "code"}

    return code(value) or _mapping(
        value,
        "code",
        code=code,
        error=error,
        body=lambda inner: inner is not None,
        headers=lambda inner: isinstance(inner, dict),
    )


def _is_seconds(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True, slots=True)
class Action:
    """`fits` says whether an argument will do, `takes` what it should be; `standing`: strikes for ever by
    default, not once; `on`: the only calls it makes sense for."""

    run: Callable[[Turn], Reply]
    fits: Callable[[Json], bool]
    takes: str
    on: frozenset[str] = frozenset()
    standing: bool = False


_STATUS = "a status code, or {code, headers, body or error: {type, message, code}}"

ACTIONS: Mapping[str, Action] = {
    "status": Action(_status, _is_status, _STATUS),
    "accept_then": Action(
        _accept_then, lambda v: v == "reset" or _is_status(v), f"reset, or {_STATUS}", frozenset({"create"})
    ),
    "reset": Action(_reset, lambda v: v in ("before_body", "after_body"), "before_body or after_body"),
    "lag": Action(_lag, _is_seconds, "a number of seconds", frozenset({"list"}), standing=True),
    "not_found": Action(
        _not_found, lambda v: v is True, "true", frozenset({"retrieve", "results", "cancel"})
    ),
    "queue": Action(
        _queue,
        lambda v: _whole(v) or _mapping(v, "limit", limit=_whole, retry_after=_is_seconds),
        "a number of requests, or {limit, retry_after}",
        frozenset({"create"}),
        standing=True,
    ),
    "cut": Action(
        _cut,
        lambda v: _whole(v) or _mapping(v, "bytes", bytes=_whole, end=lambda e: e in ("clean", "torn")),
        "a number of bytes, or {bytes, end: clean or torn}",
        frozenset({"results"}),
    ),
}


def around(faults: tuple[Fault, ...], counters: Counters, call: Call, proceed: Proceed) -> Reply:
    """Perform a call with the faults whose turn it is around it, the first outermost."""
    for fault in reversed(_striking(faults, counters, call)):
        proceed = _wrapped(fault, call, proceed)
    return proceed()


def _wrapped(fault: Fault, call: Call, proceed: Proceed) -> Proceed:
    return lambda: ACTIONS[fault.action].run(Turn(call, fault.argument, proceed))


def _striking(faults: tuple[Fault, ...], counters: Counters, call: Call) -> list[Fault]:
    concerned = [fault for fault in faults if call.name in fault.on]
    if not concerned:
        return []
    striking = []
    with counters.held() as count:
        for fault in concerned:
            name = f"{fault.name} {call.target}" if fault.per_batch else fault.name
            nth = count.get(name, 0)
            if fault.times is not None or nth < fault.skip:  # beyond that there is nothing to count
                count[name] = nth + 1
            if nth >= fault.skip and (fault.times is None or nth < fault.skip + fault.times):
                striking.append(fault)
    return striking
