"""HTTP as such, over sockets where a client library would hide what matters."""

from __future__ import annotations

import gzip
import re
import socket
from collections.abc import Iterator

import orjson
import pytest

from batchrun.simulator import Options, Simulator
from tests.conftest import FAST, MakeSimulator
from tests.simulator.helpers import VERSIONS, Client, Clock, entry, error_of

HEADERS = "host: simulator.local:99\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
BODY = orjson.dumps({"requests": [entry("a")]})


@pytest.fixture
def wire(simulator: Simulator) -> Iterator[socket.socket]:
    port = int(simulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def reply_to(wire: socket.socket, data: bytes) -> tuple[str, dict[str, str], bytes]:
    """Status line, headers and body of the next reply; the body by its content-length."""
    wire.sendall(data)
    return read_reply(wire)


def read_reply(wire: socket.socket) -> tuple[str, dict[str, str], bytes]:
    held = b""
    while b"\r\n\r\n" not in held:
        more = wire.recv(65536)
        assert more, held
        held += more
    head, _, body = held.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(headers.get("content-length", 0)):
        body += wire.recv(65536)
    return status, headers, body


def post(body: bytes, more: str = "") -> bytes:
    head = f"POST /v1/messages/batches HTTP/1.1\r\n{HEADERS}content-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("credential", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
def test_either_credential_and_version_will_do(
    simulator: Simulator, version: str, credential: dict[str, str]
) -> None:
    with Client(simulator, version=version) as client:
        del client.http.headers["x-api-key"]
        client.http.headers.update(credential)
        assert client.get().status_code == 200


@pytest.mark.parametrize("credential", [{}, {"x-api-key": ""}, {"authorization": "Basic k"}])
def test_no_credential(simulator: Simulator, credential: dict[str, str]) -> None:
    with Client(simulator) as client:
        del client.http.headers["x-api-key"]
        client.http.headers.update(credential)
        assert error_of(client.get()) == (401, "authentication_error", "API key is invalid.")


def test_only_certain_keys(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator(options=Options(api_keys=frozenset({"good"})))) as client:
        assert client.get().status_code == 401
        client.http.headers["x-api-key"] = "good"
        assert client.get().status_code == 200
    assert "good" not in repr(Options(api_keys=frozenset({"good"})))


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, "anthropic-version: header is required"),
        ("2024-01-01", 'anthropic-version: "2024-01-01" is not a valid version'),
    ],
)
def test_the_version_is_required(simulator: Simulator, version: str | None, message: str) -> None:
    with Client(simulator) as client:
        del client.http.headers["anthropic-version"]
        if version:
            client.http.headers["anthropic-version"] = version
        assert error_of(client.get()) == (400, "invalid_request_error", message)


def test_headers_of_every_answer(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator(clock=Clock())) as client:
        for reply in (client.get(), client.get("nothing"), client.http.get(client.url + "/nothing")):
            assert re.fullmatch(r"req_01[1-9A-HJ-NP-Za-km-z]{22}", reply.headers["request-id"])
            assert reply.json().get("request_id", reply.headers["request-id"]) == reply.headers["request-id"]
            assert reply.headers["content-type"] == "application/json"
            assert reply.headers["anthropic-organization-id"]
            assert reply.headers["anthropic-workspace-id"].startswith("wrkspc_01")
            assert reply.headers["anthropic-ratelimit-requests-limit"] == "4000"
            assert reply.headers["anthropic-ratelimit-requests-remaining"] == "3999"
            assert reply.headers["anthropic-ratelimit-requests-reset"] == "2026-11-18T11:06:40.000000+00:00"
            assert reply.headers["date"] == "Wed, 18 Nov 2026 11:06:40 GMT"


def test_results_go_out_as_the_service_sends_them(simulator: Simulator) -> None:
    with Client(simulator) as client:
        batch_id = client.create(*(entry(f"r{n}") for n in range(20)))["id"]
        reply = client.get(f"{batch_id}/results")
        assert reply.headers["content-type"] == "application/x-jsonl"
        assert reply.headers["content-disposition"] == f'attachment; filename="{batch_id}_results.jsonl"'
        assert reply.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in reply.headers
        assert not reply.content.endswith(b"\n")
        ids = [orjson.loads(line)["custom_id"] for line in reply.content.split(b"\n")]
        assert sorted(ids) == sorted(f"r{n}" for n in range(20))
        assert ids != [f"r{n}" for n in range(20)]
        assert client.get(f"{batch_id}/results").content == reply.content


