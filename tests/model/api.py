"""The API as a value, and a provider that asks it: what it does is chosen from all that it may do.

A key is one bit, and a nonce names the keys of its shard: so a batch is known by its nonce alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from batchrun.client.waiting import Polled
from batchrun.errors import BadRequest, ConnectionFailed, NotFound, RateLimited, ServerError, TooLarge
from batchrun.lifecycle.phases import RETENTION
from batchrun.model import Batch, Json, ProcessingStatus, RequestCounts
from batchrun.providers.base import Baseline, OutcomeUnknown, Rejected, TryLater
from tests.model.choices import Choices
from tests.resultlines import custom_id, ended, errored, succeeded, write
from tests.states import NOW, moment

HOUR = 3600.0
TICK = 8 * HOUR
"""All that waits, waits for a multiple of this."""
OLD = 5 * TICK
"""Older than every limit but the retention of results: how much older makes no difference."""
GONE = 30 * 24 * HOUR
SUCCEEDED, ERRORED, EXPIRED, CANCELED = "succeeded", "errored", "expired", "canceled"


class Crash(BaseException):
    """The process is gone."""


def nonce_of(number: int, keys: frozenset[int]) -> str:
    return f"{number:08x}{sum(1 << key for key in keys):08x}"


def keys_of(nonce: str) -> frozenset[int]:
    mask = int(nonce[8:], 16)
    return frozenset(key for key in range(32) if mask >> key & 1)


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch at the API. `result`: of all its requests, once it has ended. `hidden`: from so many listings.
    `counted`: while it runs, its counts say how many requests it has."""

    nonce: str
    age: float = 0.0
    result: str = ""
    canceling: bool = False
    hidden: int = 0
    counted: bool = True
    ours: bool = True

    @property
    def requests(self) -> int:
        return len(keys_of(self.nonce))

    def aged(self, seconds: float) -> Remote:
        age = self.age + seconds
        return replace(self, age=GONE if age > RETENTION else min(age, OLD))


