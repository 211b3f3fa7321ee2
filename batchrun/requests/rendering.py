"""The spec's request, compiled: one `%`-pattern of JSON with holes; a row only fills the holes.

Keys of objects are sorted, so that moving a line in the spec asks nothing anew, except below `schema`,
`input_schema` and `input`: there the model sees the order (it writes the properties of a structured answer in the
schema's order), so it is the user's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from itertools import chain
from typing import NamedTuple

from batchrun import jsonbytes
from batchrun.errors import DataError, MissingInput
from batchrun.model import FromFile, FromRow, Json, Node, Slice, Template
from batchrun.requests.holes import one_is_blank, some_are_blank
from batchrun.templates.compiled import Compiled, Values, compile_template, to_text, undefined
from batchrun.templates.escape import json_cells
from batchrun.templates.spelling import OURS, Spelling

_ORDER_MATTERS = frozenset({"schema", "input_schema", "input"})

Hole = Callable[[Values], bytes]
ReadFile = Callable[[str], bytes]


def canonical(value: Json) -> Json:
    """`value` with the keys of its objects sorted, but for those whose order the model sees."""
    if isinstance(value, dict):
        return {k: v if k in _ORDER_MATTERS else canonical(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    return value


class Made(NamedTuple):
    """A request's `params`, and what is known of them: the base64 bytes inside, and whether a text in them may
    say nothing."""

    params: bytes
    media: int
    odd: bool


class Renderer:
    """The compiled request: literal JSON between holes."""

    def __init__(self, request: Mapping[str, Node], read_file: ReadFile, spelling: Spelling = OURS) -> None:
        self._read_file, self._spelling = read_file, spelling
        self._holes: list[Hole] = []
        self._texts: list[str | Compiled | None] = []
        """What fills each hole with text: a column, or a template. None for what is no text."""
        self._media: list[int] = []
        self.bare: list[list[int]] = []
        """The holes of each text that holds nothing else, but for white space."""
        self.columns: dict[str, str] = {}
        """The columns that stand in texts as they are, and where one does first."""
        self._pattern = self._compile(request, ordered=False)
        marked = self._pattern % ((b"\0",) * len(self._holes))
        self.head, self.same = marked.partition(b"\0")[0], marked.replace(b"\0", b"")
        """What all `params` begin with, and what all of them have."""
        templates = (text.template for text in self._texts if isinstance(text, Compiled))
        self.size = len(self._pattern) + sum(len(template.source) for template in templates)
        """What the spec itself has in each of the `params`, about."""

    @property
    def has_media(self) -> bool:
        """Whether files stand in the `params`, as base64."""
        return bool(self._media)

    def without_media(self, values: Values) -> list[bytes]:
        """What fills the holes, and what stands around them, but for files."""
        return [self.same, *(hole(values) for i, hole in enumerate(self._holes) if i not in self._media)]

    def __call__(self, values: Values) -> Made:
        filled = tuple([hole(values) for hole in self._holes])
        media = sum(len(filled[i]) for i in self._media)
        return Made(self._pattern % filled, media, one_is_blank(filled, self.bare))

    def slice(self, rows: Slice) -> tuple[list[bytes], bytes] | None:
        """The `params` of many rows, and what fills the holes of all. None where there are none, where one takes
        more than text, or where a row has something wrong, or may have."""
        filled = self.filled(rows)
        if filled is None or some_are_blank(filled, self.bare):
            return None
        text = b"".join(chain.from_iterable(filled))
        return list(map(self._pattern.__mod__, zip(*filled, strict=True))), text

    def filled(self, rows: Slice) -> list[list[bytes]] | None:
        """What fills each hole, row by row. None as `slice`."""
        if not self._texts or None in self._texts:
            return None
        made: dict[str | Compiled | None, list[bytes]] = {}
        for source in dict.fromkeys(self._texts):  # each once: a column may stand in several holes
            if (inside := _insides(rows, source)) is None:
                return None
            made[source] = inside
        return [made[source] for source in self._texts]

    def _compile(self, node: Node, *, ordered: bool) -> bytes:
        match node:
            case Template():
                return self._text(node)
            case FromRow():
                return self._hole(_value_of(node, self._spelling, ordered=ordered))
            case FromFile():
                self._media.append(len(self._holes))
                return self._hole(self._file(node))
            case Mapping():
                return b"{%b}" % b",".join(
                    self._literal(key) + b":" + self._compile(value, ordered=ordered or key in _ORDER_MATTERS)
                    for key, value in (node.items() if ordered else sorted(node.items()))
                )
            case tuple():
                return b"[%b]" % b",".join(self._compile(v, ordered=ordered) for v in node)
        return self._literal(node)

    def _literal(self, value: Json) -> bytes:
        """JSON that stands in a `%`-pattern as it is."""
        return self._spelling.dumps(value).replace(b"%", b"%%")

    def _hole(self, hole: Hole, text: str | Compiled | None = None) -> bytes:
        self._holes.append(hole)
        self._texts.append(text)
        return b"%b"

    def _text(self, template: Template) -> bytes:
        compiled = compile_template(template, self._spelling)
        if compiled.constant is not None:
            return self._literal(compiled.constant)
        first = len(self._holes)
        if compiled.parts is None:
            self.bare.append([first])
            return b'"%b"' % self._hole(
                lambda values: jsonbytes.dumps(compiled.render(values))[1:-1], compiled
            )
        if not "".join(compiled.parts[::2]).strip():
            self.bare.append(list(range(first, first + len(compiled.parts) // 2)))
        pieces = []
        for i, part in enumerate(compiled.parts):
            if i % 2:
                self.columns.setdefault(part, str(template.place))
                pieces.append(self._hole(_column(part, template, self._spelling), part))
            else:
                pieces.append(self._literal(part)[1:-1])
        return b'"%b"' % b"".join(pieces)

    def _file(self, node: FromFile) -> Hole:
        path, read = compile_template(node.path, self._spelling), self._read_file
        place = str(node.path.place)

        def hole(values: Values) -> bytes:
            try:
                return b'"%b"' % b64encode(read(path.render(values)))
            except (DataError, MissingInput) as error:
                raise type(error)(str(error), where=error.where or place, hint=error.hint) from None

        return hole


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


def _column(name: str, template: Template, spelling: Spelling) -> Hole:
    """The inside of a JSON string: escaping is per character, so pieces may be escaped apart."""
    dumps = jsonbytes.dumps

    def hole(values: Values) -> bytes:
        try:
            value = values[name]
        except KeyError:
            raise undefined(name, values, template) from None
        return dumps(value if isinstance(value, str) else to_text(value, spelling))[1:-1]

    return hole


def _value_of(node: FromRow, spelling: Spelling, *, ordered: bool) -> Hole:
    def hole(values: Values) -> bytes:
        try:
            value = values[node.column]
        except KeyError:
            raise undefined(node.column, values, Template(node.column, node.place)) from None
        return spelling.dumps(value if ordered else canonical(value))

    return hole
