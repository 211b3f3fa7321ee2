"""Working off a batch: each request to its result line, once, streamed.

First the answers, in request order: what became of each request that was run. Then the results: the same
lines and those of the requests that were not, shuffled, since the API promises no order (api-facts §2.6).
The shuffle depends on the batch id alone, so it is the same each time.
"""

from __future__ import annotations

import os
import random
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeAlias

import orjson

from batchrun import jsonbytes
from batchrun.fs.files import CHUNK, lines, settle, write_atomic
from batchrun.model import Json, RequestCounts, ResultType
from batchrun.simulator import ids
from batchrun.simulator.answers import message, message_id
from batchrun.simulator.checks import Setting, check
from batchrun.simulator.checks_messages import ParamFault
from batchrun.simulator.counters import Judge
from batchrun.simulator.disk import create
from batchrun.simulator.record import Record
from batchrun.simulator.replies import envelope
from batchrun.simulator.usage import PromptCache

Judges: TypeAlias = Callable[[], AbstractContextManager[Judge]]

_LETTER = {
    ResultType.SUCCEEDED: b"s",
    ResultType.ERRORED: b"e",
    ResultType.CANCELED: b"c",
    ResultType.EXPIRED: b"x",
}


def write_results(home: Path, record: Record, judges: Judges, today: date) -> RequestCounts:
    """Write `home`/results.jsonl and return its tally. `today` decides which models have retired. The caller holds the batch's lock."""
    done = record.done(record.ends_at)
    outcomes = _write_answers(home, record, judges, today, done)[:done]
    rest = ResultType.EXPIRED if record.cancel_initiated_at is None else ResultType.CANCELED
    with create(home / "rest.part") as stream:
        for line in islice(lines(home / "requests.jsonl"), done, None):
            result = {"custom_id": orjson.loads(line)["custom_id"], "result": {"type": rest.value}}
            stream.write(jsonbytes.dumps(result) + b"\n")
    with create(home / "results.part") as stream:
        _shuffle(home, done, random.Random(record.id), stream)  # noqa: S311
    settle(home / "results.part", home / "results.jsonl")
    for name in ("answers.jsonl", "rest.part"):
        (home / name).unlink()
    return _tally(outcomes + _LETTER[rest] * (record.requests - done), processing=0)


def counts_so_far(home: Path, record: Record, judges: Judges, today: date, now: float) -> RequestCounts:
    """The tally of what is done by `now`, for a batch that still runs. The caller holds the batch's lock."""
    outcomes = _write_answers(home, record, judges, today, record.requests)
    done = record.done(now)
    return _tally(outcomes[:done], processing=record.requests - done)


def _write_answers(home: Path, record: Record, judges: Judges, today: date, upto: int) -> bytes:
    """Answer the first `upto` requests into `home`/answers.jsonl, unless it is there; one letter for each."""
    answers, outcomes = home / "answers.jsonl", home / "outcomes"
    if not answers.exists():
        letters = bytearray()  # one byte a request
        part = home / "answers.part"
        with judges() as judge, create(part) as stream:
            answer = _Answering(record, judge, today)
            for line in islice(lines(home / "requests.jsonl"), upto):
                request = orjson.loads(line)
                kind, result = answer(request["custom_id"], request["params"])
                stream.write(jsonbytes.dumps({"custom_id": request["custom_id"], "result": result}) + b"\n")
                letters += _LETTER[kind]
        write_atomic(outcomes, bytes(letters))
        settle(part, answers)
    return outcomes.read_bytes()


def _tally(letters: bytes, *, processing: int) -> RequestCounts:
    count = {kind.value: letters.count(letter) for kind, letter in _LETTER.items()}
    return RequestCounts(processing=processing, **count)


class _Answering:
    """One request after the other of one batch; the prompt cache warms up on the way."""

    def __init__(self, record: Record, judge: Judge, today: date) -> None:
        self.record, self.judge = record, judge
        self.setting = Setting(record.api_version, record.betas, today, record.user_profile_id)
        self.cache = PromptCache()

    def __call__(self, custom_id: str, params: dict[str, Any]) -> tuple[ResultType, dict[str, Json]]:
        rule = self.judge(params)
        kind = rule.type if rule else ResultType.SUCCEEDED
        if kind in (ResultType.CANCELED, ResultType.EXPIRED):
            return kind, {"type": kind.value}
        if rule and kind == ResultType.ERRORED:
            return _errored(rule.error_type, rule.error_message)
        try:
            model = check(params, self.setting)
            said = message(
                params,
                model,
                self.cache,
                message_id=message_id(self.record.id, custom_id),
                text=rule.text if rule else None,
                stop_reason=rule.stop_reason if rule else None,
            )
        except ParamFault as fault:
            return _errored(fault.type, str(fault), ids.fresh("workerreq") if fault.worker else None)
        return ResultType.SUCCEEDED, {"type": "succeeded", "message": said}


def _errored(type: str, message: str, request_id: str | None = None) -> tuple[ResultType, dict[str, Json]]:
    """The error sits in an envelope of its own (api-facts §2.8)."""
    whole = envelope(type, message, request_id, details={"error_visibility": "user_facing"})
    return ResultType.ERRORED, {"type": "errored", "error": whole}


def _shuffle(home: Path, done: int, order: random.Random, stream: BinaryIO) -> None:
    """The first `done` lines of answers.jsonl and all of rest.part, mixed."""
    with _Lines(home / "answers.jsonl", done) as answers, _Lines(home / "rest.part") as rest:
        places = array("L", range(len(answers) + len(rest)))
        order.shuffle(places)
        for nth, place in enumerate(places):
            if nth:
                stream.write(b"\n")  # between lines only: the service sends no LF after the last one
            stream.write(answers[place] if place < done else rest[place - done])


class _Lines:
    """The lines of a file by number. Holds eight bytes a line: a shuffle needs them all."""

    def __init__(self, path: Path, most: int | None = None) -> None:
        self._ends = array("Q", [0])
        self._stream = path.open("rb", buffering=CHUNK)
        at = 0
        for line in islice(self._stream, most):
            at += len(line)
            self._ends.append(at)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> bytes:
        start = self._ends[number]
        return os.pread(self._stream.fileno(), self._ends[number + 1] - start - 1, start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
