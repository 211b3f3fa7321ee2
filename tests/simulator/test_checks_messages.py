from __future__ import annotations

from typing import Any

import pytest

from batchrun.simulator.checks_messages import ParamFault, check_messages, check_system

GOOD_IMAGE = {"type": "base64", "media_type": "image/png", "data": "aGk="}


def fault(block: Any) -> ParamFault:
    with pytest.raises(ParamFault) as caught:
        check_messages({"messages": [{"role": "user", "content": [block]}]}, newest=False)
    return caught.value


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("text", "messages.0.content.0: Input should be a valid dictionary"),
        ({}, "messages.0.content.0.type: Field required"),
        (
            {"type": "poem"},
            "messages.0.content.0: Input tag 'poem' found using 'type' does not match any of the expected tags",
        ),
        ({"type": "text"}, "messages.0.content.0.text: Field required"),
        ({"type": "text", "text": 7}, "messages.0.content.0.text: Input should be a valid string"),
        ({"type": "image"}, "messages.0.content.0.source: Field required"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png"}},
            "messages.0.content.0.source.base64.data: Field required",
        ),
        (
            {"type": "image", "source": {**GOOD_IMAGE, "media_type": "image/tiff"}},
            (
                "messages.0.content.0.source.base64.media_type: Input should be 'image/jpeg', 'image/png',"
                " 'image/gif' or 'image/webp'"
            ),
        ),
        (
            {"type": "text", "text": "x", "cache_control": {"type": "eternal"}},
            "messages.0.content.0.cache_control.type: Input should be 'ephemeral'",
        ),
        (
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}},
            "messages.0.content.0.cache_control.ttl: Input should be '5m' or '1h'",
        ),
    ],
)
def test_blocks_that_are_refused(block: Any, message: str) -> None:
    assert str(fault(block)) == message


def test_a_file_that_cannot_be_fetched() -> None:
    source = {"type": "url", "url": "https://files.invalid/a.pdf"}
    found = fault({"type": "document", "source": source})
    assert str(found) == "Unable to download the file. Please verify the URL and try again."
    assert found.worker


def test_too_many_messages() -> None:
    messages = [{"role": "user", "content": "x"}] * 100_001
    with pytest.raises(ParamFault, match="List should have at most 100000 items, not 100001"):
        check_messages({"messages": messages}, newest=False)


def test_keys_a_message_does_not_have() -> None:
    with pytest.raises(ParamFault, match=r"messages.0.name: Extra inputs are not permitted"):
        check_messages({"messages": [{"role": "user", "content": "x", "name": "y"}]}, newest=False)


@pytest.mark.parametrize("system", [None, "Be short.", [], [{"type": "text", "text": "x"}]])
def test_a_system_that_will_do(system: Any) -> None:
    check_system({"system": system})


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (7, "system: Input should be a valid string or list"),
        (["x"], "system.0.type: Input should be 'text'"),
        ([{"type": "image"}], "system.0.type: Input should be 'text'"),
        ([{"type": "text"}], "system.0.text: Field required"),
    ],
)
def test_a_system_that_will_not(system: Any, message: str) -> None:
    with pytest.raises(ParamFault) as caught:
        check_system({"system": system})
    assert str(caught.value) == message
