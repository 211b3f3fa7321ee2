"""A socket that says exactly the bytes it is given, and a clock that is moved by sleeping."""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Cut:
    """Bytes, and then the connection is closed."""

    data: bytes


@dataclass(frozen=True)
class Reset:
    """Bytes, and then a TCP reset."""

    data: bytes = b""


@dataclass(frozen=True)
class Call:
    """What to do with the connection, the request having been read."""

    do: Callable[[socket.socket], None]


Reply: TypeAlias = "bytes | Cut | Reset | Call"


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class RawServer:
    """Answers request after request with the next reply; the last one is repeated for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies: deque[Reply] = deque(replies)
        self.seen: list[Seen] = []
        self.connections = 0
        self._lock = Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads: list[Thread] = []

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                _close(connection)
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[[], None]) -> None:
        thread = Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while (seen := _read(stream.readline, stream.read)) is not None:
                    with self._lock:
                        self.seen.append(seen)
                        reply = self.replies.popleft() if len(self.replies) > 1 else self.replies[0]
                    if not _reply(connection, reply):
                        return
        except OSError:
            return


def _close(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _reply(connection: socket.socket, reply: Reply) -> bool:
    """Whether the connection goes on."""
    match reply:
        case bytes():
            connection.sendall(reply)
            return True
        case Cut(data):
            connection.sendall(data)
        case Call(do):
            do(connection)
        case Reset(data):
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _read(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> Seen | None:
    first = readline()
    if not first:
        return None
    method, path, _ = first.decode().split(" ")
    headers: dict[str, str] = {}
    while (line := readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return Seen(method, path, headers, read(int(headers.get("content-length", 0))))


def http(
    body: bytes | object,
    status: int = 200,
    *,
    length: int | None = None,
    chunked: bool = False,
    more: Mapping[str, str] | None = None,
    **headers: str,
) -> bytes:
    """A whole HTTP reply; a body that is not bytes becomes JSON. `length` lies about it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Word"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in {**headers, **(more or {})}.items()]
    if chunked:
        lines.append("transfer-encoding: chunked")
        data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    else:
        lines.append(f"content-length: {len(data) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + data


def api_error(
    status: int, type: str, message: str = "no", *, code: str | None = None, **headers: str
) -> bytes:
    """A reply in the API's error envelope (api-facts §3.4)."""
    details = {"details": {"error_code": code}} if code else {}
    error = {"type": type, "message": message, **details}
    return http({"type": "error", "error": error, "request_id": "req_1"}, status, more=headers)


def batch_json(id: str = "msgbatch_1", status: str = "in_progress", **counts: int) -> dict[str, Any]:
    """A message_batch as the wire has it (api-facts §2.7)."""
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    ended = status == "ended"
    return {
        "id": id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {name: counts.get(name, 0) for name in names},
        "ended_at": "2026-11-22T10:07:31.000000+00:00" if ended else None,
        "created_at": "2026-11-22T10:00:00.000000+00:00",
        "expires_at": "2026-11-23T10:00:00.000000+00:00",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"https://elsewhere.example/{id}" if ended else None,
    }


@dataclass
class FakeTime:
    """`sleep` moves `clock` on at once; `slept` tells how long each was. The jitter is always `jitter`."""

    jitter: float = 1.0
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def rng(self) -> float:
        return self.jitter
