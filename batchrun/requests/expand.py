"""Rows × the spec's request → the exact bytes of each request's `params`, and the key that names them.

A request tree is compiled once into one `%`-pattern of JSON with holes; a row only fills the holes. The
bytes that are hashed are the bytes that are sent. Keys of objects are sorted, so that moving a line in
the spec asks nothing anew, except below `schema`, `input_schema` and `input`: there the model sees the
order (it writes the properties of a structured answer in the schema's order), so it is the user's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple, cast

import orjson

from batchrun.errors import BatchrunError, DataError, MissingInput
from batchrun.model import FromFile, FromRow, Job, Json, Node, Row, Slice, Template
from batchrun.requests import params as rules
from batchrun.safetext import plain
from batchrun.templates.compiled import Compiled, Values, compile_template, to_text, undefined
from batchrun.templates.escape import json_cells

KEY_BYTES = 16
_ORDER_MATTERS = frozenset({"schema", "input_schema", "input"})

_AT_ONCE = 1 << 19
"""Bytes of text of the spec's own that the requests of a slice may hold. All are in memory together, and they
are made faster where that is the processor's cache."""

Hole = Callable[[Values], bytes]
ReadFile = Callable[[str], bytes]


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


def canonical(value: Json) -> Json:
    """`value` with the keys of its objects sorted, but for those whose order the model sees."""
    if isinstance(value, dict):
        return {k: v if k in _ORDER_MATTERS else canonical(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    return value


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
    return blake2b(orjson.dumps(value, default=str), digest_size=8).hexdigest()


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
    return orjson.dumps(canonical(values["params"])), 0


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


class Renderer:
    """The compiled request: literal JSON between holes."""

    def __init__(self, request: Mapping[str, Node], read_file: ReadFile) -> None:
        self._read_file = read_file
        self._holes: list[Hole] = []
        self._texts: list[str | Compiled | None] = []
        """What fills each hole with text: a column, or a template. None for what is no text."""
        self._media: list[int] = []
        self._pattern = self._compile(request, ordered=False)
        marked = self._pattern % ((b"\0",) * len(self._holes))
        self.head, self.same = marked.partition(b"\0")[0], marked.replace(b"\0", b"")
        """What all `params` begin with, and what all of them have."""
        templates = (text.template for text in self._texts if isinstance(text, Compiled))
        self.size = len(self._pattern) + sum(len(template.source) for template in templates)
        """What the spec itself has in each of the `params`, about."""

    def __call__(self, values: Values) -> tuple[bytes, int]:
        filled = tuple([hole(values) for hole in self._holes])
        return self._pattern % filled, sum(len(filled[i]) for i in self._media)

    def slice(self, rows: Slice) -> tuple[list[bytes], bytes] | None:
        """The `params` of many rows, and what fills the holes of all. None where there are none, where one takes
        more than text, or where a row has something wrong."""
        if not self._texts or None in self._texts:
            return None
        made: dict[str | Compiled | None, list[bytes]] = {}
        for source in dict.fromkeys(self._texts):  # each once: a column may stand in several holes
            if (inside := _insides(rows, source)) is None:
                return None
            made[source] = inside
        filled = [made[source] for source in self._texts]
        text = b"".join(chain.from_iterable(filled))
        return list(map(self._pattern.__mod__, zip(*filled, strict=True))), text

    def _compile(self, node: Node, *, ordered: bool) -> bytes:
        match node:
            case Template():
                return self._text(node)
            case FromRow():
                return self._hole(_value_of(node, ordered=ordered))
            case FromFile():
                self._media.append(len(self._holes))
                return self._hole(self._file(node))
            case Mapping():
                return b"{%b}" % b",".join(
                    _literal(key) + b":" + self._compile(value, ordered=ordered or key in _ORDER_MATTERS)
                    for key, value in (node.items() if ordered else sorted(node.items()))
                )
            case tuple():
                return b"[%b]" % b",".join(self._compile(v, ordered=ordered) for v in node)
        return _literal(node)

    def _hole(self, hole: Hole, text: str | Compiled | None = None) -> bytes:
        self._holes.append(hole)
        self._texts.append(text)
        return b"%b"

    def _text(self, template: Template) -> bytes:
        compiled = compile_template(template)
        if compiled.constant is not None:
            return _literal(compiled.constant)
        if compiled.parts is None:
            return b'"%b"' % self._hole(lambda values: orjson.dumps(compiled.render(values))[1:-1], compiled)
        pieces = []
        for i, part in enumerate(compiled.parts):
            if i % 2:
                pieces.append(self._hole(_column(part, template), part))
            else:
                pieces.append(_literal(part)[1:-1])
        return b'"%b"' % b"".join(pieces)

    def _file(self, node: FromFile) -> Hole:
        path, read, place = compile_template(node.path), self._read_file, str(node.path.place)

        def hole(values: Values) -> bytes:
            try:
                return b'"%b"' % b64encode(read(path.render(values)))
            except (DataError, MissingInput) as error:
                raise type(error)(str(error), where=error.where or place, hint=error.hint) from None

        return hole


def _literal(value: Json) -> bytes:
    """JSON that stands in a `%`-pattern as it is."""
    return orjson.dumps(value).replace(b"%", b"%%")


def _insides(rows: Slice, source: str | Compiled | None) -> list[bytes] | None:
    """What a column or a template puts into a hole, for each row."""
    if isinstance(source, str):
        return json_cells(rows.cells[source]) if source in rows.cells else None
    if source is None or source.logic is None:
        return None
    columns = {name: rows.texts(name) for name in rows.cells if source.logic.sees(name)}
    texts = source.logic.many(columns, sum(map(len, rows.cells.values()))) if columns else None
    found = json_cells(texts[:-1].encode()) if texts else None
    return found if found and len(found) == len(rows.ids) else None  # a template may put out a NUL itself


def _column(name: str, template: Template) -> Hole:
    """The inside of a JSON string: escaping is per character, so pieces may be escaped apart."""
    dumps = orjson.dumps

    def hole(values: Values) -> bytes:
        try:
            value = values[name]
        except KeyError:
            raise undefined(name, values, template) from None
        return dumps(value if isinstance(value, str) else to_text(value))[1:-1]

    return hole


def _value_of(node: FromRow, *, ordered: bool) -> Hole:
    def hole(values: Values) -> bytes:
        try:
            value = values[node.column]
        except KeyError:
            raise undefined(node.column, values, Template(node.column, node.place)) from None
        return orjson.dumps(value if ordered else canonical(value))

    return hole
