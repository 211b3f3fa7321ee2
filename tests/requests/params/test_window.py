from __future__ import annotations

from typing import Any

import pytest

from tests.requests.params.told import told, turn


def words(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def test_a_row_that_no_model_of_the_size_can_read() -> None:
    text = "lorem ipsum dolor sit amet " * 100_000
    assert told(messages=words(text)) == [": about 450,003 tokens or more; claude-haiku-4-5 reads 200,000"]
    assert told(model="claude-opus-5", messages=words(text)) == []


@pytest.mark.parametrize("text", [" " * 3_000_000, "=" * 3_000_000 + "\n", "-" * 3_000_000])
def test_a_row_that_is_long_but_not_surely_too_long(text: str) -> None:
    [said] = told(messages=words("x" + text))
    assert said == "~: about 750,005 tokens; claude-haiku-4-5 reads 200,000"


@pytest.mark.parametrize("count", [100_000, 760_000])
def test_a_row_that_fits(count: int) -> None:
    assert told(messages=words("a word " * (count // 7)), max_tokens=1) == []


def test_what_is_sent_as_base64_is_no_text() -> None:
    from base64 import b64encode

    from tests.media.files import png

    source = {"type": "base64", "media_type": "image/png", "data": b64encode(png(more=3_000_000)).decode()}
    assert told(messages=[turn({"type": "image", "source": source})]) == []


def test_a_prompt_that_leaves_no_room_for_the_answer() -> None:
    said = told(messages=words("a word " * 170_000), max_tokens=64_000)
    room = "max_tokens of 64,000 and a prompt of about 198,336 tokens or more are over the 200,000"
    assert said[1:] == [f"~: {room} that claude-haiku-4-5 reads and writes"]
    assert len(told(messages=words("a word " * 170_000), max_tokens=1_000)) == 1
