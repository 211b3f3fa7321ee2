"""The neighbouring endpoints; the batch calls are in test_batches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from batchrun.cost.models import as_of
from batchrun.simulator import Simulator, catalog
from tests.conftest import FAST, MakeSimulator
from tests.simulator.helpers import Client, Clock, error_of, params


def count(client: Client, body: Any) -> Any:
    return client.http.post(f"{client.url}/v1/messages/count_tokens", json=body, timeout=10)


def countable(**more: Any) -> dict[str, Any]:
    return {name: value for name, value in params(**more).items() if name != "max_tokens"}


def test_count_tokens(simulator: Simulator) -> None:
    with Client(simulator) as client:
        assert count(client, countable()).json() == {"input_tokens": 8}
        assert count(client, countable(model="claude-haiku-5-5")).json() == {"input_tokens": 9}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (params(), (400, "invalid_request_error", "max_tokens: Extra inputs are not permitted")),
        (countable(model="gpt"), (404, "not_found_error", "model: gpt")),
        ({"model": "claude-opus-5"}, (400, "invalid_request_error", "messages: Field required")),
        ([], (400, "invalid_request_error", "Input should be a valid dictionary")),
    ],
)
def test_what_cannot_be_counted(simulator: Simulator, body: Any, answer: tuple[int, str, str]) -> None:
    with Client(simulator) as client:
        assert error_of(count(client, body)) == answer


def test_counting_takes_json(simulator: Simulator) -> None:
    with Client(simulator) as client:
        reply = client.http.post(f"{client.url}/v1/messages/count_tokens", data=b"{", timeout=10)
    status, _, message = error_of(reply)
    assert (status, message.partition(":")[0]) == (400, "The request body is not valid JSON")


def models(client: Client, **query: Any) -> Any:
    return client.http.get(f"{client.url}/v1/models", params=query, timeout=10).json()


def test_models_in_pages(make_simulator: MakeSimulator) -> None:
    simulator = make_simulator(options=replace(FAST, today=date(2026, 11, 22)))
    with Client(simulator) as client:
        ids = [model["id"] for model in models(client, limit=1000)["data"]]
        assert "claude-haiku-4-5-20251001" in ids
        assert "claude-mythos-preview" not in ids
        page = models(client, limit=2)
        assert ([model["id"] for model in page["data"]], page["has_more"]) == (ids[:2], True)
        after = models(client, limit=2, after_id=ids[1])
        assert [model["id"] for model in after["data"]] == ids[2:4]
        before = models(client, limit=2, before_id=ids[3])
        assert ([model["id"] for model in before["data"]], before["has_more"]) == (ids[1:3], True)
        retired = models(client, **{"lifecycle[]": "retired"})["data"]
        assert [model["id"] for model in retired] == ["claude-mythos-preview"]


def test_models_do_not_retire_by_the_clock(make_simulator: MakeSimulator) -> None:
    ends = next(m for m in catalog.listed() if m.retires and m.retires > as_of())
    assert ends.retires is not None
    late = Clock(datetime(2200, 1, 1, tzinfo=UTC).timestamp())
    for today, retired in ((as_of(), False), (ends.retires - timedelta(1), False), (ends.retires, True)):
        simulator = make_simulator(options=replace(FAST, today=today), clock=late)
        with Client(simulator) as client:
            shown = client.http.get(f"{client.url}/v1/models/{ends.id}", timeout=10).json()
            assert (shown["lifecycle"] == "retired") is retired
            batch = client.create({"custom_id": "a", "params": params(model=ends.id)})
            kind = client.results(batch["id"])["a"]["type"]
            assert kind == ("errored" if retired else "succeeded")
    assert FAST.today == as_of()


def test_one_model(simulator: Simulator) -> None:
    with Client(simulator) as client:
        reply = client.http.get(f"{client.url}/v1/models/claude-opus-4-5", timeout=10)
        assert reply.json()["id"] == "claude-opus-4-5-20251101"
        reply = client.http.get(f"{client.url}/v1/models/gpt", timeout=10)
        assert error_of(reply) == (404, "not_found_error", "model: gpt")
