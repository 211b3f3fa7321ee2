"""Where the keys and values of a TOML text stand: tomllib gives none of that.

For texts that tomllib has read: what it admits decides, so a few tokens are enough here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Steps: TypeAlias = tuple[str | int, ...]
"""The way from the root of a document to one of its values: keys and indices."""


class Mark(NamedTuple):
    """A position in the text, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Marks:
    keys: dict[Steps, Mark] = field(default_factory=dict)
    values: dict[Steps, Mark] = field(default_factory=dict)

    def of_key(self, steps: Steps) -> Mark:
        """Where the key that ends `steps` stands, or the nearest thing around it."""
        while steps:
            if found := self.keys.get(steps) or self.values.get(steps):
                return found
            steps = steps[:-1]
        return Mark(1, 1)

    def of_value(self, steps: Steps) -> Mark:
        return self.values.get(steps) or self.of_key(steps)


_TOKEN = re.compile(
    r"""
    (?P<space>(?:[ \t\r]|\#[^\n]*)+)
    |(?P<line>\n)
    |(?P<string>\"{3}(?:\\.|[^\\])*?\"{3}\"{0,2} | '{3}.*?'{3}'{0,2} | "(?:\\.|[^"\\])*" | '[^']*')
    |(?P<mark>[\[\]{},=.])
    |(?P<bare>[^\s\[\]{},=."'\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    mark: Mark


def find_marks(text: str) -> Marks:
    """The marks of `text`, which must be valid TOML."""
    return _Walk(_tokens(text)).document()


def _tokens(text: str) -> list[_Token]:
    found, line, begin = [], 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match[0], Mark(line, match.start() - begin + 1)))
        if breaks := match[0].count("\n"):
            line, begin = line + breaks, match.start() + match[0].rindex("\n") + 1
    return found


class _Walk:
    """Goes over the tokens once; every method begins at the token that it is about."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._at = tokens, 0
        self._marks = Marks()
        self._tables: dict[Steps, int] = {}
        """The last index of every array of tables."""

    def document(self) -> Marks:
        table: Steps = ()
        while self._at < len(self._tokens):
            if self._peek() == "\n":
                self._next()
            elif self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._marks

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _header(self) -> Steps:
        """`[a.b]` or `[[a.b]]`: the way to the table that it opens."""
        start = self._next().mark
        several = self._peek() == "["
        if several:
            self._next()
        steps: Steps = ()
        names = self._names("]")
        for count, (name, mark) in enumerate(names, start=1):
            steps = (*steps, name)
            self._marks.keys.setdefault(steps, mark)
            if steps in self._tables and not (several and count == len(names)):
                steps = (*steps, self._tables[steps])
        while self._peek() == "]":
            self._next()
        if several:
            self._tables[steps] = self._tables.get(steps, -1) + 1
            steps = (*steps, self._tables[steps])
        self._marks.values.setdefault(steps, start)
        return steps

    def _pair(self, table: Steps) -> None:
        """`a.b = value`."""
        steps = table
        for name, mark in self._names("="):
            steps = (*steps, name)
            self._marks.keys.setdefault(steps, mark)
        self._next()
        self._value(steps)

    def _names(self, end: str) -> list[tuple[str, Mark]]:
        """The parts of a dotted key up to `end`, which is left."""
        names = []
        while self._peek() != end:
            token = self._next()
            if token.kind in ("bare", "string"):
                names.append((_name(token), token.mark))
        return names

    def _value(self, steps: Steps) -> None:
        self._marks.values[steps] = self._tokens[self._at].mark
        if self._peek() == "[":
            self._array(steps)
        elif self._peek() == "{":
            self._inline(steps)
        else:  # one token, or several as in 1.5
            while self._peek() not in (",", "]", "}", "\n", ""):
                self._next()

    def _array(self, steps: Steps) -> None:
        self._next()
        index = 0
        while self._peek() != "]":
            if self._peek() in (",", "\n"):
                self._next()
                continue
            self._value((*steps, index))
            index += 1
        self._next()

    def _inline(self, steps: Steps) -> None:
        self._next()
        while self._peek() != "}":
            if self._peek() in (",", "\n"):
                self._next()
            else:
                self._pair(steps)
        self._next()


def _name(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    value: Mapping[str, str] = tomllib.loads(f"name = {token.text}")
    return value["name"]
