"""Faults of the connection: the reply may be right, it does not arrive as it should."""

from __future__ import annotations

from collections.abc import Iterator

from batchrun.simulator.faults.arguments import AMOUNT, POSITIVE, SECONDS, Takes, one_of
from batchrun.simulator.faults.turn import Turn
from batchrun.simulator.replies import Reply

REFUSE = Takes({"seconds": SECONDS})
RESET = Takes(
    {"when": one_of("before_body", "after_body"), "request": AMOUNT, "reply": AMOUNT},
    one_of=("when", "request", "reply"),
)
STALL = Takes({"seconds": SECONDS, "at": one_of("request", "headers", "body")})
DRIP = Takes({"seconds": SECONDS, "bytes": POSITIVE, "of": one_of("request", "headers", "body")})


def refuse(turn: Turn) -> Reply:
    """The call is answered; then the port is closed for so long, and every connection refused."""
    reply = turn.proceed()
    reply.sending.close_port = float(turn.told["seconds"])
    return reply


def reset(turn: Turn) -> Reply:
    """The connection breaks: after so much of the request's body, and nothing is done; or the call is
    performed, and it breaks after so much of the reply's body."""
    if "reply" in turn.told:
        reply = turn.proceed()
        reply.sending.reset_after = turn.told["reply"]
        return reply
    amount = turn.told.get("request", "all" if turn.told.get("when") == "after_body" else 0)
    _read(turn, amount)
    return Reply(reset=True)


def stall(turn: Turn) -> Reply:
    """Silence for so long: before the request's body is read, before the reply, or in the middle of it."""
    seconds, at = float(turn.told["seconds"]), turn.told.get("at", "headers")
    if at == "request":
        turn.call.pause(seconds)
        return turn.proceed()
    reply = turn.proceed()
    if at == "headers":
        reply.sending.stall_before = seconds
    else:
        reply.sending.stall_within = seconds
    return reply


def drip(turn: Turn) -> Reply:
    """A few bytes at a time, with a pause after each: of the reply, or of the request as it is read."""
    pause, size = float(turn.told["seconds"]), turn.told.get("bytes", 1)
    if turn.told.get("of") == "request":
        read = turn.call.body

        def slowly() -> Iterator[bytes]:
            for piece in read():
                for start in range(0, len(piece), size):
                    turn.call.pause(pause)
                    yield piece[start : start + size]

        turn.call.body = slowly
        return turn.proceed()
    reply = turn.proceed()
    reply.sending.drip = (size, pause)
    reply.sending.drip_headers = turn.told.get("of") == "headers"
    return reply


def _read(turn: Turn, amount: int | str) -> None:
    """Read so much of the request's body. How much more of it is on its way is the network's affair."""
    whole = int(turn.call.headers.get("content-length", "0"))
    wanted = {"half": whole // 2, "all": whole}.get(str(amount), amount)
    assert isinstance(wanted, int)
    wanted = max(0, wanted + whole) if wanted < 0 else wanted
    if not wanted:
        return
    for piece in turn.call.body():
        wanted -= len(piece)
        if wanted <= 0 and amount != "all":
            return
