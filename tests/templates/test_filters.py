from __future__ import annotations

from typing import Any

import pytest
from minijinja import Environment

from batchrun.templates.filters import BOUNDED

VALUES: dict[str, Any] = {"x": "a\nb\n\nc", "l": [3, 1.5, None, True, "ü"], "d": {"k": ["<v>", 1]}}


def environment(**options: Any) -> Environment:
    return Environment(undefined_behavior="strict", auto_escape_callback=lambda _: False, **options)


@pytest.mark.parametrize(
    "expression",
    [
        "x|indent",
        "x|indent(2)",
        "x|indent(2, true)",
        "x|indent(width=2, blank=true)",
        "x|replace('a', 'bb')",
        "x|replace('', '-')",
        "l|join",
        "l|join(', ')",
        "x|join('-')",
        "range(3)|join",
        "[d, d]|join(',', attribute='k')",
        "d|tojson",
        "d|tojson(2)",
        "d|tojson(indent=3)",
        "l|batch(2)|list",
        "l|batch(2, '-')|list",
        "l|slice(2)|list",
        "l|slice(2, fill_with='-')|list",
    ],
)
def test_they_do_what_the_engines_own_do(expression: str) -> None:
    """Also where the engine says no."""

    def rendered(env: Environment) -> str:
        try:
            return env.render_str("{{ " + expression + " }}", **VALUES)
        except Exception as error:
            return type(error).__name__

    assert rendered(environment(**BOUNDED)) == rendered(environment())


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("x|indent(10**9)", "`indent` would make more than 64,000,000 characters"),
        ("x|indent(width=10**9)", "`indent` would make more than 64,000,000 characters"),
        ("x|replace('a', 'b' * 10**8)", "`replace` would make more than 64,000,000 characters"),
        ("range(100000)|join('x' * 1000)", "`join` would make more than 64,000,000 characters"),
        ("d|tojson(indent=10**9)", "`tojson` takes no number larger than 1,000"),
        ("l|batch(10**9)", "`batch` takes no number larger than 1,000,000"),
        ("l|slice(10**9)", "`slice` takes no number larger than 1,000,000"),
    ],
)
def test_what_would_be_too_large_is_not_begun(expression: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        environment(**BOUNDED).render_str("{{ " + expression + " }}", **VALUES)
    assert str(caught.value) == fault
