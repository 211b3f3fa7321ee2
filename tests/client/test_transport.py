from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest

from batchrun.client.body import Body, Upload
from batchrun.client.endpoint import Endpoint
from batchrun.client.transport import MAX_ANSWER, RETRY_BUDGET, Answer, Timeouts, Transport
from batchrun.clockwork import Clockwork
from batchrun.errors import ApiError, BadResponse, ConnectionFailed, KeyRefused, RateLimited, ServerError
from tests.rawserver import Call, Cut, FakeTime, RawServer, Reply, Reset, api_error, http

QUICK = Timeouts(connect=2, read=0.2, answer=5, upload=2, create=0.2)
OK = http({"ok": True})


@contextmanager
def talking(
    *replies: Reply, retries: int = 0, time: FakeTime | None = None, timeouts: Timeouts = QUICK
) -> Iterator[tuple[RawServer, Transport]]:
    time = time or FakeTime()
    with RawServer(*replies) as server:
        transport = Transport(
            Endpoint(server.url, "sk-secret"),
            timeouts=timeouts,
            max_retries=retries,
            clockwork=Clockwork(time.sleep, time.clock, time.rng),
        )
        try:
            yield server, transport
        finally:
            transport.close()


def get(transport: Transport, **options: Any) -> Answer:
    return transport.call("GET", "/v1/x", {"x-api-key": "sk-secret"}, **options)


def post(transport: Transport, path: Path) -> Answer:
    with Body(path).opened() as upload:
        return transport.post_once("/v1/x", {"x-api-key": "sk-secret"}, upload)


def failing(*replies: Reply) -> ApiError:
    """The error of one GET."""
    with talking(*replies) as (_, transport), pytest.raises(ApiError) as caught:
        get(transport)
    assert "sk-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.hint}"
    return caught.value


@pytest.fixture
def requests_file(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b'{"custom_id":"a","params":{}}\n')
    return path


# ---- answers -------------------------------------------------------------------------------------


def test_a_get() -> None:
    with talking(http({"ok": [1]}, request_id="req_7", Retry_After="5")) as (server, transport):
        answer = get(transport, query={"limit": 5, "after_id": "a/b&c"})
    assert (answer.value, answer.request_id, answer.headers["retry-after"]) == ({"ok": [1]}, "req_7", "5")
    seen = server.seen[0]
    assert (seen.method, seen.path, seen.body) == ("GET", "/v1/x?limit=5&after_id=a%2Fb%26c", b"")
    assert seen.headers["x-api-key"] == "sk-secret"
    assert "content-type" not in seen.headers


@pytest.mark.parametrize(("body", "sent"), [(None, b"{}"), ({"a": "ü"}, '{"a":"ü"}'.encode())])
def test_a_post(body: Any, sent: bytes) -> None:
    with talking(OK) as (server, transport):
        transport.call("POST", "/v1/x", {}, body=body)
    seen = server.seen[0]
    assert (seen.method, seen.body, seen.headers["content-type"]) == ("POST", sent, "application/json")


def test_connections_are_kept_and_shared() -> None:
    with talking(OK, http({}, chunked=True), api_error(404, "not_found_error"), OK) as (server, transport):
        get(transport)
        get(transport)
        with pytest.raises(ApiError):
            get(transport)
        get(transport)
        assert (len(server.seen), server.connections) == (4, 1)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (http(b""), "{} gave an empty answer"),
        (http(b"<html>\x1b[2J hi</html>"), "{} gave an answer that is not JSON: '<html>�[2J hi</html>'"),
        (http(b'{"a":'), "{} gave an answer that is not JSON: '{{\"a\":'"),
        (Cut(b"HTTP/1.1 200 OK\r\n\r\n{\"a\""), "{} gave an answer that is not JSON: '{{\"a\"'"),
        (http(b"sk-secret"), "{} gave an answer that is not JSON: '***'"),
        (http(b"{}", content_encoding="br"), "{} gave an answer packed as 'br', which was not asked for"),
        (http(b"{}", content_encoding="gzip"), "{} gave an answer whose gzip packing is damaged"),
        (http({}, 202), "the server answered 202 with '{{}}'"),
        (Cut(http(b"", 204)), "the server answered 204 without a body"),
        (http({}, 302, location="http://evil.example/"), "the server answered 302, a redirect, which is never followed"),
    ],
)  # fmt: skip
def test_answers_that_are_not_the_apis(reply: Reply, message: str) -> None:
    with talking(reply) as (server, transport), pytest.raises(BadResponse) as caught:
        get(transport)
    assert str(caught.value) == message.format(server.url)
    assert not caught.value.transient
    assert len(server.seen) == 1


def test_no_redirect_is_followed_and_the_key_stays_here() -> None:
    with talking(OK) as (other, _), talking(http({}, 307, location=f"{other.url}/v1/x")) as (_, transport):
        with pytest.raises(BadResponse):
            get(transport)
        assert other.seen == []