@dataclass
class Api:
    """A provider. `lag`: how many listings a new batch may be missing from; more than the tool allows for is how
    the explorer itself is tried."""

    remotes: list[Remote]
    choices: Choices
    shards: Path
    """Where the files of shards stand, by nonce."""
    lag: int = 1
    posted: list[str] = field(default_factory=list)
    name: str = "anthropic"
    origin: str = "https://api.anthropic.com"

    def close(self) -> None:
        """Nothing is open."""

    # ---- what stands there

    def batch(self, number: int) -> Batch:
        remote = self.remotes[number]
        kind = remote.result or "processing"
        status = ProcessingStatus.ENDED if remote.result else ProcessingStatus.IN_PROGRESS
        if remote.canceling and not remote.result:
            status = ProcessingStatus.CANCELING
        counts = (
            RequestCounts(**{kind: remote.requests}) if remote.counted or remote.result else RequestCounts()
        )
        at = moment(NOW - remote.age)
        return Batch(
            id=f"msgbatch_{number}",
            processing_status=status,
            request_counts=counts,
            created_at=at,
            expires_at=at + timedelta(days=1),
            ended_at=moment(NOW) if remote.result else None,
        )

    def _change(self, number: int, remote: Remote) -> None:
        self.remotes[number] = remote

    def _seen(self) -> list[int]:
        return [n for n, r in enumerate(self.remotes) if not r.hidden]

    def _fail_sometimes(self, question: str) -> None:
        if self.choices.pick(question, ["answers"], ["503"]) == "503":
            error = ServerError("503", status=503)
            raise TryLater(error)

    # ---- the calls

    def newest(self) -> Baseline:
        self._fail_sometimes("newest")
        seen = self._seen()
        last = seen[-1] if seen else None
        created: datetime | None = None if last is None else moment(NOW - self.remotes[last].age)
        return Baseline(
            batch_id=None if last is None else f"msgbatch_{last}",
            created_at=created,
            server_time=moment(NOW),
            credential=self.choices.pick("credential", ["ours"], ["another"]),
            known=tuple(f"msgbatch_{n}" for n in seen),
        )

    def since(self, baseline: Baseline) -> Sequence[Batch]:
        self._fail_sometimes("list")
        first = int(baseline.batch_id.rpartition("_")[2]) + 1 if baseline.batch_id else 0
        newer = [n for n in self._seen() if n >= first or f"msgbatch_{n}" not in baseline.known]
        found = [self.batch(n) for n in reversed(newer)]
        for number, remote in enumerate(self.remotes):
            self._change(number, replace(remote, hidden=max(remote.hidden - 1, 0)))
        return found

    def create(self, body: Path, *, requests: int, betas: Sequence[str], api_version: str) -> Batch:
        nonce = body.stem
        seen = ("listed", "listed late", "not counted")
        lost = [f"{fate}, {how}" for fate in ("reply lost", "crash after") for how in seen]
        faults = ["400", "413", "429", "lost on the way", "named oddly", "crash before", *lost]
        match self.choices.pick("create", ["accepted"], faults):
            case "400":
                raise Rejected(BadRequest("400", status=400))
            case "413":
                raise Rejected(TooLarge("413", status=413))
            case "429":
                raise TryLater(RateLimited("429", status=429))
            case "lost on the way":
                raise OutcomeUnknown(ConnectionFailed("read timed out", sent=True))
            case "crash before":
                raise Crash
            case fate:
                self.posted.append(nonce)
                hidden = self.lag if fate.endswith("listed late") else 0
                self.remotes.append(Remote(nonce, hidden=hidden, counted=not fate.endswith("not counted")))
                found = self.batch(len(self.remotes) - 1)
        if fate.startswith("crash"):
            raise Crash
        if fate.startswith("reply lost"):
            raise OutcomeUnknown(ConnectionFailed("read timed out", sent=True))
        if fate == "named oddly":
            raise OutcomeUnknown(ServerError("odd", status=200), batch=found)
        return found

    def retrieve(self, id: str) -> Polled:
        number = int(id.rpartition("_")[2])
        remote = self.remotes[number]
        if remote.result:
            usual, faults = ["as it was"], ["404", "503"]
        elif remote.age >= 24 * HOUR:
            usual, faults = [EXPIRED], ["404"]
        elif remote.canceling:
            usual, faults = [CANCELED, SUCCEEDED], ["404"]
        else:
            usual, faults = [SUCCEEDED, "runs"], [ERRORED, EXPIRED, CANCELED, "404", "503"]
        match self.choices.pick("retrieve", usual, faults):
            case "404":
                raise TryLater(NotFound("404", status=404))
            case "503":
                raise TryLater(ServerError("503", status=503))
            case "as it was" | "runs":
                pass
            case result:
                self._change(number, replace(remote, result=result))
        return Polled(self.batch(number), None)

    def cancel(self, id: str) -> Batch:
        number = int(id.rpartition("_")[2])
        remote = self.remotes[number]
        match self.choices.pick("cancel", ["done"], ["503", "it has ended", "404"]):
            case "503":
                raise TryLater(ServerError("503", status=503))
            case "404":
                raise TryLater(NotFound("404", status=404))
            case "it has ended":
                self._change(number, replace(remote, result=remote.result or SUCCEEDED))
        remote = self.remotes[number]
        if remote.result:
            raise Rejected(BadRequest("it has ended", status=400))
        self._change(number, replace(remote, canceling=True))
        return self.batch(number)

    def download(self, id: str, part: Path) -> None:
        remote = self.remotes[int(id.rpartition("_")[2])]
        if remote.age > RETENTION:
            raise TryLater(NotFound("404", status=404))
        fate = self.choices.pick("results", ["whole"], ["503", "cut", "a strange line"])
        if fate == "503":
            raise TryLater(ServerError("503", status=503))
        nonce = remote.nonce if remote.ours else "f" * 16
        lines = [line_of(key, remote.result, nonce) for key in sorted(keys_of(remote.nonce))]
        if fate == "cut":
            lines = lines[:-1]
        if fate == "a strange line":
            lines.append(line_of(99, SUCCEEDED, nonce))
        write(part, *lines)

    def count_tokens(self, params: Mapping[str, Json]) -> int:
        return 1


def line_of(key: int, result: str, nonce: str) -> bytes:
    name = f"key {key}"
    if result == SUCCEEDED:
        return succeeded(name, nonce=nonce)
    if result == ERRORED:
        return errored(name, "api_error", nonce=nonce)
    return ended(name, result, nonce)


def shard_line(key: int, nonce: str) -> bytes:
    return b'{"custom_id":"%b","params":{}}\n' % custom_id(f"key {key}", nonce).encode()
