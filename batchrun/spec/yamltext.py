"""The bytes of a spec → PyYAML's nodes, and its syntax errors in our words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from yaml.composer import Composer, ComposerError
from yaml.error import Mark as YamlMark
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent
from yaml.nodes import Node
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from batchrun.errors import Problem, SpecError
from batchrun.model import Place

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_VALUES = 50_000
"""Keys and values that may be written. A spec has some hundreds; a MiB of '[],' would have 300,000."""

TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
TOO_MANY = f"more than {MAX_VALUES:,} keys and values"
TEMPLATE_HINT = 'put a template in quotes: "{{ column }}"'

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BRACES = re.compile(r"(?:^|[\s:\[,-])\{[{%]")


@dataclass(frozen=True, slots=True)
class Composed:
    """`root` is None in an empty document. `tags` holds the tags that were written, by the id of their node."""

    text: str
    root: Node | None
    tags: dict[int, str]


def compose(data: bytes, file: str) -> Composed:
    """The nodes of the one document in `data`. Raises SpecError when it cannot be read as YAML."""
    text = _decode(data, file)
    try:
        loader = _Loader(text)
        return Composed(text, loader.get_single_node(), loader.tags)
    except MarkedYAMLError as error:
        raise _syntax_error(error, file, text) from None


# ---- bytes → text ------------------------------------------------------------------------------


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        hint = "long texts belong in files: {$file: path}"
        raise SpecError([Problem("the spec is larger than 1 MiB", file, hint)])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data.count(0, 0, 100) * 3 > len(data[:100]) > 0:
        raise SpecError([Problem("the spec is UTF-16 or UTF-32", file, "save it as UTF-8")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        offset = error.start + len(data) - len(error.object)  # `object` is without the BOM
        message = f"byte {offset} (0x{data[offset]:02x}) is not UTF-8"
        raise SpecError([Problem(message, str(_place(file, before)), "save the spec as UTF-8")]) from None
    found = []
    for match in islice(_UNPRINTABLE.finditer(text), 20):
        where = _place(file, text[: match.start()])
        found.append(Problem(f"control character U+{ord(match[0]):04X}", str(where), "take it out"))
    if found:
        raise SpecError(found)
    return text


def _place(file: str, before: str) -> Place:
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


# ---- text → nodes ------------------------------------------------------------------------------


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to its nodes, with BaseResolver: without YAML 1.1's idea of what a scalar means."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.tags: dict[int, str] = {}
        self._depth = self._count = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """As PyYAML's, with a bound on depth (it recurses) and a note of every tag."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(problem=TOO_DEEP, problem_mark=event.start_mark)
        if self._count > MAX_VALUES:
            raise ComposerError(problem=TOO_MANY, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not isinstance(event, AliasEvent) and event.tag is not None:
            self.tags[id(node)] = event.tag
        return node


_SYNTAX: tuple[tuple[str, str, str], ...] = (
    # what PyYAML says, what we say (empty: the same), and what to do
    ("found another document", "a second document begins here", "one spec, one job: take out the '---'"),
    ("expected '<document start>'", "text behind the end of the document", "one spec, one job: take it out"),
    ("found duplicate anchor", "", "give each anchor its own name"),
    ("found undefined alias", "", "define it with &name above, or quote text that begins with *"),
    ("mapping values are not allowed here", "a ': ' where no key can stand", "quote text that holds a colon"),
    ("found character '\\t' that cannot start", "a tab in the indentation", "indent with spaces"),
    ("found character '%", "", "quote text that begins with %"),
    ("found character '@'", "", "quote text that begins with @"),
    ("found character '`'", "", "quote text that begins with `"),
    ("could not find expected ':'", "a key without its ': '", "write 'key: value'; check the indentation"),
    ("found unexpected end of stream", "the text ends inside quotes", "close the quotes"),
    ("found unknown escape character", "", "use single quotes where a backslash is meant"),
    ("expected <block end>", "this does not line up with what stands above", "check the indentation"),
    ("expected ',' or", "a ',' or a closing bracket is missing", "close the bracket, or quote the text"),
)


LINE_ENDS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Where PyYAML counts a new line."""

_OPENED_EARLIER = ("found unexpected end of stream", "could not find expected ':'")
"""Where PyYAML only notices at the end what went wrong at the beginning."""


def _syntax_error(error: MarkedYAMLError, file: str, text: str) -> SpecError:
    problem, mark = error.problem or error.context or "unreadable", error.problem_mark
    if problem in (TOO_DEEP, TOO_MANY):
        hint = "what differs by row belongs in the input" if problem == TOO_MANY else ""
        return SpecError([Problem(problem, _where(file, mark), hint)])
    if problem == "second occurrence" and error.context:
        problem = error.context.partition(";")[0]
    if mark is None or problem in _OPENED_EARLIER:
        mark = error.context_mark or mark
    ours, hint = next(((ours, hint) for theirs, ours, hint in _SYNTAX if theirs in problem), ("", ""))
    line = LINE_ENDS.split(text)[mark.line] if mark else ""
    if mark and "a tab" in ours and line[: mark.column].strip():
        ours, hint = "a tab outside quotes", "write a space"
    if _BRACES.search(line) and "escape" not in problem:
        ours, hint = "a template without quotes", TEMPLATE_HINT
    return SpecError([Problem(f"not valid YAML: {ours or problem}", _where(file, mark), hint)])


def _where(file: str, mark: YamlMark | None) -> str:
    return str(Place(file, mark.line + 1, mark.column + 1)) if mark else file
