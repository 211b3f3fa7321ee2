"""The key is found however it is dressed."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.trials.canary import CANARY, betrayed, files_with


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz", "Authorization: Bearer "])
@pytest.mark.parametrize("after", ["", "!", "!!", "!!!"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_in_base64_wherever_it_stands(before: str, after: str, encode: object) -> None:
    assert callable(encode)
    assert betrayed(b"{" + encode(f"{before}{CANARY}{after}".encode()) + b"}", CANARY)


@pytest.mark.parametrize(
    "dress", [str, quote, quote_plus, lambda s: quote(s, safe=""), lambda s: s.encode().hex()]
)
def test_in_other_dress(dress: object) -> None:
    assert callable(dress)
    assert betrayed(f"x-api-key: {dress(CANARY)}\n".encode(), CANARY)


def test_what_is_not_the_key() -> None:
    assert not betrayed(b"sk-ant-api03-Other", CANARY)
    assert not betrayed(CANARY[:-1].encode(), CANARY)


def test_in_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log").write_text(f"key={CANARY}\n")
    (tmp_path / "b").write_text("nothing")
    (tmp_path / f"crash-{quote(CANARY, safe='')}").write_text("")
    found = list(files_with(CANARY, tmp_path))
    assert [path.name[:5] for path in found] == ["log", "crash"]
