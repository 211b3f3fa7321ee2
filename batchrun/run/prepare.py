"""Input and spec → today's expansion: which requests the answer needs, and which of them are new.

The same pass serves `plan` (which writes nothing) and `run` (which writes the rows file and the shards).
"""

from __future__ import annotations

import hashlib
import random
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

import orjson

from batchrun import jsonbytes
from batchrun.cost.prices import price_of
from batchrun.errors import DataError, Problem
from batchrun.fs import files
from batchrun.fs.confine import confine, open_confined
from batchrun.inputs.rows import open_rows, resolve
from batchrun.lifecycle.phases import live
from batchrun.lifecycle.state import Expansion, Layout, RunState, Shard
from batchrun.model import FileFact, FromFile, Job, Node, Row, Slice
from batchrun.requests.expand import Bulk, Expander, Request, parts_of, settings_of
from batchrun.rundir.filefacts import name_in, relative, unchanged
from batchrun.rundir.shards import UNMARKED, Cutter, keys_in
from batchrun.rundir.store import Store
from batchrun.templates.escape import json_texts

MEDIA_LIMIT = 100_000_000
"""Bytes of one `$base64` file; base64 makes a third more, and a body holds 240 MB in all."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What today's expansion came to."""

    expansion: Expansion
    shards: tuple[Shard, ...]
    duplicates: int
    reused: int
    new: int
    added: int = 0
    """Rows with a new request whose id the last expansion did not have."""
    changed: int = 0
    """Rows with a new request whose id it had."""
    sample: tuple[bytes, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """What may not be meant so in the rows."""


def prepare(job: Job, state: RunState | None, store: Store, media: set[str] | None = None) -> Prepared:
    """Expand every row, and cut what has neither an answer nor a batch under way into shards, on disk.

    The files that rows name are added to `media`, by their absolute paths. Raises DataError or MissingInput
    before anything is sent.
    """
    return _prepare(job, state, store, write=True, watch=_NoWatch(), media=media)


def survey(job: Job, state: RunState | None, store: Store, *, sample: int = 0) -> Prepared:
    """The same without touching a file, telling added rows from changed ones, with `sample` of the new
    requests' params, chosen evenly."""
    last = state.expansion if state else None
    watch = _Watch(store.rows(last.rows_file) if last else None, sample)
    found = _prepare(job, state, store, write=False, watch=watch)
    return replace(found, added=watch.added, changed=watch.changed, sample=tuple(watch.sample))


class _NoWatch:
    """Takes no notice."""

    def new(self, number: int, id: str, params: bytes) -> None:
        """Hear of a new request of row `number`."""

    def all_new(self, rows: Slice, params: Sequence[bytes]) -> None:
        """Hear of many, one of each row."""


class _Watch(_NoWatch):
    """Why requests are new, and a few of them. Holds 8 bytes for each row of the last expansion."""

    def __init__(self, last_rows: Path | None, size: int) -> None:
        ids = (hash(orjson.loads(line)["id"]) for line in files.lines(last_rows)) if last_rows else ()
        self._ids = array("q", sorted(ids))
        self._size, self._seen, self._last = size, 0, 0
        self._random = random.Random(0)  # noqa: S311 (the same sample each time)
        self.added = self.changed = 0
        self.sample: list[bytes] = []

    def all_new(self, rows: Slice, params: Sequence[bytes]) -> None:
        for number, (id, one) in enumerate(zip(rows.ids, params, strict=True), rows.first):
            self.new(number, id, one)

    def new(self, number: int, id: str, params: bytes) -> None:
        self._seen += 1
        if len(self.sample) < self._size:
            self.sample.append(params)
        elif self._size and (place := self._random.randrange(self._seen)) < self._size:
            self.sample[place] = params
        if number == self._last:
            return
        self._last = number
        name = hash(id)
        place = bisect_left(self._ids, name)
        known = place < len(self._ids) and self._ids[place] == name
        self.changed += known
        self.added += not known


def _prepare(
    job: Job,
    state: RunState | None,
    store: Store,
    *,
    write: bool,
    watch: _NoWatch,
    media: set[str] | None = None,
) -> Prepared:
    shards = live(state.shards) if state else ()
    known = keys_in(map(store.whole_shard, shards))
    rows_file = f"{(state.revision if state else 0) + 1:06d}.jsonl"
    rows = open_rows(job.input, root=job.root, roots=job.roots)
    target: AbstractContextManager[BinaryIO | None] = nullcontext()
    if write:
        target = files.replacing(store.rows(rows_file))
    cutter = Cutter(
        job,
        first=next_number(state),
        nonce=new_nonce if write else lambda: UNMARKED,  # a plan is the same each time
        price_of=price_of,
        path_of=store.shard if write else None,
    )
    expander = Expander(job, media_reader(job, media))
    with target as stream, cutter:
        intake = _Intake(cutter, known, watch, stream, expander, include_input=job.output.include_input)
        for piece in rows.pieces():
            if isinstance(piece, Row):
                intake.take(piece, expander.row(piece))
                continue
            for part in piece.parts(expander.at_once):
                if (bulk := expander.slice(part)) is None or not intake.take_all(part, bulk):
                    for row in part.rows():
                        intake.take(row, expander.row(row))
        new_shards = cutter.close()
    seen = intake.seen
    expansion = Expansion(
        spec_files=_spec_files(job),
        input_paths=job.input.paths,
        inputs=tuple(rows.files),
        rows_file=rows_file,
        rows_sha256=_digest(seen),
        rows_file_sha256=intake.digest() if write else "",
        rows=intake.rows,
        requests=len(seen),
        settings=settings_of(job),
        parts=parts_of(job),
        samples=job.samples,
        media=any(_names_files(node) for node in (job.request or {}).values()),
        layout=layout_of(job),
    )
    reused, duplicates = intake.reused, intake.asked - len(seen)
    new = len(seen) - reused
    return Prepared(expansion, new_shards, duplicates, reused, new, warnings=expander.warnings)


class _Intake:
    """Takes in rows with their requests: new ones go to the cutter, every row to the rows file.

    Holds 16 bytes a request: any row may repeat any earlier one, and must not be paid for again.
    """

    def __init__(
        self,
        cutter: Cutter,
        known: set[bytes],
        watch: _NoWatch,
        stream: BinaryIO | None,
        expander: Expander,
        *,
        include_input: bool,
    ) -> None:
        """`known`: keys that live shards hold; it is used up."""
        self._cutter, self._known, self._watch = cutter, known, watch
        self._expander, self._any_known = expander, bool(known)
        self._stream, self._include_input = stream, include_input
        self._sha = hashlib.sha256()
        self.seen: set[bytes] = set()
        self.rows = self.asked = self.reused = 0

    def take(self, row: Row, requests: Sequence[Request]) -> None:
        self.rows += 1
        if self._any_known:
            requests = self._as_asked(row, requests)
        for request in requests:
            self.asked += 1
            if request.key in self.seen:
                continue
            self.seen.add(request.key)
            if request.key in self._known:
                self._known.remove(request.key)  # it now stands in `seen`; both together would cost twice
                self.reused += 1
            else:
                self._cutter.add(request, where=f"row {row.number} ({row.where})")
                self._watch.new(row.number, row.id, request.params)
        if self._stream is not None:
            self._write(self._stream, _rows_line(row, [r.key for r in requests], self._include_input))

    def _as_asked(self, row: Row, requests: Sequence[Request]) -> Sequence[Request]:
        """The requests under the keys they were asked by: with libraries of another day, that may be others."""
        if all(self._is_held(request.key) for request in requests):
            return requests
        held = list(requests)
        for older in self._expander.older_keys(row, requests[0].params):
            for n, (request, key) in enumerate(zip(held, older, strict=True)):
                if not self._is_held(request.key) and self._is_held(key):
                    held[n] = request._replace(key=key)
        return held

    def _is_held(self, key: bytes) -> bool:
        return key in self._known or key in self.seen

    def take_all(self, rows: Slice, bulk: Bulk) -> bool:
        """Take many rows whose requests are all new, or all known, and fit into one shard. False, and nothing
        is taken, where that is not so."""
        keys = set(bulk.keys)
        if self._include_input or len(keys) < len(bulk.keys) or not self.seen.isdisjoint(keys):
            return False
        if self._any_known and not keys <= self._known and self._expander.older.in_text(bulk.text):
            return False
        lines = self._lines(rows, bulk) if self._stream is not None else b""
        if lines is None:
            return False
        if keys <= self._known:
            self._known -= keys
            self.reused += len(keys)
        elif self._known.isdisjoint(keys) and self._cutter.add_all(bulk):
            self._watch.all_new(rows, bulk.params)
        else:
            return False
        self.seen |= keys
        self.rows += len(keys)
        self.asked += len(keys)
        if self._stream is not None:
            self._write(self._stream, lines)
        return True

    def digest(self) -> str:
        """The sha256 of what the rows file holds."""
        return self._sha.hexdigest()

    def _write(self, stream: BinaryIO, lines: bytes) -> None:
        self._sha.update(lines)
        stream.write(lines)

    def _lines(self, rows: Slice, bulk: Bulk) -> bytes | None:
        """What `_rows_line` makes of each row; None where it has to look at them one by one."""
        if (ids := json_texts(list(rows.ids))) is None:
            return None
        fields = zip(count(rows.first), ids, bulk.names, strict=False)
        return b"".join(map(b'{"row":%d,"id":"%b","keys":["%b"]}\n'.__mod__, fields))


def _digest(keys: set[bytes]) -> str:
    """Of what is asked, in whatever order, under whatever ids."""
    digest, ordered = hashlib.sha256(), sorted(keys)
    for start in range(0, len(ordered), _AT_ONCE):
        digest.update(b"".join(ordered[start : start + _AT_ONCE]))
    return digest.hexdigest()


_AT_ONCE = 10_000
"""Keys: joining takes 80 bytes of memory for each, which a million would feel."""


def still_current(expansion: Expansion, job: Job) -> Expansion | None:
    """The expansion with its files' newest times, when spec and data say what they said before."""
    if expansion.media or expansion.settings != settings_of(job):
        return None
    inputs = _same(expansion.inputs, job.root, resolve(job.input, root=job.root, roots=job.roots))
    return (
        None
        if inputs is None
        else replace(expansion, spec_files=_spec_files(job), inputs=inputs, layout=layout_of(job))
    )


def layout_of(job: Job) -> Layout:
    """How the job's answer is written, for its state."""
    output = job.output
    columns = {name: template.source for name, template in output.columns.items()}
    return Layout(name_in(output.path, job.root), output.format, output.include_input, columns)


def _spec_files(job: Job) -> tuple[FileFact, ...]:
    return tuple(relative(fact, job.root) for fact in job.files)


def _same(facts: tuple[FileFact, ...], root: Path, paths: list[Path]) -> tuple[FileFact, ...] | None:
    """`facts` with today's times, or None when a file came, went or says something else."""
    if [name_in(path, root) for path in paths] != [fact.path for fact in facts]:
        return None
    found = []
    for fact, path in zip(facts, paths, strict=True):
        if unchanged(fact, root):
            found.append(fact)
            continue
        now = relative(files.file_fact(path), root)
        if now.sha256 != fact.sha256:
            return None
        found.append(now)
    return tuple(found)


def next_number(state: RunState | None) -> int:
    """The number of the next shard; numbers are never used twice."""
    return 1 + max((int(s.id) for s in state.shards), default=0) if state else 1


def new_nonce() -> str:
    return secrets.token_hex(8)


def media_reader(job: Job, seen: set[str] | None = None) -> Callable[[str], bytes]:
    """Reads the files that `$base64` names, inside the jail, and adds them to `seen`."""

    def read(text: str) -> bytes:
        path = confine(text, root=job.root, roots=job.roots)
        with open_confined(path) as stream:
            data = stream.read(MEDIA_LIMIT + 1)
        if seen is not None:
            seen.add(str(path))
        if len(data) > MEDIA_LIMIT:
            raise DataError(f"{text!r} is larger than {MEDIA_LIMIT:,} bytes", hint="use the Files API")
        return data

    return read


def _rows_line(row: Row, keys: list[bytes], include_input: bool) -> bytes:
    line: dict[str, object] = {"row": row.number, "id": row.id, "keys": [k.hex() for k in keys]}
    if include_input:
        line["input"] = row.values
    try:
        return jsonbytes.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        hint = "it cannot be repeated in the output: leave `include: input` out"
        raise DataError(f"row {row.number}: {error}", where=str(row.where), hint=hint) from None


def _names_files(node: Node) -> bool:
    if isinstance(node, FromFile):
        return True
    children = node.values() if isinstance(node, dict) else node if isinstance(node, tuple) else ()
    return any(map(_names_files, children))
