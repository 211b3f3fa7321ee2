"""One connection's requests: HTTP in, HTTP out. What is said stands in calls.py."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from batchrun.errors import BatchrunError
from batchrun.fs.files import CHUNK
from batchrun.simulator import ids
from batchrun.simulator.bodies import Body, Torn, too_long
from batchrun.simulator.options import Options
from batchrun.simulator.record import wire_time
from batchrun.simulator.replies import Refused, Reply
from batchrun.simulator.requests import Call, route
from batchrun.simulator.sending import Outgoing, Sending, in_drips, outgoing

ORGANIZATION = "5f1c3f6e-2b0a-4d43-9c57-51e0a7a3b1d2"
WORKSPACE = "wrkspc_01SimuLatorWorkspace2222"
RATE_LIMIT = 4000
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_PATIENCE = 30.0  # seconds for the next bytes of a body


class Answering(Protocol):
    """What a connection needs of the simulator it belongs to."""

    options: Options
    clock: Callable[[], float]
    url: str

    def answer(self, call: Call) -> Reply:
        """What the API says to a call, its refusals included."""

    def pause(self, seconds: float) -> None:
        """Wait. Raises ConnectionAbortedError once the simulator stops."""

    def close_port(self, seconds: float) -> None:
        """Refuse every connection for so long, from now on."""


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # what is no HTTP at all gets headers, too
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server_version = "batchrun-simulator"
    sys_version = ""

    def do_GET(self) -> None:
        """Any method: which ones a path takes is for `route` to say."""
        self._request_id = ids.fresh("req")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = Body(cast(BinaryIO, self.rfile), headers, self._simulator.options.max_body)
        try:
            reply = self._answer(headers, body)
        except (Torn, ConnectionError):
            self.close_connection = True
            return
        if reply.reset:
            self._reset()
            return
        self.close_connection |= body.unread
        self._send(reply)
        if body.unread and self._invited:
            self._wait_for(body)

    do_POST = do_DELETE = do_PUT = do_PATCH = do_GET

    def _answer(self, headers: Mapping[str, str], body: Body) -> Reply:
        url = urlsplit(self.path)
        host = headers.get("host") or urlsplit(self._simulator.url).netloc
        try:
            name, target = route(self.command, url.path)
            call = Call(
                name,
                target,
                url.path,
                parse_qs(url.query),
                headers,
                f"http://{host}",
                self._request_id,
                body.pieces,
                self._simulator.pause,
            )
            return self._simulator.answer(call)
        except Refused as refused:
            return refused.reply(self._request_id)
        except ConnectionError:
            raise
        except (BatchrunError, OSError) as error:  # the simulator's own disk
            return Refused(500, str(error)).reply(self._request_id)

    def _wait_for(self, body: Body) -> None:
        """Take in a body nobody read before the connection closes: a reset would take the reply with it."""
        self.wfile.flush()
        self.connection.settimeout(_PATIENCE)
        try:
            body.discard()
        except (Torn, OSError):
            return

    def _send(self, reply: Reply) -> None:
        sending = reply.sending
        body: bytes | Iterable[bytes] = reply.body
        if reply.pieces is not None:
            body = reply.pieces
        elif reply.file is not None:
            body = _pieces(reply.file)
        out = outgoing(body, sending)
        if sending.close_port:
            self.close_connection = True
            self._simulator.close_port(sending.close_port)
        self.close_connection |= not out.whole
        self._simulator.pause(sending.stall_before)
        self._write(self._head(reply, out), sending, slow=sending.drip_headers)
        for piece in out.framed():
            self._write(piece, sending, slow=sending.slow)
        if out.reset:
            self.wfile.flush()
            self._reset()

    def _head(self, reply: Reply, out: Outgoing) -> bytes:
        phrase = _PHRASES.get(reply.status, "Unknown")
        lines = [f"{self.protocol_version} {reply.status} {phrase}"]
        lines += [
            f"{name}: {value}" for name, value in self._headers(reply, out).items() if value is not None
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _headers(self, reply: Reply, out: Outgoing) -> dict[str, str | None]:
        headers: dict[str, str | None] = {
            "server": self.version_string(),
            "date": self.date_time_string(),
            **self._standing_headers(),
        }
        if reply.content_type is not None:
            headers["content-type"] = reply.content_type
        if self.close_connection:
            headers["connection"] = "close"
        if out.packed:
            headers["content-encoding"] = "gzip"
        if out.chunked:
            headers["transfer-encoding"] = "chunked"
        elif out.length is not None and reply.status != HTTPStatus.NO_CONTENT:
            headers["content-length"] = str(out.length)
        return headers | reply.headers

    def _write(self, data: bytes, sending: Sending, *, slow: bool) -> None:
        if not slow:
            self.wfile.write(data)
            return
        size, seconds = sending.drip or (len(data) // 2 + 1, sending.stall_within)
        for piece in in_drips(data, size):
            self.wfile.write(piece)
            self.wfile.flush()
            self._simulator.pause(seconds)

    def _standing_headers(self) -> dict[str, str]:
        return {
            "request-id": self._request_id,
            "anthropic-organization-id": ORGANIZATION,
            "anthropic-workspace-id": WORKSPACE,
            "anthropic-ratelimit-requests-limit": str(RATE_LIMIT),
            "anthropic-ratelimit-requests-remaining": str(RATE_LIMIT - 1),
            "anthropic-ratelimit-requests-reset": wire_time(self._simulator.clock()),
        }

    def _reset(self) -> None:
        """Close with RST, as a peer that crashed does: nothing lingers, and what was not read is lost."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @property
    def _simulator(self) -> Answering:
        return cast(Any, self.server).simulator  # type: ignore[no-any-return]

    @property
    def _invited(self) -> bool:
        """Whether the client sends its body whatever we say: it did not ask first, or was told to go on."""
        return self.headers.get("expect") is None or self._told_to_go_on

    _told_to_go_on = False

    def handle_expect_100(self) -> bool:
        """Let the body come, unless its declared length alone refuses it: that answer comes instead."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._told_to_go_on = not too_long(headers, self._simulator.options.max_body)
        if self._told_to_go_on:
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses by itself, in the API's words."""
        self._request_id = ids.fresh("req")
        self.close_connection = True
        self._send(Refused(int(code), message or explain or HTTPStatus(code).phrase).reply(self._request_id))

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self._simulator.clock() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: standard error belongs to the program the simulator runs in."""


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece
