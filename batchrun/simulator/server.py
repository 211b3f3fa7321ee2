"""The simulator as a server on loopback: threads that start, and stop when told."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from batchrun import jsonbytes
from batchrun.simulator.batches import Batches
from batchrun.simulator.calls import Api
from batchrun.simulator.connection import Connection
from batchrun.simulator.disk import append
from batchrun.simulator.options import Options
from batchrun.simulator.record import wire_time
from batchrun.simulator.replies import Reply
from batchrun.simulator.requests import Call

HOST = "127.0.0.1"
_LOOK = 0.05  # seconds between two looks at whether to stop
_LEAVE = 5.0  # seconds a connection may take to end


class Simulator:
    """A server that speaks the Message Batches API from the files below `state`.

    It runs in threads of this process; `stop`, or leaving the `with` block, ends them. Several simulators, in
    one or more processes, may share a state folder, and a new one carries on where the last one stopped.
    `clock` gives seconds since the epoch: created_at, the end of a batch and the Date header follow it.

    Raises CannotCreate when `state` cannot be made, OSError when the port is taken.
    """

    def __init__(
        self,
        state: Path,
        *,
        port: int = 0,
        options: Options | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        state = state.absolute()
        self.options = options or Options()
        self.clock = clock
        self._state = state
        self._api = Api(Batches(state, self.options, clock), self.options, clock)
        self._server = _Server((HOST, port), self)
        self._thread: threading.Thread | None = None
        self._port = threading.Lock()
        self._stopping = threading.Event()
        self.url = f"http://{HOST}:{self._server.server_address[1]}"

    def change(self, options: Options) -> None:
        """Behave like this from the next call on, as a restart would: all that lasts is in the state folder."""
        self.options = options
        self._api = Api(Batches(self._state, options, self.clock), options, self.clock)

    def answer(self, call: Call) -> Reply:
        """What the API says to a call, its refusals included."""
        reply = self._api.answer(call)
        self._log(call, 0 if reply.reset else reply.status)
        return reply

    def pause(self, seconds: float) -> None:
        """Wait, in a connection's thread. Raises ConnectionAbortedError once the simulator stops."""
        if seconds and self._stopping.wait(seconds):
            raise ConnectionAbortedError("the simulator stops")

    def close_port(self, seconds: float) -> None:
        """Refuse every connection for so long, from now on; those that are open go on."""
        with self._port:
            if self._thread is None:
                return
            self._leave_port()
            threading.Thread(target=self._reopen, args=(seconds,), name="simulator port", daemon=True).start()

    def _reopen(self, seconds: float) -> None:
        self._stopping.wait(seconds)
        with self._port:
            if not self._stopping.is_set():
                self._server.listen_again()
                self._serve()

    def _leave_port(self) -> None:
        if self._thread:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def _log(self, call: Call, status: int) -> None:
        """For people, and for tests that count calls; status 0 is a connection that was reset."""
        entry = {"at": wire_time(self.clock()), "call": call.name, "id": call.target, "status": status}
        append(self._state / "calls.jsonl", jsonbytes.dumps(entry), durable=False)

    def start(self) -> None:
        with self._port:
            self._serve()

    def _serve(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK,), name="simulator", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, drop the open connections and wait for their threads. May be called twice."""
        self._stopping.set()
        with self._port:
            self._leave_port()
        self._server.drop_connections()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, Connection)

    def listen_again(self) -> None:
        """On the same port, after server_close."""
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a connection, known here before it runs."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close, without the FIN that would go before the RST of a connection that is to be reset."""
        linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER)
        if linger:
            self.close_request(request)
        else:
            super().shutdown_request(request)
        self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is its own affair; anything else is a fault of ours, and shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def drop_connections(self) -> None:
        for connection, thread in list(self._open.items()):
            with suppress(OSError):  # it may have gone by itself
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_LEAVE)
