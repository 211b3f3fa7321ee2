from __future__ import annotations

import pytest

from batchrun.templates.bounds import (
    MAX_EXPRESSION,
    MAX_PLACEHOLDERS,
    Growth,
    TooComplex,
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
    ],
)
def test_what_is_too_much(source: str, fault: str) -> None:
    with pytest.raises(TooComplex) as caught:
        growth_of(source, 0)
    assert str(caught.value) == fault


def test_what_it_comes_to() -> None:
    assert Growth(3, 10).of(100) == 310
