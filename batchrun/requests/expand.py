"""Rows × the spec's request → the exact bytes of each request's `params`, and the key that names them.

The bytes that are hashed are the bytes that are sent (`rendering`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from hashlib import blake2b
from typing import NamedTuple, cast

import orjson

from batchrun import jsonbytes
from batchrun.errors import BatchrunError, DataError, MissingInput
from batchrun.model import FromFile, FromRow, Job, Json, Node, Row, Slice, Template
from batchrun.requests import params as rules
from batchrun.requests.older import Older
from batchrun.requests.rendering import ReadFile, Renderer, canonical
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
        self._every_row = job.request is None or _depends_on_row(job.request)
        self._facts: Facts | None = None
        self.older = Older(job.request, read_file)
        self.at_once = max(1, _AT_ONCE // self._renderer.size) if self._renderer else 1
        """How many rows a slice should have at most."""

    def row(self, row: Row) -> list[Request]:
        """One request a sample. Raises DataError or MissingInput naming the row."""
        render = self._renderer or _ready_made
        try:
            params, media = render(row.values)
            facts = self._facts_of(params)
        except (DataError, MissingInput, orjson.JSONEncodeError, RecursionError) as error:
            raise _at_row(error, row) from None
        found = facts if self._every_row else facts._replace(media=media)
        return [Request(key_of(params, sample), params, *found) for sample in range(1, self._job.samples + 1)]

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
        try:
            facts = self._facts_of(params[0])
        except DataError:
            return None
        keys = _keys_of(params, self._renderer.head)
        names = b"".join(keys).hex(",", KEY_BYTES).encode().split(b",")
        return Bulk(keys, names, params, facts.model, facts.max_tokens, self._renderer.same, text)

    def _facts_of(self, params: bytes) -> Facts:
        """Of every request, or of the first where all are alike. Raises DataError."""
        if self._facts is None or self._every_row:
            self._facts = _checked(params, self._job)
        return self._facts


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


def _ready_made(values: Values) -> tuple[bytes, int]:
    return jsonbytes.dumps(canonical(values["params"])), 0


def _checked(params: bytes, job: Job) -> Facts:
    """Hold one request against the API's rules for `params`."""
    body = cast("dict[str, Json]", orjson.loads(params))
    if job.request is None:
        _refuse_unknown(body, job)
    for problem in rules.check(body, api_version=job.api_version, betas=job.betas):
        if not problem.warning:
            path = rules.dotted(problem.path)
            raise DataError(f"{path}: {problem.message}" if path else problem.message, hint=problem.hint)
    return facts_of(body)


def _refuse_unknown(body: Mapping[str, Json], job: Job) -> None:
    """A spec's own request is held against the schema; a ready-made one is here. A beta may bring keys."""
    unknown = [] if job.betas else rules.unknown_keys(body)
    if unknown:
        near = get_close_matches(unknown[0], rules.KNOWN, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(
            f"params: unknown key {plain(unknown[0], 80)!r}",
            hint=f"{hint}what is newer than batchrun goes below request.passthrough of a spec",
        )


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


def _at_row(error: Exception, row: Row) -> BatchrunError:
    place = f"row {row.number}" + (f" ({row.where})" if row.where else "")
    if isinstance(error, BatchrunError):
        return type(error)(f"{place}: {error}", where=error.where, hint=error.hint)
    return DataError(f"{place}: a value cannot be written as JSON: {error}")


def _depends_on_row(node: Node, path: tuple[str, ...] = ()) -> bool:
    """Whether a row can change more than text and media: then every row is checked, else the first."""
    match node:
        case FromRow():
            return True
        case Template():
            text = not path or path[-1] in ("content", "text", "system", "data", "title", "context")
            return not text and compile_template(node).constant is None
        case Mapping():
            return any(_depends_on_row(v, (*path, k)) for k, v in node.items())
        case tuple():
            return any(_depends_on_row(v, path) for v in node)
    return False
