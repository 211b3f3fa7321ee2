"""The batches of a state folder, and what the clock makes of them.

    ledger.jsonl               one line an accepted batch, durable before the reply; in the order of the list
    batches/<id>/batch.json    the facts: when created, when cancelled; the counts once it ended
    batches/<id>/requests.jsonl, results.jsonl

Nothing runs in the background: where a batch stands is a function of its facts and the clock, worked out at
each call, so that one process may accept a batch and another serve its results.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from batchrun import jsonbytes
from batchrun.fs.files import clock_of, make_private_dir, write_atomic
from batchrun.model import Json, RequestCounts
from batchrun.simulator import ids
from batchrun.simulator.counters import Counters, Judge, judging
from batchrun.simulator.disk import append, create, locked
from batchrun.simulator.envelope import Contents
from batchrun.simulator.options import Options
from batchrun.simulator.record import DAY, RETENTION, Record, wire_time
from batchrun.simulator.replies import Refused, no_results, not_found
from batchrun.simulator.running import counts_so_far, write_results
from batchrun.simulator.scenario import Scenario

_INCOMING = ".incoming-"
_FOR_EVER = 1e12  # seconds; JSON has no infinity
_STRANGE = {"role": "user", "content": "Somebody else's question."}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the headers of a create say of the whole batch."""

    api_version: str
    betas: tuple[str, ...] = ()
    user_profile_id: str | None = None


