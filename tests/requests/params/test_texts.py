from __future__ import annotations

from typing import Any

import pytest

from batchrun.requests.params import DYNAMIC, Dynamic
from tests.requests.params.told import USER, text, told, turn

EMPTY = "is empty; the API refuses a text that says nothing"
BLANK = "is only white space; the API refuses a text that says nothing"


def result(content: Any) -> list[dict[str, Any]]:
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    return [
        USER,
        turn(call, role="assistant"),
        turn({"type": "tool_result", "tool_use_id": "a", "content": content}),
    ]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "user", "content": ""}], [f"messages.0.content: {EMPTY}"]),
        ([{"role": "user", "content": " \n\t"}], [f"messages.0.content: {BLANK}"]),
        ([{"role": "user", "content": "\u3000\u00a0"}], [f"messages.0.content: {BLANK}"]),
        ([{"role": "system", "content": ""}, USER], [f"messages.0.content: {EMPTY}"]),
        ([{"role": "assistant", "content": ""}, USER], [f"messages.0.content: {EMPTY}"]),
        ([turn(text("x"), text(""))], [f"messages.0.content.1.text: {EMPTY}"]),
        ([turn()], ["messages.0.content: holds no block; every message needs content"]),
        (result(""), [f"messages.2.content.0.content: {EMPTY}"]),
        (result([text(" ")]), [f"messages.2.content.0.content.0.text: {BLANK}"]),
        (result([]), []),
        ([turn({"type": "search_result", "content": [text("")]})], [f"messages.0.content.0.content.0.text: {EMPTY}"]),
        (
            [turn({"type": "document", "source": {"type": "content", "content": [text("")]}})],
            [f"messages.0.content.0.source.content.0.text: {EMPTY}"],
        ),
        ([turn(text("x"), DYNAMIC), {"role": "user", "content": DYNAMIC}], []),
        ([USER, {"role": "assistant", "content": ""}], []),  # the last answer may be
        ([USER, turn(role="assistant")], []),
    ],
)  # fmt: skip
def test_a_text_says_something(messages: Any, said: list[str]) -> None:
    assert told(messages=messages) == said


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("", [f"system: {EMPTY}"]),
        ("\n", [f"system: {BLANK}"]),
        ([text("x"), text("")], [f"system.1.text: {EMPTY}"]),
        ([text(DYNAMIC)], []),  # type: ignore[arg-type]
        ("x", []),
        ([], []),
    ],
)
def test_a_system_says_something(system: Any, said: list[str]) -> None:
    assert told(system=system) == said


SPACE = "an answer that is begun cannot end in white space"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Title: ", [f"messages.1.content: {SPACE}"]),
        ("Title:\n", [f"messages.1.content: {SPACE}"]),
        ("\n", [f"messages.1.content: {SPACE}"]),
        ([text("Title:\t")], [f"messages.1.content.0.text: {SPACE}"]),
        ([text("ends so "), text("Title:")], []),
        ([text("Title:"), text(" ")], [f"messages.1.content.1.text: {SPACE}"]),
        ("Title:", []),
        (Dynamic("Title: "), [f"messages.1.content: {SPACE}"]),
        (DYNAMIC, []),
    ],
)
def test_what_is_begun_ends_in_a_word(answer: Any, said: list[str]) -> None:
    assert told(messages=[USER, {"role": "assistant", "content": answer}]) == said


def test_an_answer_in_the_middle_may_end_as_it_likes() -> None:
    assert told(messages=[USER, {"role": "assistant", "content": "Yes. "}, USER]) == []
