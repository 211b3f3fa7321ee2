"""Which templates need no weighing, and that they come out the same without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError
from batchrun.model import Place, Template
from batchrun.templates.compiled import check_syntax, compile_template
from batchrun.templates.sandbox import MAX_VALUES
from batchrun.templates.simple import Straight, straight


@pytest.mark.parametrize(
    ("source", "columns", "copies"),
    [
        ("no code", set(), 0),
        ("{{ a }}{{b}}{{- a -}}", {"a", "b"}, 3),
        ("{{ a|upper }}{{ a | trim | title }}", {"a"}, 12),
        ("{% if a %}{{ b }}{% elif not c %}{{ a }}{% else %}x{% endif %}", {"a", "b", "c"}, 2),
        ("{%- if a == 'b c' and \"d\" in e|lower or f not in g -%}{% endif %}", {"a", "e", "f", "g"}, 0),
        ("{% if 'a' != a %} } { %} {% endif %}", {"a"}, 0),
    ],
)
def test_what_is_known_to_be_harmless(source: str, columns: set[str], copies: int) -> None:
    assert check_syntax(Template(source, Place("job.yaml", 1, 1))) is None
    assert straight(source) == Straight(frozenset(columns), copies)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in b %}{{ a }}{% endfor %}",
        "{% set a = b %}{{ a }}",
        "{% raw %}{{ a }}{% endraw %}",
        "{# {{ a }} #}",
        "{{ a ~ b }}",
        "{{ a * 3 }}",
        "{{ a.b }}",
        "{{ a[0] }}",
        "{{ a.upper() }}",
        "{{ a|replace('x', b) }}",
        "{{ a|list }}",
        "{{ a|trim('x') }}",
        "{{ 'a' }}",
        "{{ 3 }}",
        "{{ true }}",
        "{{ none }}",
        "{{ loop }}",
        "{{ row }}",
        "{{ not a }}",
        "{{ a if b }}",
        "{{ größe }}",
        "{{{ a }}",
        "{{{ a }}}",
        "{{% if a %}",
        "{{{% if a %}}",
        "{{ a }}{{ b",
        "{% if a > b %}{% endif %}",
        "{% if a * 3 %}{% endif %}",
        "{% if (a) %}{% endif %}",
        "{% if 'a{{ b }}' == a %}{% endif %}",
        "{% if a == '\\'' %}{% endif %}",
    ],
)
def test_all_else_is_not(source: str) -> None:
    assert straight(source) is None


PIECES = st.sampled_from(
    [
        "{{ a }}",
        "{{- b|upper }}",
        "{{ a | lower | title -}}",
        "{% if a == 'A' %}",
        '{% if a in b and not b|trim == "" %}',
        "{%- elif b -%}",
        "{% else %}",
        "{% endif %}",
        "{% endif %}",
        "{{ row.a }}",
        "{% set a = b %}",
        "{{ b * 2 }}",
        " \n",
        "{",
        "}",
        "%",
        "text",
    ]
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["A", " A ", "\u0390\u0130\u00df", "{{ a }}", "<&>"]
)


def behind(texts: list[str]) -> str:
    return "".join(f"{text}\0" for text in texts)


@given(pieces=st.lists(PIECES, max_size=7), rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_many_rows_come_out_as_one_by_one(pieces: list[str], rows: list[tuple[str, str]]) -> None:
    template = Template("".join(pieces), Place("job.yaml", 1, 1))
    try:
        compiled = compile_template(template)
    except DataError:
        return
    if compiled.logic is None:
        return
    columns = {"a": [a for a, _ in rows], "b": [b for _, b in rows]}
    one_by_one = [compiled.render({"a": a, "b": b}) for a, b in rows]
    assert compiled.logic.many(columns, sum(len(a + b) for a, b in rows)) == behind(one_by_one)
    if known := straight(template.source):
        longest = max(len(text) for text in one_by_one) - len(template.source)
        assert longest <= known.copies * max(len(a + b) for a, b in rows)


@pytest.mark.parametrize(
    "source",
    [
        "{% if a %}{{ a * 10**4 }}{% endif %}",  # by what it puts out
        "{% if a %}{% set b = a ~ a ~ a %}{{ b }}{% endif %}",  # by what its values may grow to
    ],
)
def test_many_rows_together_have_the_bounds_of_one(source: str) -> None:
    """What they come to is held at a time."""
    compiled = compile_template(Template(source, Place("job.yaml", 1, 1)))
    assert compiled.logic is not None
    text = "x" * 1_000
    assert compiled.logic.many({"a": [text]}, 1_000) == behind([compiled.render({"a": text})])
    assert compiled.logic.many({"a": [text] * 10}, MAX_VALUES // 2) is None


@pytest.mark.parametrize("source", ["{% if a %}{{ nowhere }}{% endif %}", "{% if a %}{{ a.b.c }}{% endif %}"])
def test_what_is_wrong_in_one_is_left_to_that_row(source: str) -> None:
    compiled = compile_template(Template(source, Place("job.yaml", 1, 1)))
    assert compiled.logic is not None
    assert compiled.logic.many({"a": ["", "x"]}, 1) is None
