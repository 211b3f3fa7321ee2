"""YAML text → plain values, each with its line and column.

Read as YAML 1.2 core (design §2): `yes`, `on` and dates are strings, `012` is twelve, `1_000` is a string.
Refused on the way: tags (all of them: quotes do what `!!str` would), merge keys, duplicate and non-string
keys, cycles, aliases that multiply, and every number that JSON cannot hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from batchrun.errors import Problem, SpecError
from batchrun.model import Json, Place
from batchrun.spec.faults import Faults, Mark, Steps
from batchrun.spec.yamltext import LINE_ENDS, MAX_DEPTH, TEMPLATE_HINT, TOO_DEEP, compose

MAX_COPIES = 10_000
"""Values that aliases may stand for, all told, beside those that are written out."""

_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Document:
    """A spec's text as plain values. `faults` knows where each of them stands, and what was wrong so far.

    `texts` says where the text of a string begins when that is not where the value begins: behind a quote,
    or below the `|` of a block.
    """

    value: Json
    faults: Faults
    texts: dict[Steps, Mark] = field(default_factory=dict)

    def text_place(self, steps: Steps) -> Place:
        """Where the text of the string at `steps` begins."""
        return self.faults.place(self.texts.get(steps) or self.faults.mark_of(steps))


def read(data: bytes, file: str) -> Document:
    """The one document in `data`; `file` is its name in messages.

    Raises SpecError when the text cannot be read as YAML at all. Lesser problems are in `Document.faults`,
    for the caller to add to.
    """
    composed = compose(data, file)
    return _Builder(file, composed.text, composed.tags).build(composed.root)


# ---- nodes → values ----------------------------------------------------------------------------


class _Builder:
    """Walks the nodes once, expanding aliases, and notes where each value stands."""

    def __init__(self, file: str, text: str, tags: Mapping[int, str]) -> None:
        self._values: dict[Steps, Mark] = {}
        self._keys: dict[Steps, Mark] = {}
        self._texts: dict[Steps, Mark] = {}
        self._faults = Faults(file, self._values, self._keys)
        self._lines = LINE_ENDS.split(text)
        self._tags = tags
        self._seen: set[int] = set()
        self._open: dict[int, Steps] = {}
        self._copies = 0

    def build(self, root: Node | None) -> Document:
        if root is None:
            self._fail(Mark(1, 1), "the spec is empty", "`batchrun init` writes one to start from")
        return Document(self._value(root, ()), self._faults, self._texts)

    def _value(self, node: Node, steps: Steps) -> Json:
        mark = _mark(node)
        self._values[steps] = mark
        self._count(node, mark)
        if len(steps) > MAX_DEPTH:
            self._fail(mark, TOO_DEEP, "")
        if tag := self._tags.get(id(node)):
            self._refuse_tag(tag, steps)
        if isinstance(node, ScalarNode):
            return self._scalar(node, steps)
        if id(node) in self._open:
            self._faults.at_value(steps, "contains itself", "an alias cannot stand inside its own anchor")
            self._faults.excuse(self._open[id(node)])
            return None
        self._open[id(node)] = steps
        value = self._sequence(node, steps) if isinstance(node, SequenceNode) else self._mapping(node, steps)
        del self._open[id(node)]
        return value

    def _count(self, node: Node, mark: Mark) -> None:
        if id(node) in self._seen:
            self._copies += 1
            if self._copies > MAX_COPIES:
                message = f"aliases stand for more than {MAX_COPIES:,} values"
                self._fail(mark, message, "write it out, or put it in a file")
        self._seen.add(id(node))

    def _refuse_tag(self, tag: str, steps: Steps) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        hint = "quote the value to make it a string" if shown in ("!!str", "!") else "take it out"
        self._faults.at_value(steps, f"cannot have the tag {shown}", hint)

    def _sequence(self, node: SequenceNode, steps: Steps) -> Json:
        return [self._value(item, (*steps, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: Node, steps: Steps) -> Json:
        result: dict[str, Json] = {}
        for key_node, value_node in node.value:
            mark = _mark(key_node)
            key = self._key(key_node, steps)
            if key is None:
                continue
            here = (*steps, key)
            if key in result:
                message = f"duplicate key '{key}'; it already stands on line {self._keys[here].line}"
                self._tell(mark, message, "keep one", steps)
                continue
            self._keys[here] = mark
            result[key] = self._value(value_node, here)
        return result

    def _key(self, node: Node, steps: Steps) -> str | None:
        """The key, or None when it is refused; what is missing for want of it is then no second error."""
        mark = _mark(node)
        if not isinstance(node, ScalarNode):
            braces = isinstance(node, MappingNode)
            what = "a template without quotes" if braces else "a key cannot be a list"
            owner = self._values[steps] if braces else mark
            self._tell(owner, what, TEMPLATE_HINT if braces else "keys are strings", steps)
            (self._faults.excuse if braces else self._faults.excuse_missing)(steps)
        elif node.style is None and node.value == "<<":
            hint = "YAML 1.2 has none: write the keys out, or use an alias for a whole value (key: *name)"
            self._tell(mark, "merge keys (<<) are not supported", hint, steps)
            self._faults.excuse_missing(steps)
        elif id(node) in self._tags:
            self._tell(mark, "a key cannot have a tag", "take it out", steps)
        elif node.style is None and not _is_string(node.value):
            message = f"the key {node.value or '(nothing)'} is not a string"
            self._tell(mark, message, f'write "{node.value}"', steps)
        else:
            return self._text(node, steps)
        return None

    def _scalar(self, node: ScalarNode, steps: Steps) -> Json:
        if node.style is not None:
            self._texts[steps] = self._text_mark(node)
            return self._text(node, steps)
        try:
            value = _resolve(node.value)
        except ValueError as error:
            self._faults.at_value(steps, f"{node.value[:40]} {error}", "quote it if text is meant")
            return None
        return self._text(node, steps) if isinstance(value, str) else value

    def _text(self, node: ScalarNode, steps: Steps) -> str:
        """The string, with JSON-style escapes of surrogate pairs joined."""
        value: str = node.value
        if _SURROGATE.search(value):
            try:
                value = value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                message = "half of a surrogate pair (\\ud800 to \\udfff)"
                self._tell(_mark(node), message, "write the character itself", steps)
                self._faults.excuse(steps)
                value = _SURROGATE.sub("\ufffd", value)
        return value

    def _text_mark(self, node: ScalarNode) -> Mark:
        mark = _mark(node)
        if node.style in ("'", '"'):
            return Mark(mark.line, mark.column + 1)
        below = self._lines[mark.line : mark.line + 1]
        indent = len(below[0]) - len(below[0].lstrip(" ")) if below else 0
        return Mark(mark.line + 1, indent + 1)

    def _tell(self, mark: Mark, message: str, hint: str, steps: Steps) -> None:
        self._faults.at_mark(mark, message, hint, steps)

    def _fail(self, mark: Mark, message: str, hint: str) -> NoReturn:
        """What makes going on pointless."""
        raise SpecError([Problem(message, str(self._faults.place(mark)), hint)])


def _mark(node: Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _resolve(text: str) -> Json:
    """A plain scalar in YAML 1.2's core schema (its §10.3.2). ValueError for what JSON cannot hold."""
    if text in _WORDS:
        return _WORDS[text]
    if _BASED.fullmatch(text):
        return _bounded(int(text[2:], 8 if text[1] == "o" else 16))
    if _INT.fullmatch(text):
        if len(text) > 30:
            raise ValueError("does not fit in 64 bits")
        return _bounded(int(text))
    if _NO_JSON.fullmatch(text):
        raise ValueError("is not a number that JSON can hold")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError("is too large for a number")
        return number
    return text


def _is_string(text: str) -> bool:
    try:
        return isinstance(_resolve(text), str)
    except ValueError:
        return False


def _bounded(number: int) -> int:
    """What the JSON writer takes; a larger one would change on the way."""
    if not -(2**63) <= number < 2**64:
        raise ValueError("does not fit in 64 bits")
    return number
