from __future__ import annotations

import pytest

from batchrun.templates.bounds import (
    FUEL,
    MAX_EXPRESSION,
    MAX_PLACEHOLDERS,
    Growth,
    TooComplex,
    fuel_for,
    growth_of,
)


def copies(source: str) -> int:
    return max(growth.copies for growth in growth_of(source, 0))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no code", 1),
        ("{{ a }}{{ a }}{{ a }}", 1),
        ("{{ a ~ b ~ 'a a a' }}", 2),
        ("{{ a.b.c|replace('x', y)|trim }}", 2),
        ("{% if a and not b %}{% endif %}", 2),
        ("{% set a = a|trim %}" * 30 + "{{ a }}", 1),
        ("{% set x = x ~ x %}" * 3 + "{{ x }}", 8),
        ("{%- set x = x ~ '%}' ~ x -%}" * 3 + "{{ x }}", 8),
        ("{% for x in [x ~ x] %}" * 3, 8),
        ("{% for a, b in c.items() %}{% set s = a ~ b %}{{ s ~ s }}{% endfor %}", 4),
        ("{% raw %}{% set x = x ~ x %}{% endraw %}{{ x ~ x }}", 4),
        ("{# {% set ' #}{% set x = x ~ x %}{{ x ~ x }}", 4),
        ("{{ price * 100 }}", 101),
        ("{{ (price * 1.5) ~ 'EUR' }}", 2),
    ],
)
def test_how_often_a_row_can_stand_in_one_value(source: str, expected: int) -> None:
    assert copies(source) == expected


def test_several_in_one_statement_may_be_made_of_each_other() -> None:
    assert copies("{% with x = x ~ x, x = x ~ x, x = x ~ x %}{{ x }}{% endwith %}") >= 8


def test_what_a_star_or_a_block_can_make_counts_by_itself() -> None:
    assert max(g.fixed for g in growth_of("{{ n * m }}", 0)) >= 100_000_000
    assert max(g.fixed for g in growth_of("{% set x %}…{% endset %}{{ x ~ x }}", 64_000_000)) >= 128_000_000
    assert max(g.fixed for g in growth_of("{{ (n * m)|list }}", 0)) >= 30 * 100_000_000


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ x }}" * (MAX_PLACEHOLDERS + 1), "more than 5,000 placeholders"),
        ("{{ " + "-" * MAX_EXPRESSION + "1 }}", "an expression of more than 8,000 characters"),
        ("{{ a.replace('b', c) }}", "`.replace(…)`, whose memory could not be bounded; write |replace(…)"),
        ("{{ ','. join(a) }}", "`.join(…)`, whose memory could not be bounded; write |join(…)"),
    ],
)
def test_what_is_too_much(source: str, fault: str) -> None:
    with pytest.raises(TooComplex) as caught:
        growth_of(source, 0)
    assert str(caught.value) == fault


def test_the_same_words_in_a_text_are_no_code() -> None:
    assert growth_of("write x.replace('a', 'b') {{ x }}, and ', '.join(x)", 0)


def test_what_it_comes_to() -> None:
    assert Growth(3, 10).of(100) == 310


LONG = "x" * 1_000


@pytest.mark.parametrize(
    ("source", "longest"),
    [
        (LONG, 0),
        (LONG + "{% for x in y %}ab{{ x }}c{% endfor %}" + LONG, len(" for x in y %}ab")),
        ("{%-\tfor x in y %}" + LONG + "{% endfor %}", len("-\tfor x in y %}" + LONG)),
        ("{% for x in y %}{% if x %}" + LONG + "{% endif %}{% endfor %}", len(" if x %}" + LONG)),
        ("{% for x in y %}{% raw %}{{ x }}{% endraw %}{% endfor %}", 47),
        ("{% for x in y %}{% endfor %}" + LONG + "{% for x in y %}{% endfor %}", len("endfor %}" + LONG) + 1),
        ("{{ '{% for' }}" + LONG, len(" for")),
    ],
)
def test_steps_are_fewer_where_a_loop_repeats_a_long_text(source: str, longest: int) -> None:
    """`longest` has a piece of code beside it: which is which, only the engine knows."""
    assert fuel_for(source, 1_000_000) == (1_000_000 // longest if longest else FUEL)
    assert fuel_for(source, 10**12) == FUEL
