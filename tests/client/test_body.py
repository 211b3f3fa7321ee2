from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.client.body import MAX_REQUESTS, Body, uploading
from batchrun.errors import DataError, MissingInput, UsageError

PARAMS: dict[str, Any] = {"model": "m", "max_tokens": 1, "messages": []}


def line(custom_id: str) -> bytes:
    return json.dumps({"custom_id": custom_id, "params": PARAMS}).encode()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_body_is_the_file_with_commas(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(line("a") + b"\n" + line("b") + end)
    with uploading(path) as upload:
        assert not upload.begun
        body = b"".join(upload)
        assert upload.begun
    assert len(body) == upload.length
    assert [r["custom_id"] for r in json.loads(body)["requests"]] == ["a", "b"]


def test_a_large_body_comes_in_small_pieces(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n".join(line(f"r{i}") for i in range(5000)))
    with uploading(path) as upload:
        pieces = list(upload)
    assert max(map(len, pieces)) < 70_000
    assert len(json.loads(b"".join(pieces))["requests"]) == 5000


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_requests_from_memory(texts: list[str]) -> None:
    requests = [{"custom_id": f"r{i}", "params": {"text": text}} for i, text in enumerate(texts)]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        with pytest.raises(DataError, match=r"^not JSON: "), uploading(requests):
            pass
        return
    with uploading(requests) as upload:
        assert json.loads(b"".join(upload)) == {"requests": requests}


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (b"", "", "no requests"),
        (line("a") + b"\n\n", ":2", "the line is empty"),
        (line("a") + b"\n" + line("a"), ":2", "custom_id 'a' is also in {}:1"),
        (b'{"params":{}}', ":1", "custom_id is missing"),
        (b'{"custom_id":5,"params":{}}', ":1", "custom_id is not 1 to 64 letters, digits, '-' or '_'"),
        (line("a b"), ":1", "custom_id is not 1 to 64 letters, digits, '-' or '_'"),
        (line("a" * 65), ":1", "custom_id is not 1 to 64 letters, digits, '-' or '_'"),
        (line("\u0663"), ":1", "custom_id is not 1 to 64 letters, digits, '-' or '_'"),
        (line("a\\n"), ":1", "custom_id is not 1 to 64 letters, digits, '-' or '_'"),
        (b'{"custom_id":"a"}', ":1", "params is missing"),
        (b'{"custom_id":"a","params":[]}', ":1", "params is not an object"),
        (b"[]", ":1", "a request is a JSON object"),
        (b"\xef\xbb\xbf" + line("a"), ":1", "the line begins with a byte order mark"),
        (line("a")[:-1], ":1", "not JSON: "),
        (b'{"custom_id":"a","params":{"x":NaN}}', ":1", "not JSON: "),
        (b'{"custom_id":"a","params":{"x":"\xff"}}', ":1", "not JSON: "),
    ],
)
def test_the_envelope(tmp_path: Path, content: bytes, where: str, message: str) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught, uploading(path):
        pass
    assert str(caught.value).startswith(message.format(path))
    assert caught.value.where == f"{path}{where}"


@pytest.mark.parametrize("content", [b'{"requests":[', b"{\n", b"["])
def test_a_whole_body_as_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "body.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught, uploading(path):
        pass
    assert "write one request a line" in caught.value.hint


@pytest.mark.parametrize(
    ("requests", "where", "message"),
    [
        ([], "requests", "no requests"),
        ([{"custom_id": "a", "params": {}}, {"params": {}}], "requests[1]", "custom_id is missing"),
        ([{"custom_id": "a", "params": {}}] * 2, "requests[1]", "custom_id 'a' is also in requests[0]"),
        ([{"custom_id": "a", "params": {"x": float("nan")}}], "requests[0]", "not JSON: "),
        ([{"custom_id": "a", "params": {"x": {1}}}], "requests[0]", "not JSON: "),
    ],
)
def test_the_envelope_of_requests_from_memory(
    requests: list[Mapping[str, object]], where: str, message: str
) -> None:
    with pytest.raises(DataError) as caught, uploading(requests):
        pass
    assert str(caught.value).startswith(message)
    assert caught.value.where == where


def test_too_many_requests() -> None:
    requests = ({"custom_id": str(i), "params": {}} for i in range(MAX_REQUESTS + 1))
    with (
        pytest.raises(DataError, match=r"^more than 100,000 requests, the most of one batch$"),
        uploading(requests),
    ):
        pass


def test_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.touch()
    os.truncate(path, 256_000_000)  # sparse: takes no room
    said = "the body would be 256,000,015 bytes, more than the 256,000,000 of one batch"
    with pytest.raises(DataError, match=f"^{said}$"), uploading(path):
        pass


@pytest.mark.parametrize("requests", ["requests.jsonl", b"x", {"requests": []}])
def test_what_is_no_list_of_requests(requests: Any) -> None:
    with pytest.raises(UsageError, match=r"^create takes a list of requests, or a Path"), uploading(requests):
        pass


def test_files_that_cannot_be_sent(tmp_path: Path) -> None:
    with pytest.raises(MissingInput), uploading(tmp_path / "none.jsonl"):
        pass
    with pytest.raises(DataError, match=r"is not a regular file$|cannot open"), uploading(tmp_path):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"is not a regular file$"), uploading(tmp_path / "pipe"):
        pass


@pytest.mark.parametrize("change", ["longer", "shorter", "touched"])
def test_a_file_that_changes_is_never_sent_whole(tmp_path: Path, change: str) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(line("a") + b"\n")
    sent = b""
    with Body(path, "requests").opened() as upload:
        match change:
            case "longer":
                path.write_bytes(line("a") + b"\n" + line("b"))
            case "shorter":
                path.write_bytes(b"{}")
            case _:
                os.utime(path, ns=(0, 0))
        with pytest.raises(DataError, match=r"^requests changed while it was sent$"):
            for piece in upload:
                sent += piece
    assert len(sent) < upload.length
