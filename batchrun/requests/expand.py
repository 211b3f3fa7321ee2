"""Rows × the spec's request → the exact bytes of each request's `params`, and the key that names them.

The bytes that are hashed are the bytes that are sent (`rendering`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, cast

import orjson

from batchrun import jsonbytes
from batchrun.errors import BatchrunError, DataError, MissingInput, Problem
from batchrun.model import FromFile, FromRow, Job, Json, Node, Row, Slice, Template
from batchrun.requests.check import Checker
from batchrun.requests.holes import longest_sure
from batchrun.requests.older import Older
from batchrun.requests.rendering import Made, ReadFile, Renderer, canonical
from batchrun.safetext import plain
from batchrun.templates.compiled import Values, compile_template

KEY_BYTES = 16

_AT_ONCE = 1 << 19
"""Bytes of text of the spec's own that the requests of a slice may hold. All are in memory together, and they
are made faster where that is the processor's cache."""


class Request(NamedTuple):
    """A request before it has a nonce. `media` counts the base64 bytes inside `params`."""

    key: bytes
    params: bytes
    media: int
    model: str
    max_tokens: int


class Bulk(NamedTuple):
    """The requests of a slice, one a row: alike in all but the text that a row puts in."""

    keys: list[bytes]
    names: list[bytes]
    """The keys in hexadecimal."""
    params: list[bytes]
    model: str
    max_tokens: int
    same: bytes
    """What all of the `params` have, their holes left out."""
    text: bytes
    """What fills the holes of all of them."""

    def requests(self) -> Iterator[Request]:
        for key, params in zip(self.keys, self.params, strict=True):
            yield Request(key, params, 0, self.model, self.max_tokens)


class Facts(NamedTuple):
    """What the estimate needs to know of a request's `params`."""

    media: int
    model: str
    max_tokens: int


def key_of(params: bytes, sample: int = 1) -> bytes:
    """The 128-bit key of a request (design §3). The first sample's key is the plain one, so that
    raising `samples` keeps what was answered."""
    digest = blake2b(params, digest_size=KEY_BYTES)
    if sample > 1:
        digest.update(b"\0sample %d" % sample)
    return digest.digest()


def _keys_of(params: Sequence[bytes], head: bytes) -> list[bytes]:
    """`key_of` for many that begin with `head`, which may be a long prompt and is hashed once."""
    begun, rest = blake2b(head, digest_size=KEY_BYTES), len(head)
    keys = []
    for one in params:
        digest = begun.copy()
        digest.update(one[rest:])
        keys.append(digest.digest())
    return keys


def expand(rows: Iterable[Row], job: Job, read_file: ReadFile) -> Iterator[tuple[Row, list[Request]]]:
    """Each row with its requests, one a sample. Raises DataError or MissingInput naming the row."""
    expander = Expander(job, read_file)
    for row in rows:
        yield row, expander.row(row)


