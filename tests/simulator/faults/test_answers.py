"""Faults of answers, met over HTTP."""

from __future__ import annotations

import pytest
import requests

from tests.simulator.faults.faulty import Faulty, accepted
from tests.simulator.helpers import Client, entry, error_of


def test_a_status_in_place_of_the_call(faulty: Faulty) -> None:
    with Client(faulty("faults: [{on: create, status: 529, skip: 1, times: 2}]")) as client:
        codes = [client.post({"requests": [entry("a")]}).status_code for _ in range(5)]
    assert codes == [200, 529, 529, 200, 200]
    assert accepted(faulty) == 3


@pytest.mark.parametrize(
    ("told", "answer", "headers"),
    [
        ("429", (429, "rate_limit_error", "Scripted by the scenario"), {}),
        (
            "{code: 429, headers: {Retry-After: 17}, error: {message: Slow down}}",
            (429, "rate_limit_error", "Slow down"),
            {"retry-after": "17"},
        ),
        ("{code: 500, error: {type: odd_error}}", (500, "odd_error", "Scripted by the scenario"), {}),
    ],
)
def test_what_a_status_says(
    faulty: Faulty, told: str, answer: tuple[int, str, str], headers: dict[str, str]
) -> None:
    with Client(faulty(f"faults: [{{on: list, status: {told}}}]")) as client:
        reply = client.get()
    assert error_of(reply) == answer
    assert reply.headers["request-id"] == reply.json()["request_id"]
    assert headers.items() <= dict(reply.headers).items()


def test_a_spend_limit(faulty: Faulty) -> None:
    text = "faults: [{on: create, status: {code: 429, error: {code: enforced_spend_limit_reached}}}]"
    with Client(faulty(text)) as client:
        error = client.post({"requests": [entry("a")]}).json()["error"]
    assert error["details"] == {"error_code": "enforced_spend_limit_reached"}


@pytest.mark.parametrize(
    ("told", "kind", "content"),
    [
        (
            "{code: 413, body: '<html>', headers: {content-type: text/html}}",
            "text/html",
            b"<html>",
        ),
        ("{code: 200, body: {type: message_batch}}", "application/json", b'{"type":"message_batch"}'),
        ("{code: 200, body: ''}", "application/json", b""),
        ("{code: 204, body: ''}", "application/json", b""),
    ],
)
def test_a_body_of_ones_own(faulty: Faulty, told: str, kind: str, content: bytes) -> None:
    with Client(faulty(f"faults: [{{on: create, status: {told}}}]")) as client:
        reply = client.post({"requests": [entry("a")]})
    assert (reply.content, reply.headers["content-type"]) == (content, kind)
    assert accepted(faulty) == 0


@pytest.mark.parametrize("large", [False, True])
def test_a_status_reaches_a_client_that_sends_much(faulty: Faulty, large: bool) -> None:
    text = "x" * (20_000_000 if large else 10)
    with Client(faulty("faults: [{on: create, status: 503}]")) as client:
        assert client.post({"requests": [entry("a", text)]}).status_code == 503


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("list", b"[]"),
        ("string", b'"ok"'),
        ("number", b"7"),
        ("none", b"null"),
        ("object", b"{}"),
        ("empty", b""),
    ],
)
@pytest.mark.parametrize("performed", [True, False])
def test_another_form_in_place_of_the_answer(
    faulty: Faulty, form: str, content: bytes, performed: bool
) -> None:
    action = f"garble: {form}" if performed else f"status: {{code: 200, form: {form}}}"
    with Client(faulty(f"faults: [{{create: {{{action}}}}}]")) as client:
        reply = client.post({"requests": [entry("a")]})
    assert (reply.status_code, reply.content) == (200, content)
    assert accepted(faulty) == performed


def test_an_answer_that_is_cut(faulty: Faulty) -> None:
    with Client(faulty("faults: [{garble: truncated, on: list}]")) as client:
        cut, whole = client.get().content, client.get().content
    assert cut == whole[: len(whole) // 2]


def test_a_proxys_page(faulty: Faulty) -> None:
    with Client(faulty("faults: [{list: {status: {code: 413, form: html}}}]")) as client:
        reply = client.get()
    assert (reply.status_code, reply.headers["content-type"]) == (413, "text/html; charset=UTF-8")
    assert "<h1>413</h1>" in reply.text


@pytest.mark.parametrize("code", [201, 204])
def test_the_answer_under_another_status(faulty: Faulty, code: int) -> None:
    with Client(faulty(f"faults: [{{create: {{garble: {{code: {code}}}}}}}]")) as client:
        assert client.post({"requests": [entry("a")]}).status_code == code
    assert accepted(faulty) == 1


def test_huge_answers(faulty: Faulty) -> None:
    size = 3_000_000
    text = f"""faults:
    - retrieve: {{garble: {{form: huge, bytes: {size}}}}}
    - retrieve: {{garble: {{form: bomb, bytes: {size}}}, skip: 1}}
    - retrieve: {{garble: huge_header, skip: 2}}
    - retrieve: {{garble: many_headers, skip: 3}}
    """
    simulator = faulty(text)
    with Client(simulator) as client:
        batch_id = client.create(entry("a"))["id"]
        assert len(client.get(batch_id).json()["padding"]) == size
        bomb = client.get(batch_id)
        assert bomb.headers["content-encoding"] == "gzip"
        assert size <= len(bomb.content) < size + (1 << 20)
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):  # more than http.client takes
                client.get(batch_id)
        assert client.batch(batch_id)["id"] == batch_id


def test_headers_that_come_and_go(faulty: Faulty) -> None:
    text = "faults: [{list: {headers: {Date: null, content-type: text/plain, retry-after: -5, x-more: 1}}}]"
    with Client(faulty(text)) as client:
        reply = client.get()
    assert (reply.status_code, reply.json()["data"]) == (200, [])
    assert "date" not in reply.headers
    expected = {"content-type": "text/plain", "retry-after": "-5", "x-more": "1"}
    assert expected.items() <= {k.lower(): v for k, v in reply.headers.items()}.items()


@pytest.mark.parametrize(
    ("to", "code", "location"),
    [
        ("self", 307, "{base}"),
        ("loop", 302, "{base}?hop=1"),
        ("'https://elsewhere.example/x'", 308, "https://elsewhere.example/x"),
    ],
)
def test_redirects(faulty: Faulty, to: str, code: int, location: str) -> None:
    with Client(
        faulty(f"faults: [{{create: {{redirect: {{to: {to}, code: {code}}}, times: 0}}}}]")
    ) as client:
        reply = client.http.post(client.base, json={}, allow_redirects=False, timeout=30)
        assert (reply.status_code, reply.headers["location"]) == (code, location.format(base=client.base))
        if to == "loop":
            again = client.http.post(reply.headers["location"], json={}, allow_redirects=False, timeout=30)
            assert again.headers["location"] == f"{client.base}?hop=2"
    assert accepted(faulty) == 0