class Batches:
    """The batches below `state`. Several of these, in threads and processes, may share one folder."""

    def __init__(self, state: Path, options: Options, clock: Callable[[], float]) -> None:
        self.state, self.options, self.clock = state, options, clock
        self.folder = state / "batches"
        make_private_dir(self.folder)
        self.counters = Counters(state)
        _clear(state)
        self._accepted = _Ledger(state / "ledger.jsonl")

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder for a body on its way in, on the file system of the batches."""
        with tempfile.TemporaryDirectory(dir=self.state, prefix=_INCOMING) as folder:
            yield Path(folder)

    def accept(
        self, lines: Path, contents: Contents, asked: Asked, *, size: int, sha256: str, skew: float = 0.0
    ) -> Record:
        """Take over the file of request lines as a new batch; it is in the ledger when this returns. `skew`:
        how far the clock of the server that took it is off."""
        record = Record(
            ids.fresh("msgbatch"),
            self.clock() + skew,
            contents.requests,
            min(self.options.process_seconds, _FOR_EVER),
            self.options.cancel_seconds,
            asked.api_version,
            asked.betas,
            asked.user_profile_id,
        )
        home = self.folder / record.id
        make_private_dir(home)
        lines.rename(home / "requests.jsonl")
        self._save(record)
        self._accepted.add(
            {
                "id": record.id,
                "created_at": wire_time(record.created_at),
                "requests": contents.requests,
                "bytes": size,
                "body_sha256": sha256,
                "first_custom_id": contents.first_id,
                "last_custom_id": contents.last_id,
            }
        )
        return record

    def accept_stranger(self, requests: int, asked: Asked) -> Record:
        """A batch that somebody else in the workspace submits: its custom_ids begin with `stranger-`."""
        params = {"model": "claude-haiku-4-5", "max_tokens": 16, "messages": [_STRANGE]}
        with self.incoming() as folder:
            lines = folder / "requests.jsonl"
            with create(lines) as stream:
                for n in range(requests):
                    stream.write(jsonbytes.dumps({"custom_id": f"stranger-{n}", "params": params}) + b"\n")
            contents = Contents(requests, "stranger-0", f"stranger-{requests - 1}")
            return self.accept(lines, contents, asked, size=lines.stat().st_size, sha256="")

    def get(self, batch_id: str) -> Record:
        """The batch, ended if its time has come. Raises Refused (404) for one that is not there."""
        record = self._load(batch_id)
        if record is None:
            raise not_found(batch_id)
        if record.counts is None and self.clock() >= record.ends_at:
            return self._end(batch_id)
        return record

    def page(
        self, limit: int, after: str | None, before: str | None, *, lag: float = 0.0
    ) -> tuple[list[Record], bool]:
        """Batches, newest first: those right after or right before a cursor (api-facts §2.3).

        `lag`: leave out what was created in the last so many seconds.
        """
        order, place = self._accepted.order()
        for cursor in (after, before):
            if cursor is not None and (cursor not in place or self._load(cursor) is None):
                raise not_found(cursor)
        if before is not None:
            # Toward newer: walk up from the cursor, then turn the page round.
            found = self._take(order, range(place[before] + 1, len(order)), limit + 1, lag)
            return found[:limit][::-1], len(found) > limit
        start = len(order) if after is None else place[after]
        found = self._take(order, range(start - 1, -1, -1), limit + 1, lag)
        return found[:limit], len(found) > limit

    def _take(self, order: list[str], places: range, limit: int, lag: float) -> list[Record]:
        found: list[Record] = []
        for place in places:
            if len(found) == limit:
                break
            record = self._load(order[place])
            if record is not None and not (lag and record.created_at > self.clock() - lag):
                with suppress(Refused):  # deleted meanwhile
                    found.append(self.get(record.id))
        return found

    def waiting(self) -> int:
        """How many requests are accepted and not worked off."""
        order, _ = self._accepted.order()
        now = self.clock()
        records = (self._load(batch_id) for batch_id in order)
        return sum(r.requests - r.done(now) for r in records if r and r.counts is None and now < r.ends_at)

    def counts_so_far(self, record: Record) -> RequestCounts | None:
        """The tally of a batch that runs, for those who want to see it move; None once it ended."""
        if record.counts is not None:
            return None
        with self._held(record.id) as held:
            return counts_so_far(self._home(record.id), held, self._judges, self.options.today, self.clock())

    def cancel(self, batch_id: str) -> Record:
        with self._held(batch_id) as record:
            if record.counts is not None or self.clock() >= record.ends_at:
                raise Refused(400, f"Message Batch {batch_id} has already ended and cannot be canceled.")
            if record.cancel_initiated_at is None:
                record = replace(record, cancel_initiated_at=self.clock())
                self._save(record)
            return record

    def delete(self, batch_id: str) -> None:
        if self.get(batch_id).counts is None:
            raise Refused(400, "In progress batches cannot be deleted. Consider canceling the batch instead.")
        with self._held(batch_id) as record:
            self._save(replace(record, deleted=True))
        shutil.rmtree(self._home(batch_id), ignore_errors=True)

    def results(self, batch_id: str) -> Path:
        """The file of result lines. Raises Refused (404) while there is none, and 29 days after creation."""
        record = self.get(batch_id)
        if record.counts is None or self.clock() >= record.created_at + RETENTION:
            raise no_results(batch_id)
        return self._home(batch_id) / "results.jsonl"

    def _end(self, batch_id: str) -> Record:
        """Write the results, once, whoever comes first; the others wait and read what it wrote."""
        with self._held(batch_id) as record:
            if record.counts is None:
                counts = write_results(self._home(batch_id), record, self._judges, self.options.today)
                record = replace(record, counts=counts)
                self._save(record)
            return record

    @contextmanager
    def _held(self, batch_id: str) -> Iterator[Record]:
        """The batch as it is now, ours alone to change inside the block. Raises Refused (404)."""
        with ExitStack() as stack:
            if self._load(batch_id) is None:
                raise not_found(batch_id)
            try:
                stack.enter_context(locked(self._home(batch_id) / "lock"))
            except FileNotFoundError:  # deleted meanwhile
                raise not_found(batch_id) from None
            record = self._load(batch_id)
            if record is None:
                raise not_found(batch_id)
            yield record

    def _judges(self) -> AbstractContextManager[Judge]:
        return judging(self.options.scenario or Scenario(), self.counters)

    def _home(self, batch_id: str) -> Path:
        return self.folder / batch_id

    def _load(self, batch_id: str) -> Record | None:
        if not batch_id.isidentifier():  # nothing that could be a path
            return None
        try:
            facts = orjson.loads((self._home(batch_id) / "batch.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        counts = facts.pop("counts")
        betas = tuple(facts.pop("betas"))
        record = Record(**facts, betas=betas, counts=RequestCounts(**counts) if counts else None)
        return None if record.deleted else record

    def _save(self, record: Record) -> None:
        write_atomic(self._home(record.id) / "batch.json", jsonbytes.dumps(asdict(record)))


def _clear(state: Path) -> None:
    """Remove the bodies that a killed simulator left half-way; not those another one may be reading."""
    if left := list(state.glob(f"{_INCOMING}*")):
        now = clock_of(state)
        for folder in left:
            if folder.stat().st_mtime < now - DAY:
                shutil.rmtree(folder, ignore_errors=True)


class _Ledger:
    """The accepted batches in order; what other processes added is read when asked, and only that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read = 0
        self._order: list[str] = []  # one short id a batch, not a request
        self._times: list[str] = []  # of creation, beside the ids
        self._place: dict[str, int] = {}

    def add(self, entry: dict[str, Json]) -> None:
        append(self.path, jsonbytes.dumps(entry), durable=True)

    def order(self) -> tuple[list[str], dict[str, int]]:
        """Ids, oldest first, and the place of each."""
        with self._lock:
            if self.path.exists():
                with self.path.open("rb") as stream:
                    stream.seek(self._read)
                    new = stream.read()
                whole = new.rfind(b"\n") + 1
                self._read += whole
                for line in new[:whole].splitlines():
                    self._insert(orjson.loads(line))
            return self._order, self._place

    def _insert(self, entry: dict[str, str]) -> None:
        """By created_at, as the API lists: a server with another clock may have accepted it."""
        at = bisect_right(self._times, entry["created_at"])
        self._times.insert(at, entry["created_at"])
        self._order.insert(at, entry["id"])
        for place in range(at, len(self._order)):
            self._place[self._order[place]] = place
