"""The body of a create call: split into request lines and checked, one request at a time.

The server checks the envelope at once and each request's params only when it runs it (api-facts §2.1);
the messages are those of §3.1. A body holds up to 100,000 requests in 256 MB, so the object tree of the
whole is never built: pieces are cut where one request ends and the next begins, and each piece is parsed
alone. That the pieces are valid proves the cut; where one is not, a slower reader finds the true borders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import BinaryIO

import orjson

from batchrun.model import Json
from batchrun.simulator.replies import Refused

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_HEAD = re.compile(rb'\s*\{\s*"requests"\s*:\s*\[\s*(?=\{)')
_TAIL = re.compile(rb"\]\s*\}\s*\Z")
_BORDER = re.compile(rb',[ \t\r\n]*(?=\{[ \t\r\n]*"custom_id"[ \t\r\n]*:)')
_CHUNK = 1 << 22
_BORDER_SPAN = 256  # bytes; a border longer than that, of much white space, makes a body not so simple
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a valid body holds."""

    requests: int
    first_id: str
    last_id: str


def split(body: Path, lines: BinaryIO, *, max_requests: int = 100_000) -> Contents:
    """Write each request of `body` as a line of `lines`. Raises Refused, in the words of api-facts §3.1."""
    if not body.stat().st_size:
        raise not_json("empty body")
    try:
        with body.open("rb", buffering=0) as stream:
            return _write(_quick_pieces(stream), lines, max_requests)
    except _NotSoSimple:
        lines.seek(0)
        lines.truncate()
        return _write(_exact_pieces(body.read_bytes()), lines, max_requests)


def not_json(reason: str) -> Refused:
    return Refused(400, f"The request body is not valid JSON: {reason}")


class _NotSoSimple(Exception):
    """The quick cut does not hold for this body."""


def _write(pieces: Iterator[tuple[bytes, Json]], lines: BinaryIO, max_requests: int) -> Contents:
    # One entry a request: ids must be unique within the batch, and a batch has at most 100,000.
    seen: set[str] = set()
    twice: str | None = None
    fault: Refused | None = None
    first = last = ""
    count = 0
    for count, (piece, request) in enumerate(pieces, 1):
        if fault:
            continue  # a body that is not JSON at all is said first
        try:
            last = _custom_id(request, count - 1)
        except Refused as refused:
            fault = refused
            continue
        first = first or last
        if last in seen:
            twice = twice or last
        seen.add(last)
        # LF cannot stand raw inside a JSON string: what is replaced is only layout.
        lines.write(piece.replace(b"\n", b" ") if b"\n" in piece else piece)
        lines.write(b"\n")
    if fault:
        raise fault
    if not count:
        raise Refused(400, "requests: List should have at least 1 item after validation, not 0")
    if count > max_requests:
        raise Refused(
            400, f"requests: List should have at most {max_requests} items after validation, not {count}"
        )
    if twice is not None:
        raise Refused(
            400, f"requests: custom_id's must be unique within a batch. Duplicate custom_id found: {twice}"
        )
    return Contents(count, first, last)


def _custom_id(request: Json, position: int) -> str:
    at = f"requests.{position}"
    if not isinstance(request, dict):
        raise Refused(400, f"{at}: Input should be a valid dictionary")
    custom_id = request.get("custom_id")
    if "custom_id" not in request:
        raise Refused(400, f"{at}.custom_id: Field required")
    if not isinstance(custom_id, str):
        raise Refused(400, f"{at}.custom_id: Input should be a valid string")
    if len(custom_id) > 64:
        raise Refused(400, f"{at}.custom_id: String should have at most 64 characters")
    if not CUSTOM_ID.fullmatch(custom_id):
        raise Refused(400, f"{at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if "params" not in request:
        raise Refused(400, f"{at}.params: Field required")
    if not isinstance(request["params"], dict):
        raise Refused(400, f"{at}.params: Input should be a valid dictionary")
    if len(request) > 2:
        extra = next(key for key in request if key not in ("custom_id", "params"))
        raise Refused(400, f"{at}.{extra}: Extra inputs are not permitted")
    return custom_id


def _quick_pieces(stream: BinaryIO) -> Iterator[tuple[bytes, Json]]:
    """For `{"requests":[{"custom_id":…},{"custom_id":…}]}`, as clients write it; else raises _NotSoSimple."""
    held = stream.read(_CHUNK)
    head = _HEAD.match(held)
    if not head:
        raise _NotSoSimple
    held = held[head.end() :]
    looked = 0  # into `held`: no border begins before
    while more := stream.read(_CHUNK):
        start = 0
        for border in _BORDER.finditer(held, looked):
            yield _parsed(held[start : border.start()])
            start = border.end()
        looked = max(0, len(held) - start - _BORDER_SPAN)
        held = held[start:] + more
    start = 0
    for border in _BORDER.finditer(held, looked):
        yield _parsed(held[start : border.start()])
        start = border.end()
    tail = _TAIL.search(held, start)
    if not tail:
        raise _NotSoSimple
    yield _parsed(held[start : tail.start()])


def _parsed(piece: bytes) -> tuple[bytes, Json]:
    try:
        return piece, orjson.loads(piece)
    except orjson.JSONDecodeError:
        raise _NotSoSimple from None


def _exact_pieces(data: bytes) -> Iterator[tuple[bytes, Json]]:
    """For any other body: walk the top level, decode the items of `requests` one by one.

    Latin-1 makes a character of each byte, so that positions in the text are positions in the data.
    """
    text = data.decode("latin-1")
    decode = JSONDecoder().raw_decode
    seen_requests = False
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        _refuse_top_level(data)
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        key, at = _decoded(decode, text, at)
        if not isinstance(key, str):
            raise not_json(f"expected a key (char {at})")
        at = _after(text, at, ":")
        if key == "requests" and not seen_requests and text[at : at + 1] == "[":
            seen_requests = True
            at = _skip(text, at + 1)
            while text[at : at + 1] != "]":
                _, end = _decoded(decode, text, at)
                piece = data[at:end]
                yield piece, _strict(piece)
                at = _next_item(text, end, "]")
            at += 1
        elif key == "requests":
            raise Refused(400, "requests: Input should be a valid list")
        else:
            raise Refused(400, f"{key}: Extra inputs are not permitted")
        at = _next_item(text, at, "}")
    if _skip(text, at + 1) != len(text):
        raise not_json(f"unexpected content after document (char {at + 1})")
    if not seen_requests:
        raise Refused(400, "requests: Field required")


def _refuse_top_level(data: bytes) -> None:
    _strict(data)
    raise Refused(400, "Input should be a valid dictionary")


def _strict(piece: bytes) -> Json:
    try:
        value: Json = orjson.loads(piece)
    except orjson.JSONDecodeError as error:
        raise not_json(str(error)) from None
    return value


def _decoded(decode: Callable[[str, int], tuple[Json, int]], text: str, at: int) -> tuple[Json, int]:
    try:
        value, end = decode(text, at)
    except (JSONDecodeError, RecursionError) as error:
        raise not_json(str(error)) from None
    return value, end


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _after(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise not_json(f"expected {mark!r} (char {at})")
    return _skip(text, at + 1)


def _next_item(text: str, at: int, close: str) -> int:
    """Where the next item begins, or where `close` stands."""
    at = _skip(text, at)
    if text[at : at + 1] == close:
        return at
    at = _after(text, at, ",")
    if text[at : at + 1] == close:
        raise not_json(f"trailing comma (char {at})")
    return at
