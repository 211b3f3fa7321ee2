from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from batchrun.config.tomlmarks import Mark, Steps, find_marks

TEXTS = {
    "plain": 'a = 1\nb.c = "x # no comment"  # a comment = 2\n\n[d]\n  e = 1.5\n',
    "tables": '[a]\nx = 1\n[a.b]\ny = 2\n[a.b."c d"]\nz = 3\n',
    "arrays of tables": "[[a]]\nx = 1\n[a.sub]\ny = 1\n[[a]]\nx = 2\n[a.sub]\ny = 2\n[[a.deep]]\nz = 3\n[[a.deep]]\nz = 4\n",
    "arrays": 'a = [ 1, [2, "]"], # ]\n  {b = [3]},\n]\nc = 2\n',
    "inline": "a = {b = 1, c.d = {e = 'x, y = 2'}, f = []}\ng = {}\n",
    "strings": 'a = """one\n"quoted" \\""" = 1\n"""""\nb = \'\'\'\n[c]\n\'\'\'\nd = "\\"="\n\'e.f\' = "x"\n"g\\u0068" = 1\n',
    "dates": "a = 1979-05-27 07:32:00\nb = [1979-05-27T07:32:00Z, 07:32:00.5]\nc = -inf\nd = +1_000\n",
    "line ends": "a = 1\r\n[b]\r\nc = 2\r\n",
    "no end": "a = [\n1,\n2\n]",
    "empty": "",
}


def leaves(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """The way to everything in a document."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, inner in items:
        yield (*steps, step)
        yield from leaves(inner, (*steps, step))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_it_sees_what_tomllib_sees(text: str) -> None:
    marks = find_marks(text)
    found = set(leaves(tomllib.loads(text)))
    assert marks.keys.keys() | marks.values.keys() == found


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_value_stands_where_it_says(text: str) -> None:
    lines = text.split("\n")
    whole = tomllib.loads(text)
    for steps, mark in find_marks(text).values.items():
        value: Any = whole
        for step in steps:
            value = value[step]
        if isinstance(value, int) and not isinstance(value, bool):
            rest = lines[mark.line - 1][mark.column - 1 :]
            assert rest.lstrip("+").replace("_", "").startswith(str(value))


def test_where_things_stand() -> None:
    marks = find_marks('# first\na = 1\n  [t]\n  "b c" . d = [ 1,\n    {e = 2} ]\n')
    assert marks.of_key(("a",)) == (2, 1)
    assert marks.of_value(("a",)) == (2, 5)
    assert marks.of_value(("t",)) == (3, 3)
    assert marks.of_key(("t", "b c", "d")) == (4, 11)
    assert marks.of_value(("t", "b c", "d", 1)) == (5, 5)
    assert marks.of_value(("t", "b c", "d", 1, "e")) == (5, 10)
    assert marks.of_value(("t", "b c", "not there")) == (4, 3)
    assert marks.of_value(("nothing",)) == Mark(1, 1)