def test_gzip_although_not_asked_for() -> None:
    with talking(http(gzip.compress(b'{"a":1}', mtime=0), content_encoding="gzip")) as (_, transport):
        assert get(transport).value == {"a": 1}


def test_cookies_are_not_kept() -> None:
    with talking(http({}, set_cookie="a=b; Path=/")) as (server, transport):
        get(transport)
        get(transport)
    assert "cookie" not in server.seen[1].headers


def test_an_answer_without_end() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * 100_000)

    error = failing(Call(flood))
    assert isinstance(error, BadResponse)
    assert str(error).endswith(f"gave an answer of more than {MAX_ANSWER:,} bytes")


def test_an_error_without_end() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            connection.sendall(b"z" * 100_000)

    error = failing(Call(flood))
    assert isinstance(error, ServerError)
    assert len(str(error)) < 300


def blanks(status: bytes, time: FakeTime) -> Call:
    """A head, and then a blank a second, for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 %b\r\n\r\n" % status)
        while True:
            time.now += 1
            connection.sendall(b" ")

    return Call(drip)


def test_an_answer_that_drips() -> None:
    """Each byte moves the clock, so the deadline is met although no silence is long."""
    time = FakeTime()
    with (
        talking(blanks(b"200 OK", time), time=time) as (server, transport),
        pytest.raises(ConnectionFailed) as caught,
    ):
        get(transport)
    assert str(caught.value) == f"{server.url} took longer than 5 s to answer"


def test_an_error_that_drips() -> None:
    """The status alone is told then."""
    time = FakeTime()
    with (
        talking(blanks(b"500 Oops", time), time=time) as (_, transport),
        pytest.raises(ServerError) as caught,
    ):
        get(transport)
    assert str(caught.value) == "the server answered 500 without a body"


def dripping(begin: bytes, drop: bytes) -> Reply:
    """`begin` at once, and then a drop long before each silence is too long, for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(drop)
            sleep(QUICK.read / 10)

    return Call(drip)


DRIPPING = [
    pytest.param(b"", b"H", id="status line"),
    pytest.param(b"HTTP/1.1 200 OK\r\nx: ", b"x", id="header"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", id="headers"),
    pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim answers"),
    pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"x", id="size of a chunk"),
]


@pytest.mark.parametrize(("begin", "drop"), DRIPPING)
def test_what_stands_before_the_answer_drips(begin: bytes, drop: bytes) -> None:
    error = failing(dripping(begin, drop))
    assert isinstance(error, ConnectionFailed)
    assert str(error).partition(": ")[2] == "timed out"
    assert (error.sent, error.transient) == (True, True)


@pytest.mark.parametrize(("begin", "drop"), DRIPPING)
def test_the_answer_to_a_create_drips(begin: bytes, drop: bytes, requests_file: Path) -> None:
    with talking(dripping(begin, drop)) as (server, transport), pytest.raises(ConnectionFailed) as caught:
        post(transport, requests_file)
    assert str(caught.value) == f"no answer from {server.url}: timed out"
    assert caught.value.sent
    assert len(server.seen) == 1


# ---- no answer -----------------------------------------------------------------------------------


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the client hangs up


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Cut(b""), "the connection was closed"),
        (Reset(), "the connection was closed"),
        (Call(silent), "timed out"),
        (Cut(http({"a": 1}, length=99)), "the connection broke off in the middle of the answer"),
        (Cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"), "the connection broke off in the middle of the answer"),
        (Cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a"), "the connection broke off in the middle of the answer"),
        (Cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "the connection broke off in the middle of the answer"),
        (Reset(http({"a": 1}, length=99)), "the connection was closed"),
        (Cut(b"SSH-2.0-OpenSSH\r\n"), "what came back is not HTTP"),
    ],
)  # fmt: skip
def test_no_answer(reply: Reply, words: str) -> None:
    error = failing(reply)
    assert isinstance(error, ConnectionFailed)
    assert str(error).partition(": ")[2] == words
    assert error.sent
    assert error.transient


def test_a_gzip_stream_that_ends_early() -> None:
    error = failing(http(gzip.compress(b'{"a":1}' * 9, mtime=0)[:-9], content_encoding="gzip"))
    assert isinstance(error, ConnectionFailed)
    assert str(error).endswith(" ended its answer early")


