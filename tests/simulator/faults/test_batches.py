"""Faults of what is told about batches, met over HTTP."""

from __future__ import annotations

from typing import Any

from tests.simulator.faults.faulty import Faulty
from tests.simulator.helpers import Client, entry, error_of


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


def test_a_status_that_goes_back(faulty: Faulty) -> None:
    with Client(faulty("faults: [{stale: true, skip: 1}]")) as client:
        created = client.create(entry("a"), entry("b"))
        seen = [client.batch(created["id"]) for _ in range(3)]
    assert [batch["processing_status"] for batch in seen] == ["ended", "in_progress", "ended"]
    assert seen[1] == created


def test_fields_and_counts_as_told(faulty: Faulty) -> None:
    text = """faults:
    - {on: [retrieve, list], fields: {processing_status: paused, expires_at: null}, times: 0}
    - {on: retrieve, counts: 1}
    - {on: retrieve, counts: {expired: many, succeeded: -1}, skip: 1}
    """
    with Client(faulty(text)) as client:
        batch_id = client.create(entry("a"))["id"]
        counts = [client.batch(batch_id)["request_counts"] for _ in range(3)]
        (listed,) = client.get().json()["data"]
    assert (listed["processing_status"], listed["expires_at"]) == ("paused", None)
    assert [(c["succeeded"], c["expired"]) for c in counts] == [(2, 0), (-1, "many"), (1, 0)]


def test_archived_before_its_time(faulty: Faulty) -> None:
    with Client(faulty("faults: [archived: true]")) as client:
        batch_id = client.create(entry("a"))["id"]
        batch = client.batch(batch_id)
        assert (batch["processing_status"], batch["results_url"]) == ("ended", None)
        assert batch["archived_at"] == batch["ended_at"]
        assert client.get(f"{batch_id}/results").status_code == 404


def test_a_list_that_says_it_is_whole(faulty: Faulty) -> None:
    with Client(faulty("faults: [{newest: 2, skip: 1}]")) as client:
        assert client.get().json()["first_id"] is None
        assert client.get().json() == {"data": [], "has_more": False, "first_id": None, "last_id": None}
        made = []
        for _ in range(3):
            made.append(client.create(entry("a"))["id"])
            faulty.clock.forward(1)
        page = client.get().json()
        assert [batch["id"] for batch in page["data"]] == [made[2], made[1]]
        assert (page["has_more"], page["first_id"], page["last_id"]) == (False, made[2], made[1])
        assert client.batch(made[0])["id"] == made[0]
