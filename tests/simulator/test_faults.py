"""Each fault, switched on in a scenario file and met over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from batchrun.simulator import Options, Scenario, Simulator
from tests.conftest import MakeSimulator
from tests.simulator.helpers import Client, Clock, entry, error_of, ledger

HOUR = 3600.0


class Faulty:
    """Makes simulators with the faults of one YAML text, all on the same state folder."""

    def __init__(self, make: MakeSimulator, folder: Path) -> None:
        self.make, self.state, self.clock = make, folder / "state", Clock()
        self.file = folder / "scenario.yaml"

    def __call__(self, text: str, *, process_seconds: float = 0) -> Simulator:
        self.file.write_text(text)
        options = Options(process_seconds=process_seconds, scenario=Scenario.load(self.file))
        return self.make(self.state, options=options, clock=self.clock)


@pytest.fixture
def faulty(make_simulator: MakeSimulator, tmp_path: Path) -> Faulty:
    return Faulty(make_simulator, tmp_path)


def accepted(faulty: Faulty) -> int:
    return len(ledger(faulty.state)) if (faulty.state / "ledger.jsonl").exists() else 0


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


def test_accepted_but_no_reply(faulty: Faulty) -> None:
    with Client(faulty("faults: [{accept_then: reset}]")) as client:
        with pytest.raises(requests.ConnectionError):
            client.post({"requests": [entry("a")]})
        assert accepted(faulty) == 1
        (batch,) = client.get().json()["data"]
        assert set(client.results(batch["id"])) == {"a"}


def test_accepted_but_an_error_in_reply(faulty: Faulty) -> None:
    with Client(faulty("faults: [{accept_then: 500}]")) as client:
        reply = client.post({"requests": [entry("a")]})
    assert error_of(reply) == (500, "api_error", "Scripted by the scenario")
    assert accepted(faulty) == 1


def test_what_is_refused_anyway_is_not_accepted(faulty: Faulty) -> None:
    with Client(faulty("faults: [{accept_then: 500}]")) as client:
        assert client.post({"requests": []}).status_code == 400
    assert accepted(faulty) == 0


@pytest.mark.parametrize("when", ["before_body", "after_body"])
def test_the_connection_breaks_and_nothing_was_done(faulty: Faulty, when: str) -> None:
    with Client(faulty(f"faults: [{{on: create, reset: {when}}}]")) as client:
        with pytest.raises(requests.ConnectionError):
            client.post({"requests": [entry("a", "x" * 3_000_000)]})
        assert accepted(faulty) == 0
        client.create(entry("a"))
    assert accepted(faulty) == 1


def test_list_lags_behind_create(faulty: Faulty) -> None:
    with Client(faulty("faults: [{lag: 5}]")) as client:
        old = client.create(entry("a"))["id"]
        faulty.clock.forward(6)
        new = client.create(entry("a"))["id"]

        def listed(**query: Any) -> list[str]:
            return [batch["id"] for batch in client.get(**query).json()["data"]]

        assert listed() == listed(limit=1) == [old]
        assert client.batch(new)["id"] == new
        faulty.clock.forward(5)
        assert listed() == [new, old]


def test_a_batch_that_flaps(faulty: Faulty) -> None:
    with Client(faulty("faults: [{on: retrieve, not_found: true, times: 2, per_batch: true}]")) as client:
        first, second = (client.create(entry("a"))["id"] for _ in range(2))
        assert [client.get(first).status_code for _ in range(3)] == [404, 404, 200]
        assert error_of(client.get(second)) == (
            404,
            "not_found_error",
            f"Message Batch {second} not found.",
        )


def test_results_that_hide(faulty: Faulty) -> None:
    with Client(faulty("faults: [{on: results, not_found: true, times: 2}]")) as client:
        batch_id = client.create(entry("a"))["id"]
        for _ in range(2):
            reply = client.get(f"{batch_id}/results")
            message = f"Message Batch {batch_id} has no available results."
            assert error_of(reply) == (404, "not_found_error", message)
            assert reply.headers["x-should-retry"] == "false"
        assert set(client.results(batch_id)) == {"a"}


def test_a_queue_that_is_full(faulty: Faulty) -> None:
    with Client(faulty("faults: [{queue: {limit: 5, retry_after: 17}}]", process_seconds=HOUR)) as client:
        client.create(*(entry(f"r{n}") for n in range(3)))
        body = {"requests": [entry(f"r{n}") for n in range(3)]}
        reply = client.post(body)
        assert error_of(reply) == (429, "rate_limit_error", "The queue holds 5 requests and is full")
        assert reply.headers["retry-after"] == "17"
        faulty.clock.forward(HOUR / 2)
        assert client.post(body).status_code == 200
        assert client.post(body).status_code == 429
        faulty.clock.forward(HOUR)
        assert client.post(body).status_code == 200


def whole_results(faulty: Faulty) -> tuple[str, bytes]:
    with Client(faulty("{}")) as client:
        batch_id = client.create(entry("a"), entry("b"))["id"]
        return batch_id, client.get(f"{batch_id}/results").content


@pytest.mark.parametrize(("cut", "kept"), [("100", slice(100)), ("-5", slice(-5)), ("0", slice(0))])
def test_results_cut_clean(faulty: Faulty, cut: str, kept: slice) -> None:
    batch_id, whole = whole_results(faulty)
    with Client(faulty(f"faults: [{{cut: {cut}}}]")) as client:
        assert client.get(f"{batch_id}/results").content == whole[kept]
        assert client.get(f"{batch_id}/results").content == whole


def test_results_torn_off(faulty: Faulty) -> None:
    batch_id, _ = whole_results(faulty)
    with (
        Client(faulty("faults: [{cut: {bytes: 100, end: torn}}]")) as client,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        client.get(f"{batch_id}/results")


def test_counting_goes_on_over_a_restart_until_the_fault_is_changed(faulty: Faulty) -> None:
    def codes(text: str) -> list[int]:
        with Client(faulty(text)) as client:
            return [client.get().status_code for _ in range(2)]

    text = "faults: [{on: list, status: 500, times: 3}]"
    assert [codes(text), codes(text)] == [[500, 500], [500, 200]]
    assert codes(text.replace("500", "502")) == [502, 502]


def test_the_first_fault_is_the_outermost(faulty: Faulty) -> None:
    text = "faults: [{on: create, status: 503}, {accept_then: reset, times: 0}]"
    with Client(faulty(text)) as client:
        assert client.post({"requests": [entry("a")]}).status_code == 503
        assert accepted(faulty) == 0
        with pytest.raises(requests.ConnectionError):
            client.post({"requests": [entry("a")]})
    assert accepted(faulty) == 1
