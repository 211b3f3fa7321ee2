"""Faults of an answer: another one in place of the call, or its own one spoiled."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from batchrun import jsonbytes
from batchrun.simulator.faults.arguments import CODE, POSITIVE, TEXT, Kind, Takes, one_of
from batchrun.simulator.faults.arguments import HEADERS as HEADER_VALUES
from batchrun.simulator.faults.turn import Turn
from batchrun.simulator.replies import JSON_TYPE, Refused, Reply
from batchrun.simulator.requests import Call

_BLOCK = 1 << 20
_HUGE = 32 * 1024 * 1024
_WIDE = 100_000

PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{code}</title></head>\n"
    "<body><h1>{code}</h1><p>An error page of a proxy on the way.</p></body></html>\n"
)


def _html(reply: Reply, _size: int | None) -> Reply:
    body = PAGE.format(code=reply.status).encode()
    return Reply(reply.status, body, reply.headers, content_type="text/html; charset=UTF-8")


def _json(value: object) -> Callable[[Reply, int | None], Reply]:
    return lambda reply, _size: Reply(reply.status, jsonbytes.dumps(value), reply.headers)


def _empty(reply: Reply, _size: int | None) -> Reply:
    return Reply(reply.status, b"", reply.headers)


def _truncated(reply: Reply, size: int | None) -> Reply:
    body = reply.body or b'{"id":"msgbatch_01'
    return Reply(reply.status, body[: len(body) // 2 if size is None else size], reply.headers)


def _huge(reply: Reply, size: int | None) -> Reply:
    """Valid JSON, of so many bytes."""
    return Reply(reply.status, headers=reply.headers, pieces=_padded(size or _HUGE))


def _padded(size: int) -> Iterator[bytes]:
    yield b'{"type":"message_batch","padding":"'
    for start in range(0, size, _BLOCK):
        yield b"x" * min(_BLOCK, size - start)
    yield b'"}'


def _bomb(reply: Reply, size: int | None) -> Reply:
    """Gzip that unpacks to so many bytes of white space, a thousand times what is sent."""
    member = gzip.compress(b" " * _BLOCK)  # gzip members may follow one another
    pieces = (member for _ in range(-(-(size or _HUGE) // _BLOCK)))
    return Reply(reply.status, headers=reply.headers | {"content-encoding": "gzip"}, pieces=pieces)


def _huge_header(reply: Reply, size: int | None) -> Reply:
    reply.headers["x-filler"] = "x" * (size or _WIDE)
    return reply


def _many_headers(reply: Reply, size: int | None) -> Reply:
    reply.headers |= {f"x-filler-{n}": "x" for n in range(size or 500)}
    return reply


FORMS: Mapping[str, Callable[[Reply, int | None], Reply]] = {
    "html": _html,
    "empty": _empty,
    "truncated": _truncated,
    "list": _json([]),
    "string": _json("ok"),
    "number": _json(7),
    "none": _json(None),
    "object": _json({}),
    "huge": _huge,
    "bomb": _bomb,
    "huge_header": _huge_header,
    "many_headers": _many_headers,
}

_ERROR = Kind(
    "a mapping of type, message and code, all texts",
    lambda value: (
        isinstance(value, dict)
        and value.keys() <= {"type", "message", "code"}
        and all(isinstance(v, str) for v in value.values())
    ),
)
_BODY = Kind("a text, or what JSON can hold", lambda value: value is not None)
ANSWER: Mapping[str, Kind] = {
    "code": CODE,
    "headers": HEADER_VALUES,
    "body": _BODY,
    "error": _ERROR,
    "form": one_of(*FORMS),
    "bytes": POSITIVE,
}
STATUS = Takes(ANSWER)
GARBLE = Takes({"form": one_of(*FORMS), "code": CODE, "bytes": POSITIVE})
HEADERS = Takes({"headers": HEADER_VALUES}, own=True)
REDIRECT = Takes({"to": TEXT, "code": CODE})


def answer(told: Mapping[str, Any], call: Call) -> Reply:
    """The answer that a scenario describes: `body`, or `form`, or else the API's error envelope."""
    code = told.get("code", 200)
    headers = {name.lower(): _text(value) for name, value in told.get("headers", {}).items()}
    if "form" in told:
        return FORMS[told["form"]](Reply(code, b"{}", headers), told.get("bytes"))
    if "body" in told:
        body = told["body"]
        kind = headers.pop("content-type", None)
        content = body.encode() if isinstance(body, str) else jsonbytes.dumps(body)
        return Reply(code, content, headers, content_type=kind or JSON_TYPE)
    error = told.get("error", {})
    message = error.get("message", "Scripted by the scenario")
    refused = Refused(code, message, type=error.get("type"), error_code=error.get("code"))
    reply = refused.reply(call.request_id)
    reply.headers |= headers
    return reply


def status(turn: Turn) -> Reply:
    """An answer in place of the call, which is not performed."""
    return answer(turn.told, turn.call)


def garble(turn: Turn) -> Reply:
    """The call is performed, and its answer comes in another form, or under another status."""
    reply = turn.proceed()
    reply.status = turn.told.get("code", reply.status)
    form = turn.told.get("form")
    return FORMS[form](reply, turn.told.get("bytes")) if form else reply


def headers(turn: Turn) -> Reply:
    """The call is performed; its answer has these headers, and lacks those that are null."""
    reply = turn.proceed()
    reply.headers |= {name.lower(): _text(value) for name, value in turn.told["headers"].items()}
    return reply


def redirect(turn: Turn) -> Reply:
    """The client is sent elsewhere: to the same place (`self`), round in a circle (`loop`), or to a URL."""
    to, path = turn.told["to"], turn.call.path
    if to == "loop":
        hop = int((turn.call.query.get("hop") or ["0"])[-1]) % 2 + 1
        to = f"{turn.call.origin}{path}?hop={hop}"
    elif to == "self":
        to = turn.call.origin + path
    return Reply(turn.told.get("code", 307), headers={"location": to}, content_type=None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
