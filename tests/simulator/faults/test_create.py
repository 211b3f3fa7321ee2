"""Faults of create, met over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import requests

from tests.simulator.faults.faulty import HOUR, Faulty, accepted
from tests.simulator.helpers import Client, entry, error_of, ledger


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


def test_strangers_come_before_and_after(faulty: Faulty) -> None:
    text = "faults: [{strangers: {requests: 2, before: 1, after: 2}}]"
    with Client(faulty(text)) as client:
        ours = client.create(entry("a"), entry("b"))["id"]
        listed = [batch["id"] for batch in client.get().json()["data"]]
        assert listed.index(ours) == 2
        assert [batch["request_counts"]["succeeded"] for batch in client.get().json()["data"]] == [2] * 4
        assert set(client.results(listed[0])) == {"stranger-0", "stranger-1"}
    assert [entry["first_custom_id"] for entry in ledger(faulty.state)] == [
        "stranger-0",
        "a",
        "stranger-0",
        "stranger-0",
    ]


def test_a_server_whose_clock_is_behind(faulty: Faulty) -> None:
    with Client(faulty("faults: [{skew: -5, skip: 1}]")) as client:
        first, second = (client.create(entry("a"))["created_at"] for _ in range(2))
    assert datetime.fromisoformat(first) - datetime.fromisoformat(second) == timedelta(seconds=5)
