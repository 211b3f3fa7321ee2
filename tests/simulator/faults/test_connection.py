"""Faults of the connection, met over HTTP."""

from __future__ import annotations

import re
import socket
import time

import orjson
import pytest
import requests

from tests.simulator.faults.faulty import Faulty, accepted, raw_reply
from tests.simulator.helpers import Client, entry


@pytest.mark.parametrize("when", ["before_body", "after_body"])
def test_the_connection_breaks_and_nothing_was_done(faulty: Faulty, when: str) -> None:
    with Client(faulty(f"faults: [{{on: create, reset: {when}}}]")) as client:
        with pytest.raises(requests.ConnectionError):
            client.post({"requests": [entry("a", "x" * 3_000_000)]})
        assert accepted(faulty) == 0
        client.create(entry("a"))
    assert accepted(faulty) == 1


BODY = orjson.dumps({"requests": [entry("a")]})
HEAD = "x-api-key: k\r\nanthropic-version: 2023-06-01\r\nhost: h\r\n"
WHOLE = "POST /v1/messages/batches HTTP/1.1\r\n" + HEAD + f"content-length: {len(BODY)}\r\n\r\n"


@pytest.mark.parametrize("amount", ["0", "1", "half", "all"])
def test_a_reset_after_some_of_the_request(faulty: Faulty, amount: str) -> None:
    simulator = faulty(f"faults: [{{create: {{reset: {{request: {amount}}}}}}}]")
    assert raw_reply(simulator, WHOLE.encode() + BODY) == (b"", True)
    assert accepted(faulty) == 0


@pytest.mark.parametrize(
    ("amount", "kept"),
    [("0", slice(0)), ("1", slice(1)), ("half", None), ("all", slice(None)), ("-3", slice(-3))],
)
def test_a_reset_after_some_of_the_reply(faulty: Faulty, amount: str, kept: slice | None) -> None:
    simulator = faulty(f"faults: [{{create: {{reset: {{reply: {amount}}}}}}}]")
    reply, was_reset = raw_reply(simulator, WHOLE.encode() + BODY)
    head, _, body = reply.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    with Client(simulator) as client:
        (batch,) = client.get().json()["data"]
    whole = orjson.dumps({**batch, "processing_status": "in_progress"})
    size = int(found[1])
    assert len(body) == len(bytes(size)[kept or slice(size // 2)])
    assert body[:20] == whole[: len(body)][:20]
    assert (was_reset, accepted(faulty)) == (True, 1)


def test_the_port_is_closed_for_a_while(faulty: Faulty) -> None:
    simulator = faulty("faults: [{list: {refuse: 0.3}}]")
    with Client(simulator) as client:
        assert client.get().headers["connection"] == "close"
        with pytest.raises(requests.ConnectionError, match="refused"):
            client.get()
        deadline = time.monotonic() + 30
        while True:
            try:
                assert client.get().status_code == 200
                break
            except requests.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.mark.parametrize("at", ["headers", "body"])
def test_a_reply_that_stalls(faulty: Faulty, at: str) -> None:
    simulator = faulty(f"faults: [{{create: {{stall: {{seconds: 60, at: {at}}}}}}}]")
    port = int(simulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as wire:
        wire.sendall(WHOLE.encode() + BODY)
        held = b""
        with pytest.raises(TimeoutError):
            while True:
                held += wire.recv(65536)
    assert bool(held) == (at == "body")
    assert accepted(faulty) == 1
    simulator.stop()  # at once: nobody waits for those who pause


def test_a_request_that_is_not_read(faulty: Faulty) -> None:
    simulator = faulty("faults: [{create: {stall: {seconds: 60, at: request}}}]")
    with Client(simulator) as client, pytest.raises(requests.Timeout):
        client.http.post(client.base, data=BODY, timeout=0.5)
    assert accepted(faulty) == 0


@pytest.mark.parametrize("of", ["body", "headers", "request"])
def test_what_drips_arrives_whole(faulty: Faulty, of: str) -> None:
    text = f"faults: [{{create: {{drip: {{seconds: 0.001, bytes: 50, of: {of}}}}}}}]"
    with Client(faulty(text)) as client:
        assert client.create(entry("a"))["request_counts"]["processing"] == 1
        assert client.get().status_code == 200