class Expander:
    """Makes the requests of rows: of one at a time, or of many where only text differs between them."""

    def __init__(self, job: Job, read_file: ReadFile) -> None:
        self._job = job
        self._renderer = None if job.request is None else Renderer(job.request, read_file)
        self._every_row = job.request is None or _depends_on_row(job.request) or _begins_answers(job.request)
        self._checker = Checker(job)
        self._facts: Facts | None = None
        self.older = Older(job.request, read_file)
        self._longest = 0
        """Bytes up to which a request need not be looked at for its length."""
        self.at_once = max(1, _AT_ONCE // self._renderer.size) if self._renderer else 1
        """How many rows a slice should have at most."""

    def row(self, row: Row) -> list[Request]:
        """One request a sample. Raises DataError or MissingInput naming the row."""
        render = self._renderer or _ready_made
        try:
            made = render(row.values)
            facts = self._facts_of(made, row)
        except (DataError, MissingInput, orjson.JSONEncodeError, RecursionError) as error:
            raise _at_row(error, row) from None
        found = facts if self._every_row else facts._replace(media=made.media)
        return [
            Request(key_of(made.params, sample), made.params, *found)
            for sample in range(1, self._job.samples + 1)
        ]

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What may not be meant so in the rows that were expanded."""
        return self._checker.warnings.problems()

    def older_keys(self, row: Row, params: bytes) -> list[list[bytes]]:
        """The keys that the row's requests, whose `params` these are, had under the libraries of other days: a
        list for each way they may have been spelled, with one key a sample."""
        samples = range(1, self._job.samples + 1)
        return [
            [key_of(other, sample) for sample in samples] for other in self.older.params(row.values, params)
        ]

    def slice(self, rows: Slice) -> Bulk | None:
        """The same requests, a column at a time; None where only `row` can make them, or say what is wrong.

        This is the path of a table and templates that make text: with plain `{{ column }}`s six times as fast,
        as no line of Python runs for a row, and cells go from the file into JSON as bytes.
        """
        if self._every_row or self._job.samples > 1 or self._renderer is None:
            return None
        filled = self._renderer.slice(rows)
        if filled is None:
            return None
        params, text = filled
        if self._facts is None:
            try:
                self._facts_of(Made(params[0], 0, odd=False), next(rows.rows()))
            except DataError:
                return None
        facts = self._facts
        if facts is None or max(map(len, params)) > self._longest:
            return None
        keys = _keys_of(params, self._renderer.head)
        names = b"".join(keys).hex(",", KEY_BYTES).encode().split(b",")
        return Bulk(keys, names, params, facts.model, facts.max_tokens, self._renderer.same, text)

    def _facts_of(self, made: Made, row: Row) -> Facts:
        """Of every request, or of the first where all are alike, and of those that a text may have spoiled.
        Raises DataError."""
        first = self._facts is None
        if first or self._every_row or made.odd or len(made.params) > self._longest:
            facts = facts_of(self._checker(made.params, row.values, place_of(row)))
            if first:
                self._longest = longest_sure(facts.model, facts.max_tokens)
            self._facts = facts
        assert self._facts is not None
        self._tell_nulls(row)
        return self._facts

    def _tell_nulls(self, row: Row) -> None:
        """A null stands in a text as the word, which few people mean."""
        for name, where in self._renderer.columns.items() if self._renderer else ():
            if name in row.values and row.values[name] is None:
                text = f"the column '{plain(name, 80)}' is null, and stands in the text as the word null"
                hint = "write {{ column or '' }}, or take such rows out"
                self._checker.warnings.add(place_of(row), text, hint, where)


def parts_of(job: Job) -> dict[str, str]:
    """A digest of each top-level key of the request as written, whatever lines it stands on."""
    return {k: _digest(canonical(_plain(v))) for k, v in (job.request or {}).items()}


def _digest(value: object) -> str:
    return blake2b(jsonbytes.dumps(value, default=str), digest_size=8).hexdigest()


def settings_of(job: Job) -> str:
    """A digest of all in the spec that shapes requests, shards or the output."""
    columns = {k: v.source for k, v in job.output.columns.items()}
    path = job.output.path
    name = path.relative_to(job.root) if path.is_relative_to(job.root) else path  # the folder may move
    output = [str(name), job.output.format, job.output.include_input, columns]
    source = [job.input.paths, job.input.format, job.input.id, job.input.delimiter]
    limits = [job.limits.batch_requests, job.limits.batch_bytes]
    return _digest([parts_of(job), source, output, limits, job.samples, job.betas, job.api_version])


def _plain(node: Node) -> Json:
    match node:
        case Template():
            return node.source
        case FromRow():
            return {"$row": node.column}
        case FromFile():
            return {"$base64": node.path.source}
        case Mapping():
            return {k: _plain(v) for k, v in node.items()}
        case tuple():
            return [_plain(v) for v in node]
    return node


def _ready_made(values: Values) -> Made:
    return Made(jsonbytes.dumps(canonical(values["params"])), 0, odd=False)


def facts_of(body: Mapping[str, Json]) -> Facts:
    """The facts of a request that passed the check."""
    return Facts(media_in(body), str(body["model"]), int(cast(int, body["max_tokens"])))


def media_in(value: object) -> int:
    """The base64 bytes of all `{"type": "base64", "data": …}` sources."""
    if isinstance(value, dict):
        data = value.get("data")
        if value.get("type") == "base64" and isinstance(data, str):
            return len(data)
        return sum(map(media_in, value.values()))
    return sum(map(media_in, value)) if isinstance(value, list) else 0


def place_of(row: Row) -> str:
    """How a row is called in messages."""
    return f"row {row.number}" + (f" ({row.where})" if row.where else "")


def _at_row(error: Exception, row: Row) -> BatchrunError:
    place = place_of(row)
    if isinstance(error, BatchrunError):
        return type(error)(f"{place}: {error}", where=error.where, hint=error.hint)
    return DataError(f"{place}: a value cannot be written as JSON: {error}")


_TEXTS = ("content", "text", "system", "data", "title", "context")


def _depends_on_row(node: Node, path: tuple[str, ...] = ()) -> bool:
    """Whether a row can change more than text: then every row is checked, else the first. The bytes of a file are
    no text."""
    match node:
        case FromRow() | FromFile():
            return True
        case Template():
            return not (path and path[-1] in _TEXTS) and compile_template(node).constant is None
        case Mapping():
            if _says(node.get("type"), "base64") and not _is_constant(node.get("data")):
                return True
            return any(_depends_on_row(v, (*path, k)) for k, v in node.items())
        case tuple():
            return any(_depends_on_row(v, path) for v in node)
    return False


def _begins_answers(request: Mapping[str, Node]) -> bool:
    """Whether the last turn is the assistant's, and ends in what a row puts there: it may end in white space."""
    turns = request.get("messages")
    last = turns[-1] if isinstance(turns, tuple) and turns else None
    if not isinstance(last, Mapping) or not _says(last.get("role"), "assistant"):
        return False
    content = last.get("content")
    end = content[-1] if isinstance(content, tuple) and content else content
    return not _is_constant(end.get("text") if isinstance(end, Mapping) else end)


def _says(node: Node, word: str) -> bool:
    return isinstance(node, Template) and compile_template(node).constant == word


def _is_constant(node: Node) -> bool:
    return not isinstance(node, Template) or compile_template(node).constant is not None
