from __future__ import annotations

from typing import Any

import pytest

from batchrun.requests.params import DYNAMIC, check
from batchrun.requests.params.blocks import KNOWN_BLOCKS
from tests.requests.params.told import USER, text, told, turn


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("image_url", "an image is {type: image"),
        ("input_image", "an image is {type: image"),
        ("input_text", "a text is {type: text"),
        ("output_text", "a text is {type: text"),
        ("input_file", "a file is {type: document"),
        ("input_audio", "the Messages API takes text, images and documents"),
        ("function_call", "a call is {type: tool_use"),
        ("function_call_output", "a result is {type: tool_result"),
    ],
)
def test_blocks_of_other_services(kind: str, hint: str) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [turn({"type": kind})]}
    [problem] = check(body, api_version="2023-06-01", betas=())
    assert problem.path == ("messages", 0, "content", 0, "type")
    assert problem.message == f"{kind!r} is no type of block"
    assert problem.hint.startswith(hint) and not problem.warning


def test_a_block_that_may_be_newer_is_only_warned_of() -> None:
    said = "is not a type of block that this version knows"
    assert told(messages=[turn({"type": "hologram"})]) == [f"~messages.0.content.0.type: 'hologram' {said}"]


def test_blocks_that_are_known() -> None:
    more = {"text": "x", "source": {}, "content": "x", "tool_use_id": "a", "id": "a"}
    for kind in sorted(KNOWN_BLOCKS - {"tool_use", "tool_result"}):
        assert told(messages=[turn({"type": kind, **more})]) == []


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("hi", "messages.0.content.0: must be a content block: a mapping with a type"),
        ({"text": "hi"}, "messages.0.content.0: has no type"),
        ({"type": 3}, "messages.0.content.0.type: must be the name of a kind of block"),
        ({"type": "text"}, "messages.0.content.0.text: must be a string"),
        ({"type": "text", "text": 3}, "messages.0.content.0.text: must be a string"),
        ({"type": "image", "image_url": "x"}, "messages.0.content.0: has no source"),
        ({"type": "tool_result", "tool_use_id": DYNAMIC, "content": [{"type": "image_url"}]}, "messages.0.content.0.content.0.type: 'image_url' is no type of block"),
    ],
)  # fmt: skip
def test_blocks_of_the_wrong_shape(block: Any, said: str) -> None:
    assert told(messages=[turn(block)]) == [said]


@pytest.mark.parametrize(
    ("message", "said", "hint"),
    [
        ({"from": "human", "value": "hi"}, "must be a mapping with role and content", "'from' and 'value'"),
        ({"role": "user", "parts": [{"text": "hi"}]}, "must be a mapping with role and content", "'parts'"),
        ({**USER, "tool_calls": []}, "'tool_calls' is not a key of a message", "a call is {type: tool_use"),
        ({**USER, "name": "bob"}, "'name' is not a key of a message", "take it out"),
    ],
)
def test_messages_of_other_services(message: Any, said: str, hint: str) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [message]}
    [problem] = check(body, api_version="2023-06-01", betas=())
    assert (problem.message, problem.warning) == (said, False)
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("role", "hint"),
    [("tool", "a tool's answer"), ("human", "write user"), ("developer", "write system"), ("poet", "")],
)
def test_roles_of_other_services(role: str, hint: str) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": role, "content": "x"}]}
    [problem] = check(body, api_version="2023-06-01", betas=())
    assert problem.message == f"must be 'user', 'assistant' or 'system', not {role!r}"
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("system", "said"),
    [
        (3, ["system: must be a string or a list of text blocks"]),
        ([{"type": "image"}], ["system.0: must be a text block"]),
        (["x"], ["system.0: must be a text block"]),
        ([{"type": "text"}], ["system.0.text: must be a string"]),
        ([text("x"), DYNAMIC], []),
        (DYNAMIC, []),
    ],
)
def test_system(system: Any, said: list[str]) -> None:
    assert told(system=system) == said


def test_threads_are_not_for_batches() -> None:
    assert told(thread={"id": "x"}) == ["thread: stored threads do not work in batches"]