def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("base", "words"),
    [(nowhere, "connection refused"), (lambda: "https://name.invalid", "the host name cannot be resolved")],
)
@pytest.mark.parametrize("verb", ["get", "post"])
def test_no_connection(base: Callable[[], str], words: str, verb: str, requests_file: Path) -> None:
    time, to = FakeTime(), base()
    clockwork = Clockwork(time.sleep, time.clock, time.rng)
    transport = Transport(Endpoint(to, "k"), timeouts=QUICK, max_retries=0, clockwork=clockwork)
    with pytest.raises(ConnectionFailed) as caught:
        get(transport) if verb == "get" else post(transport, requests_file)
    assert str(caught.value) == f"no answer from {to}: {words}"
    assert caught.value.hint == "check the network, ANTHROPIC_BASE_URL and HTTPS_PROXY"
    assert not caught.value.sent


# ---- repeating -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        Cut(b""),
        Reset(),
        Cut(http({}, length=9)),
        api_error(408, "timeout_error"),
        api_error(429, "rate_limit_error"),
        api_error(500, "api_error"),
        api_error(529, "overloaded_error"),
        http(b"<html>", 502),
        api_error(404, "not_found_error", x_should_retry="true"),
    ],
)
def test_transient_failures_are_repeated(failure: Reply) -> None:
    with talking(failure, failure, OK, retries=2) as (server, transport):
        assert get(transport).value == {"ok": True}
        assert len(server.seen) == 3


@pytest.mark.parametrize(
    "failure",
    [
        api_error(400, "invalid_request_error"),
        api_error(404, "not_found_error"),
        api_error(409, "conflict_error"),
        api_error(500, "api_error", x_should_retry="false"),
        api_error(429, "rate_limit_error", code="enforced_spend_limit_reached"),
        http(b"<html>"),
    ],
)
def test_what_stays_is_not_repeated(failure: Reply) -> None:
    with talking(failure, OK, retries=2) as (server, transport):
        with pytest.raises(ApiError):
            get(transport)
        assert len(server.seen) == 1


def test_backoff_doubles_has_full_jitter_and_a_cap_on_tries() -> None:
    time = FakeTime(jitter=0.5)
    with talking(api_error(500, "api_error"), retries=8, time=time) as (server, transport):
        with pytest.raises(ServerError):
            get(transport)
        assert len(server.seen) == 9
    assert time.slept == [0.25, 0.5, 1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize(
    ("header", "slept"), [("7", 7.0), ("0", 0.5), ("-3", 0.5), ("soon", 0.5), ("0.25", 0.5)]
)
def test_retry_after_is_a_minimum(header: str, slept: float) -> None:
    time = FakeTime()
    with talking(api_error(429, "rate_limit_error", Retry_After=header), OK, retries=1, time=time) as (
        _,
        transport,
    ):
        get(transport)
    assert time.slept == [slept]


def test_a_wait_beyond_our_patience_is_the_callers_to_decide() -> None:
    time = FakeTime()
    reply = api_error(429, "rate_limit_error", Retry_After=str(RETRY_BUDGET + 1))
    with talking(reply, retries=3, time=time) as (server, transport), pytest.raises(RateLimited) as caught:
        get(transport)
    assert caught.value.retry_after == RETRY_BUDGET + 1
    assert (len(server.seen), time.slept) == (1, [])


def test_the_waits_of_one_call_are_bounded_together() -> None:
    time = FakeTime()
    reply = api_error(529, "overloaded_error", Retry_After="100")
    with talking(reply, retries=99, time=time) as (_, transport), pytest.raises(ServerError):
        get(transport)
    assert time.slept == [100, 100, 100]


def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    with talking(Cut(OK), OK, retries=1) as (server, transport):
        get(transport)
        assert get(transport).value == {"ok": True}
        assert server.connections == 2


# ---- create's one POST ---------------------------------------------------------------------------


def test_a_body_is_streamed_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(50_000)))
    with talking(OK) as (server, transport):
        post(transport, path)
    seen = server.seen[0]
    assert "transfer-encoding" not in seen.headers
    assert int(seen.headers["content-length"]) == len(seen.body)
    assert [r["n"] for r in json.loads(seen.body)["requests"]] == list(range(50_000))


@pytest.mark.parametrize(
    ("reply", "sent"),
    [(Cut(b""), True), (Reset(), True), (Call(silent), True), (Cut(http({}, length=9)), True)],
)
def test_a_lost_answer_is_not_asked_for_again(reply: Reply, sent: bool, requests_file: Path) -> None:
    with talking(reply, retries=5) as (server, transport):
        with pytest.raises(ConnectionFailed) as caught:
            post(transport, requests_file)
        assert len(server.seen) == 1
    assert caught.value.sent is sent


@pytest.mark.parametrize(
    "reply", [api_error(500, "api_error"), api_error(429, "rate_limit_error", Retry_After="1")]
)
def test_a_refused_create_is_not_repeated(reply: Reply, requests_file: Path) -> None:
    with talking(reply, OK, retries=5) as (server, transport):
        with pytest.raises(ApiError):
            post(transport, requests_file)
        assert len(server.seen) == 1


