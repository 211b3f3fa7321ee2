"""Webhooks: what is sent, to whom, and that waiting ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batchrun.hooks import Message, call
from batchrun.hooks.webhook import post
from batchrun.model import Hook

LONG = 30.0


@dataclass
class Receiver:
    url: str
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(answer: bytes, release: threading.Event | None = None) -> Iterator[Receiver]:
    """A server that answers every POST with these bytes; with `release`, only once that is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            for byte in (answer[:1], answer[1:]):
                self.wfile.write(byte)
                if release:
                    release.wait(LONG)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield receiver
        finally:
            if release:
                release.set()
            server.shutdown()


OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_what_is_sent() -> None:
    message = Message(b'{"a": 1}', {}, {"x-batchrun-event": "done", "x-batchrun-delivery": "1" * 32})
    with receiving(OK) as receiver:
        hook = Hook(post=f"{receiver.url}/in?token=t")
        assert call(hook, message, {}, timeout=LONG) == ""
        assert call(hook, message, {}, timeout=LONG, secret="s3cret") == ""
    (path, headers, body), (_, signed, _) = receiver.got
    assert (path, body) == ("/in?token=t", b'{"a": 1}')
    assert headers.keys() == {
        "accept-encoding", "host", "content-length", "connection", "content-type", "user-agent", "x-batchrun-event", "x-batchrun-delivery",
    }  # fmt: skip
    assert headers["content-type"] == "application/json"
    # printf '{"a": 1}' | openssl dgst -sha256 -hmac s3cret
    digest = "1a9fab6cd4b8cdcaad8640f3eca73fa924c62ff24f3833254ef3547232153767"
    assert signed["x-batchrun-signature"] == f"sha256={digest}"


@pytest.mark.parametrize("code", [301, 302, 307, 400, 404, 500])
def test_only_a_success_is_one(code: int) -> None:
    with receiving(OK) as elsewhere:
        answer = f"HTTP/1.1 {code} No\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n".encode()
        with receiving(answer) as receiver:
            fault = post(f"{receiver.url}/secret", b"{}", {}, {}, LONG)
    assert fault == f"{receiver.url} answered {code}"
    assert (len(receiver.got), elsewhere.got) == (1, [])


def test_nobody_there() -> None:
    with receiving(OK) as receiver:
        pass
    fault = post(f"{receiver.url}/secret", b"{}", {}, {}, LONG)
    assert fault == f"no answer from {receiver.url}: connection refused"


def test_what_is_no_http() -> None:
    with receiving(b"secret\r\n\r\n") as receiver:
        fault = post(f"{receiver.url}/secret", b"{}", {}, {}, LONG)
    assert fault.startswith(f"no answer from {receiver.url}: ")
    assert "secret" not in fault


def test_an_answer_that_never_ends() -> None:
    """A byte at a time keeps every time-out of a socket from striking."""
    with receiving(OK, threading.Event()) as receiver:
        fault = post(f"{receiver.url}/secret", b"{}", {}, {}, 0.3)
    assert fault in (
        f"no answer from {receiver.url} in 0.3s",
        f"no answer from {receiver.url}: timed out",
    )


def test_bad_surroundings_are_a_fault() -> None:
    assert "names a file that is not there" in post(
        "http://127.0.0.1:9", b"", {}, {"SSL_CERT_FILE": "/gone"}, LONG
    )
