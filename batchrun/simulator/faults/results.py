"""Faults of results: cut off, or with lines that are not as they should be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import orjson

from batchrun import jsonbytes
from batchrun.fs.files import lines as lines_of
from batchrun.simulator.faults.arguments import AMOUNT, POSITIVE, Takes, one_of
from batchrun.simulator.faults.turn import Turn
from batchrun.simulator.replies import Reply
from batchrun.simulator.sending import ENDS

_BLOCK = 1 << 20
_ENDLESS = 300 * 1024 * 1024


def cut(turn: Turn) -> Reply:
    """The body ends after so many bytes, in one of the ways that a body may end."""
    reply = turn.proceed()
    if reply.file is not None:
        reply.sending.cut, reply.sending.end = turn.told["bytes"], turn.told.get("end", "clean")
    return reply


def lines(turn: Turn) -> Reply:
    """The lines come in another order, or some of them spoiled."""
    reply = turn.proceed()
    if reply.file is None:
        return reply
    form, count = turn.told["form"], turn.told.get("count")
    if form == "endless":
        reply.pieces = _endless(count or _ENDLESS)
    else:
        reply.pieces = _joined(FORMS[form](lines_of(reply.file), count or 1))
    reply.file = None
    return reply


def _joined(found: Iterator[bytes]) -> Iterator[bytes]:
    """With LF between lines only: the service sends none after the last (api-facts §2.6)."""
    for nth, line in enumerate(found):
        yield b"\n" + line if nth else line


def _shuffled(found: Iterator[bytes], _count: int) -> Iterator[bytes]:
    """In another order each time."""
    whole = list(found)
    random.shuffle(whole)
    yield from whole


def _spoiling(spoil: Callable[[bytes], list[bytes]]) -> Callable[[Iterator[bytes], int], Iterator[bytes]]:
    """What makes of each of the first `count` lines those that `spoil` gives."""

    def spoiled(found: Iterator[bytes], count: int) -> Iterator[bytes]:
        for line in islice(found, count):
            yield from spoil(line)
        yield from found

    return spoiled


def _foreign(line: bytes) -> list[bytes]:
    result = orjson.loads(line)
    return [jsonbytes.dumps(result | {"custom_id": f"stranger-{result['custom_id'][:40]}"})]


def _reworded(line: bytes) -> bytes:
    """The same result in other bytes."""
    return jsonbytes.dumps(orjson.loads(line) | {"again": True})


def _separators(line: bytes) -> list[bytes]:
    """U+2028, U+2029 and U+0085 raw in a text, a CR in it and one as white space: each a line's end to a
    careless reader, none to JSON Lines."""
    result = orjson.loads(line)
    result["result"]["separators"] = "one\u2028two\u2029three\x85four\r\nfive\rsix"
    return [jsonbytes.dumps(result)[:-1] + b"\r}"]


def _endless(size: int) -> Iterator[bytes]:
    """One line of so many bytes in place of all."""
    yield b'{"custom_id":"'
    for start in range(0, size, _BLOCK):
        yield b"x" * min(_BLOCK, size - start)


FORMS: Mapping[str, Callable[[Iterator[bytes], int], Iterator[bytes]]] = {
    "shuffled": _shuffled,
    "duplicated": _spoiling(lambda line: [line, line]),
    "reworded": _spoiling(lambda line: [line, _reworded(line)]),
    "missing": _spoiling(lambda _line: []),
    "foreign": _spoiling(_foreign),
    "unparsable": _spoiling(lambda line: [line[: len(line) // 2]]),
    "separators": _spoiling(_separators),
}

CUT = Takes({"bytes": AMOUNT, "end": one_of(*ENDS)})
LINES = Takes({"form": one_of(*FORMS, "endless"), "count": POSITIVE})
