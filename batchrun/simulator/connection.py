"""One connection's requests: HTTP in, HTTP out. What is said stands in calls.py."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from batchrun.errors import BatchrunError
from batchrun.files import CHUNK
from batchrun.simulator import ids
from batchrun.simulator.bodies import Body, Torn, too_long
from batchrun.simulator.options import Options
from batchrun.simulator.record import wire_time
from batchrun.simulator.replies import Refused, Reply
from batchrun.simulator.requests import Call, route

ORGANIZATION = "5f1c3f6e-2b0a-4d43-9c57-51e0a7a3b1d2"
WORKSPACE = "wrkspc_01SimuLatorWorkspace2222"
RATE_LIMIT = 4000
_PATIENCE = 30.0  # seconds for the next bytes of a body


class Answering(Protocol):
    """What a connection needs of the simulator it belongs to."""

    options: Options
    clock: Callable[[], float]
    url: str

    def answer(self, call: Call) -> Reply:
        """Raises Refused."""


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
            call = Call(name, target, parse_qs(url.query), headers, f"http://{host}", body.pieces)
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
        self.send_response(reply.status)
        for name, value in (self._standing_headers() | reply.headers).items():
            self.send_header(name, value)
        if reply.content_type is not None:
            self.send_header("content-type", reply.content_type)
        if self.close_connection:
            self.send_header("connection", "close")
        if reply.file is not None:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._send_chunks(reply)
            return
        if reply.status >= HTTPStatus.OK and reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _standing_headers(self) -> dict[str, str]:
        return {
            "request-id": self._request_id,
            "anthropic-organization-id": ORGANIZATION,
            "anthropic-workspace-id": WORKSPACE,
            "anthropic-ratelimit-requests-limit": str(RATE_LIMIT),
            "anthropic-ratelimit-requests-remaining": str(RATE_LIMIT - 1),
            "anthropic-ratelimit-requests-reset": wire_time(self._simulator.clock()),
        }

    def _send_chunks(self, reply: Reply) -> None:
        left = reply.cut
        assert reply.file is not None
        with reply.file.open("rb") as stream:
            while piece := stream.read(CHUNK if left is None else min(left, CHUNK)):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                left = None if left is None else left - len(piece)
        if reply.torn:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

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
