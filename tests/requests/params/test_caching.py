from __future__ import annotations

from typing import Any

import pytest

from tests.requests.params.told import text, told, turn

SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
ORDER = "1h cannot come after 5m (tools, then system, then messages)"


def tool(control: Any) -> dict[str, Any]:
    return {"name": "look", "input_schema": {"type": "object"}, "cache_control": control}


def marked(control: Any) -> dict[str, Any]:
    return text("x", cache_control=control)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tools": [tool(SHORT)], "system": [marked(LONG)]}, [f"system.0.cache_control: {ORDER}"]),
        (
            {"system": [marked({**SHORT, "ttl": "5m"})], "messages": [turn(marked(LONG))]},
            [f"messages.0.content.0.cache_control: {ORDER}"],
        ),
        ({"system": [marked(SHORT)], "cache_control": LONG}, [f"cache_control: {ORDER}"]),
        ({"tools": [tool(LONG)], "system": [marked(SHORT)], "messages": [turn(marked(SHORT))]}, []),
        ({"system": [marked(LONG)] * 4}, []),
        ({"system": [marked(LONG)] * 5}, ["system.4.cache_control: 5 cache breakpoints; the most is 4"]),
        ({"system": [marked(LONG)] * 4, "cache_control": LONG}, ["cache_control: 5 cache breakpoints; the most is 4"]),
        (
            {"tools": [tool(LONG)], "system": [marked(LONG)] * 2, "messages": [turn(*[marked(LONG)] * 3)]},
            ["messages.0.content.1.cache_control: 6 cache breakpoints; the most is 4"],
        ),
        ({"system": [marked(None)] * 5}, []),
    ],
)  # fmt: skip
def test_breakpoints(given: dict[str, Any], said: list[str]) -> None:
    assert told(**given) == said