def test_a_connection_is_kept(wire: socket.socket) -> None:
    for _ in range(3):
        status, headers, body = reply_to(wire, post(BODY))
        assert status == "HTTP/1.1 200 OK"
        assert "connection" not in headers
        batch = orjson.loads(body)
        get = f"GET /v1/messages/batches/{batch['id']} HTTP/1.1\r\n{HEADERS}\r\n"
        shown = orjson.loads(reply_to(wire, get.encode())[2])
        own = f"http://simulator.local:99/v1/messages/batches/{batch['id']}/results"
        assert shown["results_url"] == own


def test_a_body_in_chunks(wire: socket.socket) -> None:
    head = f"POST /v1/messages/batches HTTP/1.1\r\n{HEADERS}transfer-encoding: chunked\r\n\r\n"
    pieces = [BODY[:10], BODY[10:11], BODY[11:]]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    assert reply_to(wire, head.encode() + chunks + b"0\r\ntrailer: x\r\n\r\n")[0] == "HTTP/1.1 200 OK"
    assert reply_to(wire, post(BODY))[0] == "HTTP/1.1 200 OK"


def test_a_client_that_asks_before_it_sends(wire: socket.socket) -> None:
    request = post(BODY, "expect: 100-continue\r\n")
    assert reply_to(wire, request[: -len(BODY)])[0] == "HTTP/1.1 100 Continue"
    assert reply_to(wire, BODY)[0] == "HTTP/1.1 200 OK"


def test_a_client_that_asks_to_send_too_much(make_simulator: MakeSimulator) -> None:
    simulator = make_simulator(options=Options(max_body=1000))
    port = int(simulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        status, headers, _ = reply_to(wire, post(b"x" * 1001, "expect: 100-continue\r\n")[:-1001])
        assert (status, headers["connection"]) == ("HTTP/1.1 413 Request Entity Too Large", "close")
        assert wire.recv(1) == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large(make_simulator: MakeSimulator, chunked: bool) -> None:
    size = 3_000_000
    with Client(make_simulator(options=Options(max_body=size - 1))) as client:
        data = b"x" * size
        body = iter([data[: size // 2], data[size // 2 :]]) if chunked else data
        reply = client.http.post(client.base, data=body, timeout=30)
        message = f"Request exceeds the maximum size of {size - 1} bytes"
        assert error_of(reply) == (413, "request_too_large", message)


def test_a_body_packed_in_some_way(simulator: Simulator) -> None:
    with Client(simulator) as client:
        reply = client.post(gzip.compress(BODY), **{"content-encoding": "gzip"})
        assert error_of(reply) == (
            400,
            "invalid_request_error",
            "The Content-Encoding gzip is not supported",
        )
        assert reply.json()["error"]["details"] == {"error_code": "request_body_encoding_unsupported"}


def test_half_a_body_makes_no_batch(simulator: Simulator, wire: socket.socket) -> None:
    wire.sendall(post(BODY)[:-10])
    wire.shutdown(socket.SHUT_WR)
    assert wire.recv(1) == b""
    with Client(simulator) as client:
        assert client.get().json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/", (404, "not_found_error", "Not found")),
        ("GET", "/v1/messages/batches/a/b", (404, "not_found_error", "Not found")),
        ("PUT", "/v1/messages/batches", (405, "invalid_request_error", "Method Not Allowed")),
        ("GET", "/v1/messages/batches/x/cancel", (405, "invalid_request_error", "Method Not Allowed")),
        ("OPTIONS", "/v1", (501, "api_error", "Unsupported method ('OPTIONS')")),
    ],
)
def test_calls_there_are_not(
    simulator: Simulator, method: str, path: str, answer: tuple[int, str, str]
) -> None:
    with Client(simulator) as client:
        assert error_of(client.http.request(method, client.url + path, timeout=10)) == answer


def test_what_is_no_http(wire: socket.socket) -> None:
    _, headers, body = reply_to(wire, b"hello there friend\r\n\r\n")
    assert orjson.loads(body)["type"] == "error"
    assert headers["connection"] == "close"


def test_a_foreign_results_url(make_simulator: MakeSimulator) -> None:
    options = Options(process_seconds=0, foreign_results_url="https://elsewhere.example")
    with Client(make_simulator(options=options)) as client:
        batch_id = client.create(entry("a"))["id"]
        url = client.batch(batch_id)["results_url"]
        assert url == f"https://elsewhere.example/v1/messages/batches/{batch_id}/results"


def test_stopping_drops_open_connections(simulator: Simulator, wire: socket.socket) -> None:
    assert reply_to(wire, post(BODY))[0] == "HTTP/1.1 200 OK"
    simulator.stop()
    assert wire.recv(1) == b""
    assert simulator.options == FAST
