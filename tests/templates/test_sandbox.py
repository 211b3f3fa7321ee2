from __future__ import annotations

from typing import Any

import pytest
from minijinja import Environment

from batchrun.templates.compiled import to_text
from batchrun.templates.sandbox import Sandbox, SandboxError, fault_of, names_of

VALUES: dict[str, Any] = {"x": "a\nb", "l": [3, 1.5, None, True, "ü"], "d": {"k": ["<v>", 1], "a": {}}}


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "d|tojson",
            "d|tojson(2)",
            "d|tojson(indent=3)",
            "d|tojson(0)",
            "d|tojson(true)",
            "d|tojson(false)",
        ),
        *("l|tojson", "l|tojson(2.0)", "x|tojson", "range(3)|tojson", "(d|items)|tojson", "(x|safe)|tojson"),
        *("{1: 2}|string|tojson", "none|tojson", "d|tojson|e", "(d|tojson ~ '<')|e", "(x|lines)|tojson"),
    ],
)
def test_tojson_is_the_engines_own(expression: str) -> None:
    engine = Environment(auto_escape_callback=lambda _: False)
    source = f"{{{{ {expression} }}}}"
    assert Sandbox(source, to_text=to_text).render(VALUES) == engine.render_str(source, **VALUES)


def test_but_for_an_indent_without_end() -> None:
    with pytest.raises(SandboxError, match="`tojson` takes no number larger than 1,000"):
        Sandbox("{{ d|tojson(indent=10**9) }}", to_text=to_text).render(VALUES)


@pytest.mark.parametrize("lenient", [False, True])
def test_what_a_template_does_to_a_list_is_gone_with_it(lenient: bool) -> None:
    sandbox = Sandbox("{{ l.pop() }}{{ d.pop('a') }}{{ l|length }}", to_text=to_text, lenient=lenient)
    values = {"l": [1, "b"], "d": {"a": 2}}
    assert [sandbox.render(values), sandbox.render(values)] == ["b21", "b21"]
    assert values == {"l": [1, "b"], "d": {"a": 2}}


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(SandboxError) as caught:
        Sandbox("{{ y }}", to_text=to_text).render(VALUES)
    assert caught.value.undefined == "y"
    assert (
        Sandbox("{{ y }}{{ y.z }}.", to_text=lambda value: str(value or ""), lenient=True).render(VALUES)
        == "."
    )


def test_names() -> None:
    assert sorted(names_of("{% set a = b %}{{ a }}{{ c.d }}{% for e in f %}{{ e }}{% endfor %}")) == [
        "b",
        "c",
        "f",
    ]


@pytest.mark.parametrize(
    "source", ["{% macro m() %}{% endmacro %}", "{{ '{}'.format(x) }}", "{{ x", "{% if %}"]
)
def test_faults_are_found_before_anything_is_rendered(source: str) -> None:
    assert fault_of(source) is not None
