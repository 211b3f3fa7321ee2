"""A secret that a server repeats: no spelling of it, and no part that tells it, is left."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from batchrun.client.redaction import SHOWN, redacted, redacted_bytes, redacted_pieces

KEY = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AA"
ODD = 'k&y"<>;/+=#u0041~'


@pytest.mark.parametrize("secret", [KEY, ODD, "short"])
@pytest.mark.parametrize(
    "spelled",
    [
        str,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(json.dumps(text))[3:-3],
        lambda text: "".join(f"\\u{ord(c):04X}" for c in text),
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="").lower() if text == ODD else quote(text),
        html.escape,
        lambda text: "".join(f"&#{ord(c)};" for c in text),
        lambda text: "".join(f"&#x{ord(c):04x};" for c in text),
    ],
)
def test_every_spelling(secret: str, spelled: Callable[[str], str]) -> None:
    assert redacted(f"bad key {spelled(secret)}, see the console", secret) == "bad key ***, see the console"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:", "x" * 50])
@pytest.mark.parametrize("after", ["", ":", "::", ":::", "y" * 50])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_at_any_place(before: str, after: str, encode: Callable[[bytes], bytes]) -> None:
    for secret in (KEY, "ÿ?~>" * 10):
        text = encode((before + secret + after).encode()).decode()
        shown = redacted(f"got {text}", secret)
        kept = [shown[4:].partition("***")[0], shown.rpartition("***")[2]]
        assert "***" in shown
        assert all(
            len(part) <= 4 * (len(other) // 3 + 2) for part, other in zip(kept, (before, after), strict=True)
        )


@pytest.mark.parametrize("length", range(SHOWN, len(KEY) + 1))
def test_a_key_cut_short(length: int) -> None:
    assert redacted(f"invalid: {KEY[:length]}...", KEY) == "invalid: ***..."
    assert redacted(f"invalid: …{KEY[-length:]}", KEY) == "invalid: …***"


def test_a_word_of_its_kind_stays() -> None:
    assert redacted("keys begin with sk-ant-api", KEY) == "keys begin with sk-ant-api"
    assert redacted("nothing", "") == "nothing"


@pytest.mark.parametrize(
    "text",
    [
        KEY[:11],
        KEY[:-1],
        "\\",
        "%",
        "&",
        "&#",
        "&#0",
        "\\u00",
        "s",
        "sk-ant-api03-" + "A" * 40,
        "%73%6b",
        "\\\\\\u0073",
    ],
)
def test_it_takes_time_in_proportion_to_the_text(text: str) -> None:
    def seconds(size: int) -> float:
        body = text * (size // len(text))

        def once() -> float:
            start = time.process_time()
            redacted(body, KEY)
            return time.process_time() - start

        return min(once() for _ in range(3))

    seconds(1_000)
    assert seconds(80_000) < 4 * seconds(40_000) + 0.01


def test_an_answer() -> None:
    body = json.dumps({"id": KEY, "processing_status": f"in {KEY[:20]}"}).encode()
    assert json.loads(redacted_bytes(body, KEY)) == {"id": "***", "processing_status": "in ***"}
    assert redacted_bytes(b"\xff\x00 as it is", KEY) == b"\xff\x00 as it is"


def test_an_answer_keeps_its_words_beside_a_short_secret() -> None:
    body = b'{"type":"message_batch"}'
    assert redacted_bytes(body, "key") == redacted_bytes(body, "batch") == body
    assert list(redacted_pieces(iter([body]), "batch"))[-1] in body


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_lines_in_pieces(size: int) -> None:
    lines = [
        b'{"custom_id":"a","text":"%b"}\n' % word
        for word in (b"x" * 300, KEY.encode(), base64.b64encode(KEY.encode()), b"\xe2\x80\xa8")
    ]
    data = b"".join(lines) + b'{"last":"sk-ant-api"}'
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    found = b"".join(redacted_pieces(pieces, KEY)).split(b"\n")
    assert found[0] + b"\n" == lines[0]
    assert found[1] == b'{"custom_id":"a","text":"***"}'
    assert found[2].startswith(b'{"custom_id":"a","text":"***')
    assert found[3:] == [lines[3][:-1], b'{"last":"sk-ant-api"}']