def test_create_never_uses_a_kept_connection(requests_file: Path) -> None:
    with talking(OK) as (server, transport):
        get(transport)
        post(transport, requests_file)
        assert server.connections == 2


def test_an_early_refusal_of_a_large_body_is_heard(tmp_path: Path) -> None:
    """The server answers without reading; what it says must not be lost to the broken pipe."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b'{"a":"%s"}\n' % (b"x" * 5_000_000))
    answered = b"HTTP/1.1 413 Too Large\r\ncontent-length: 6\r\n\r\n<html>"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answered)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        thread = Thread(target=serve)
        thread.start()
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        time = FakeTime()
        transport = Transport(
            Endpoint(base, "k"),
            timeouts=QUICK,
            max_retries=0,
            clockwork=Clockwork(time.sleep, time.clock, time.rng),
        )
        with pytest.raises(ApiError) as caught:
            post(transport, path)
        thread.join(5)
    assert caught.value.status == 413


def test_a_tls_handshake_that_fails_sends_nothing(requests_file: Path) -> None:
    """A server that speaks no TLS: the body is never touched, so nothing can have been created."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Speak plainly\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        base = f"https://127.0.0.1:{listening.getsockname()[1]}"
        time = FakeTime()
        transport = Transport(
            Endpoint(base, "k"),
            timeouts=QUICK,
            max_retries=0,
            clockwork=Clockwork(time.sleep, time.clock, time.rng),
        )
        with pytest.raises(ConnectionFailed, match=": TLS failed: ") as caught:
            post(transport, requests_file)
        thread.join(5)
    assert not caught.value.sent


class BadDisk(Upload):
    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield b'{"requests":['
        raise ValueError("our own trouble while sending")


def test_trouble_of_our_own_while_sending_is_no_answer_of_the_servers(requests_file: Path) -> None:
    mine = pytest.raises(ValueError, match=r"^our own trouble while sending$")
    with talking(OK) as (_, transport), requests_file.open("rb") as handle, mine:
        transport.post_once("/v1/x", {}, BadDisk(handle, "requests"))


# ---- streams -------------------------------------------------------------------------------------


def streamed(transport: Transport) -> bytes:
    with transport.stream("/v1/x", {}) as pieces:
        return b"".join(pieces)


@pytest.mark.parametrize(
    "reply",
    [
        http(b"line\n" * 9),
        http(b"line\n" * 9, chunked=True),
        http(gzip.compress(b"line\n" * 9, mtime=0), content_encoding="gzip", chunked=True),
        http(b"line\n" * 9, content_encoding="identity"),
        Cut(b"HTTP/1.0 200 OK\r\n\r\n" + b"line\n" * 9),
    ],
)
def test_a_stream(reply: Reply) -> None:
    with talking(reply) as (_, transport):
        assert streamed(transport) == b"line\n" * 9


def test_a_stream_is_repeated_only_until_it_begins() -> None:
    cut = Cut(http(b"line\n", length=99))
    with talking(api_error(500, "api_error"), cut, http(b"all"), retries=3) as (server, transport):
        with pytest.raises(ConnectionFailed):
            streamed(transport)
        assert len(server.seen) == 2


def test_a_stream_that_is_refused() -> None:
    with talking(api_error(401, "authentication_error")) as (_, transport), pytest.raises(KeyRefused):
        streamed(transport)


def close_early(transport: Transport) -> None:
    with transport.stream("/v1/x", {}) as pieces:
        next(pieces)


def raise_inside(transport: Transport) -> None:
    with pytest.raises(LookupError), transport.stream("/v1/x", {}) as pieces:
        next(pieces)
        raise LookupError


@pytest.mark.parametrize("leave", [close_early, raise_inside])
def test_a_stream_left_early_gives_its_connection_back(leave: Callable[[Transport], None]) -> None:
    gone: list[bytes] = []

    def long(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nsome")
        gone.append(connection.recv(1))

    with talking(Call(long), timeouts=Timeouts(read=5)) as (_, transport):
        leave(transport)
    assert gone == [b""]


# ---- proxies -------------------------------------------------------------------------------------


def test_a_proxy_that_refuses_sees_no_key_and_no_body(requests_file: Path) -> None:
    time = FakeTime()
    with RawServer(Cut(b"HTTP/1.1 407 Who are you\r\n\r\n")) as proxy:
        transport = Transport(
            Endpoint("https://api.example", "sk-secret", proxies={"https": proxy.url}),
            timeouts=QUICK,
            max_retries=0,
            clockwork=Clockwork(time.sleep, time.clock, time.rng),
        )
        with pytest.raises(ConnectionFailed, match="407 Who are you") as caught:
            post(transport, requests_file)
    assert not caught.value.sent
    assert (proxy.seen[0].method, proxy.seen[0].path) == ("CONNECT", "api.example:443")
    assert "sk-secret" not in str(proxy.seen)
