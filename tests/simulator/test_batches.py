from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchrun.simulator import Options
from batchrun.simulator.record import DAY
from tests.conftest import MakeSimulator
from tests.simulator.helpers import Client, Clock, entry, error_of, ledger

HOUR = 3600.0
SLOW = Options(process_seconds=HOUR, cancel_seconds=60, retry_after=10)
FIVE = [entry(f"r{n}") for n in range(5)]
NEVER = "msgbatch_01NoSuchBatch"


def test_a_batch_runs_and_ends_by_the_clock(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    with Client(make_simulator(options=SLOW, clock=clock)) as client:
        batch = client.create(*FIVE)
        clock.forward(HOUR - 1)
        assert client.batch(batch["id"]) == batch
        assert client.get(batch["id"]).headers["retry-after"] == "10"
        clock.forward(1)
        ended = client.batch(batch["id"])
        assert ended["processing_status"] == "ended"
        assert ended["request_counts"] == {
            "processing": 0,
            "succeeded": 5,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        }
        assert ended["ended_at"] == "2026-11-18T12:06:40.000000+00:00"
        assert ended["results_url"] == f"{client.base}/{batch['id']}/results"
        assert "retry-after" not in client.get(batch["id"]).headers
        assert set(client.results(batch["id"])) == {"r0", "r1", "r2", "r3", "r4"}


def test_a_new_batch_is_in_progress_even_when_it_takes_no_time(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator()) as client:
        batch = client.create(*FIVE)
        assert batch["processing_status"] == "in_progress"
        assert batch["request_counts"]["processing"] == 5
        assert client.batch(batch["id"])["processing_status"] == "ended"


def test_cancel_keeps_what_was_done(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    with Client(make_simulator(options=SLOW, clock=clock)) as client:
        batch = client.create(*FIVE)
        clock.forward(0.45 * HOUR)
        canceling = client.cancel(batch["id"]).json()
        assert canceling["processing_status"] == "canceling"
        assert canceling["cancel_initiated_at"] == "2026-11-18T11:33:40.000000+00:00"
        assert canceling["request_counts"]["processing"] == 5
        clock.forward(59)
        assert client.cancel(batch["id"]).json() == canceling
        assert client.batch(batch["id"]) == canceling
        clock.forward(1)
        assert client.batch(batch["id"])["request_counts"] == {
            "processing": 0,
            "succeeded": 2,
            "errored": 0,
            "canceled": 3,
            "expired": 0,
        }
        kinds = {custom_id: result["type"] for custom_id, result in client.results(batch["id"]).items()}
        assert kinds == {
            "r0": "succeeded",
            "r1": "succeeded",
            "r2": "canceled",
            "r3": "canceled",
            "r4": "canceled",
        }


def test_cancel_after_the_end_is_refused(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator()) as client:
        batch = client.create(*FIVE)
        message = f"Message Batch {batch['id']} has already ended and cannot be canceled."
        assert error_of(client.cancel(batch["id"])) == (400, "invalid_request_error", message)


def test_after_a_day_the_rest_expires(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    options = Options(process_seconds=2 * DAY, retry_after=None)
    with Client(make_simulator(options=options, clock=clock)) as client:
        batch = client.create(*FIVE)
        clock.forward(DAY)
        ended = client.batch(batch["id"])
        assert ended["ended_at"] == ended["expires_at"]
        assert ended["request_counts"] == {
            "processing": 0,
            "succeeded": 2,
            "errored": 0,
            "canceled": 0,
            "expired": 3,
        }
        assert client.results(batch["id"])["r4"] == {"type": "expired"}


def test_a_batch_that_never_gets_anywhere(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    options = Options(process_seconds=float("inf"), retry_after=None)
    with Client(make_simulator(options=options, clock=clock)) as client:
        batch = client.create(*FIVE)
        clock.forward(DAY)
        assert client.batch(batch["id"])["request_counts"]["expired"] == 5


def test_results_are_kept_29_days(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    with Client(make_simulator(options=SLOW, clock=clock)) as client:
        batch = client.create(*FIVE)
        clock.forward(29 * DAY - 1)
        assert client.batch(batch["id"])["archived_at"] is None
        assert len(client.results(batch["id"])) == 5
        clock.forward(1)
        assert client.batch(batch["id"])["archived_at"] == "2026-12-17T11:06:40.000000+00:00"
        message = f"Message Batch {batch['id']} has no available results."
        assert error_of(client.get(f"{batch['id']}/results")) == (404, "not_found_error", message)


def test_results_asked_for_too_early(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator(options=SLOW)) as client:
        batch = client.create(*FIVE)
        reply = client.get(f"{batch['id']}/results")
        message = f"Message Batch {batch['id']} has no available results."
        assert error_of(reply) == (404, "not_found_error", message)
        assert reply.headers["x-should-retry"] == "false"


def test_delete(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    clock = Clock()
    with Client(make_simulator(tmp_path, options=SLOW, clock=clock)) as client:
        batch = client.create(*FIVE)
        message = "In progress batches cannot be deleted. Consider canceling the batch instead."
        assert error_of(client.delete(batch["id"])) == (400, "invalid_request_error", message)
        clock.forward(HOUR)
        assert client.delete(batch["id"]).json() == {"id": batch["id"], "type": "message_batch_deleted"}
        gone = (404, "not_found_error", f"Message Batch {batch['id']} not found.")
        assert error_of(client.get(batch["id"])) == gone
        assert error_of(client.get(f"{batch['id']}/results")) == gone
        assert error_of(client.cancel(batch["id"])) == gone
        assert error_of(client.delete(batch["id"])) == gone
        assert client.get().json() == {"data": [], "has_more": False, "first_id": None, "last_id": None}
        assert [line["id"] for line in ledger(tmp_path)] == [batch["id"]]


def test_an_unknown_batch(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator()) as client:
        assert error_of(client.get(NEVER)) == (404, "not_found_error", f"Message Batch {NEVER} not found.")
        assert client.get("..%2F..").status_code == 404


def test_the_ledger(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    clock = Clock()
    with Client(make_simulator(tmp_path, clock=clock)) as client:
        body = b'{"requests":[{"custom_id":"a","params":{}},{"custom_id":"b","params":{}}]}'
        batch = client.post(body).json()
        assert client.post(b"{}").status_code == 400
        assert ledger(tmp_path) == [
            {
                "id": batch["id"],
                "created_at": "2026-11-18T11:06:40.000000+00:00",
                "requests": 2,
                "bytes": len(body),
                "body_sha256": "f1472681daa90438c2d1f378c66a630ace88b09057a59ff8b97207c9c3c8df13",
                "first_custom_id": "a",
                "last_custom_id": "b",
            }
        ]


@pytest.fixture
def seven(make_simulator: MakeSimulator) -> tuple[Client, list[str]]:
    """A client, and the ids of seven batches, newest first."""
    client = Client(make_simulator())
    return client, [client.create(entry("a"))["id"] for _ in range(7)][::-1]


@pytest.mark.parametrize(
    ("query", "places", "has_more"),
    [
        ({}, range(7), False),
        ({"limit": 3}, range(3), True),
        ({"limit": 7}, range(7), False),
        ({"limit": 3, "after_id": 2}, range(3, 6), True),
        ({"limit": 3, "after_id": 5}, range(6, 7), False),
        ({"limit": 3, "after_id": 6}, range(0), False),
        ({"limit": 3, "before_id": 6}, range(3, 6), True),
        ({"limit": 3, "before_id": 3}, range(3), False),
        ({"limit": 3, "before_id": 2}, range(2), False),
        ({"limit": 3, "before_id": 0}, range(0), False),
    ],
)
def test_pages_in_both_directions(
    seven: tuple[Client, list[str]], query: dict[str, int], places: range, has_more: bool
) -> None:
    client, ids = seven
    with client:
        asked: dict[str, Any] = {
            name: ids[value] if name.endswith("_id") else value for name, value in query.items()
        }
        page = client.get(**asked).json()
    wanted = [ids[place] for place in places]
    assert [batch["id"] for batch in page["data"]] == wanted
    assert page["has_more"] is has_more
    assert (page["first_id"], page["last_id"]) == ((wanted[0], wanted[-1]) if wanted else (None, None))


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"limit": "0"}, (400, "invalid_request_error", "limit: Input should be greater than or equal to 1")),
        (
            {"limit": "1001"},
            (400, "invalid_request_error", "limit: Input should be less than or equal to 1000"),
        ),
        (
            {"limit": "x"},
            (
                400,
                "invalid_request_error",
                "limit: Input should be a valid integer, unable to parse string as an integer",
            ),
        ),
        (
            {"after_id": "a", "before_id": "b"},
            (400, "invalid_request_error", "after_id and before_id cannot be used together"),
        ),
        ({"after_id": NEVER}, (404, "not_found_error", f"Message Batch {NEVER} not found.")),
    ],
)
def test_lists_that_cannot_be(
    make_simulator: MakeSimulator, query: dict[str, str], answer: tuple[int, str, str]
) -> None:
    with Client(make_simulator()) as client:
        assert error_of(client.get(**query)) == answer


def test_counts_that_move(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    options = Options(process_seconds=HOUR, cancel_seconds=60, partial_counts=True, retry_after=None)
    with Client(make_simulator(options=options, clock=clock)) as client:
        batch = client.create(*FIVE[:3], entry("bad", max_tokens=0), entry("last"))
        seen = []
        for _ in range(5):
            counts = client.batch(batch["id"])["request_counts"]
            seen.append((counts["processing"], counts["succeeded"], counts["errored"]))
            clock.forward(HOUR / 5 - 0.01)
        client.cancel(batch["id"])
        clock.forward(60)
        assert seen == [(5, 0, 0), (5, 0, 0), (4, 1, 0), (3, 2, 0), (2, 3, 0)]
        assert client.batch(batch["id"])["request_counts"] == {
            "processing": 0,
            "succeeded": 3,
            "errored": 1,
            "canceled": 1,
            "expired": 0,
        }
        kinds = {custom_id: result["type"] for custom_id, result in client.results(batch["id"]).items()}
        assert kinds == {
            "r0": "succeeded",
            "r1": "succeeded",
            "r2": "succeeded",
            "bad": "errored",
            "last": "canceled",
        }
