from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchrun.client.batches import BatchesClient
from batchrun.client.transport import Timeouts
from batchrun.errors import (
    ApiError,
    BillingStopped,
    ConnectionFailed,
    DataError,
    DiskError,
    IncompleteResults,
    KeyRefused,
    NotFound,
)
from batchrun.providers.anthropic import Anthropic
from batchrun.providers.base import Baseline, OutcomeUnknown, Provider, ProviderError, Rejected, TryLater
from batchrun.simulator import Options
from tests.conftest import MakeSimulator
from tests.providers.contract import Contract
from tests.rawserver import Cut, FakeTime, RawServer, Reply, Reset, api_error, batch_json, http


class TestContract(Contract):
    @pytest.fixture
    def time(self) -> FakeTime:
        return FakeTime(now=1_800_000_000)

    @pytest.fixture
    def client(self, make_simulator: MakeSimulator, time: FakeTime) -> Iterator[BatchesClient]:
        """Each look at the clock is a moment later, so that no two batches are of one time."""

        def clock() -> float:
            time.now += 0.001
            return time.now

        simulator = make_simulator(options=Options(process_seconds=3600, cancel_seconds=600), clock=clock)
        with BatchesClient("key", base_url=simulator.url, environ={}) as client:
            yield client

    @pytest.fixture
    def provider(self, client: BatchesClient) -> Provider:
        return Anthropic(client)

    @pytest.fixture
    def end_all(self, time: FakeTime) -> Callable[[], None]:
        return lambda: time.sleep(4000)

    @pytest.fixture
    def delete(self, client: BatchesClient) -> Callable[[str], None]:
        return client.delete


@contextmanager
def talking(*replies: Reply, key: str = "sk-secret") -> Iterator[tuple[RawServer, Anthropic]]:
    time = FakeTime()
    with (
        RawServer(*replies) as server,
        BatchesClient(
            key,
            base_url=server.url,
            timeout=Timeouts(connect=2, read=0.3, create=0.3),
            max_retries=1,
            sleep=time.sleep,
            clock=time.clock,
            environ={},
        ) as client,
    ):
        yield server, Anthropic(client)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "shard.jsonl"
    path.write_bytes(b'{"custom_id":"a","params":{}}\n{"custom_id":"b","params":{}}\n')
    return path


def create(provider: Provider, shard: Path) -> Any:
    return provider.create(shard, requests=2, betas=("b-1",), api_version="2026-10-21")


def test_create_sends_the_shards_lines_its_betas_and_version(shard: Path) -> None:
    with talking(http(batch_json(processing=2))) as (server, provider):
        assert create(provider, shard).id == "msgbatch_1"
    seen = server.seen[0]
    assert seen.body == b'{"requests":[{"custom_id":"a","params":{}},{"custom_id":"b","params":{}}]}'
    assert (seen.headers["anthropic-beta"], seen.headers["anthropic-version"]) == ("b-1", "2026-10-21")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (api_error(400, "invalid_request_error"), Rejected),
        (api_error(401, "authentication_error"), Rejected),
        (api_error(402, "billing_error"), Rejected),
        (api_error(403, "permission_error"), Rejected),
        (api_error(404, "not_found_error"), Rejected),
        (api_error(409, "conflict_error"), Rejected),
        (api_error(413, "request_too_large"), Rejected),
        (http(b"<html>", 413), Rejected),
        (api_error(422, "invalid_request_error"), Rejected),
        (api_error(429, "rate_limit_error", code="enforced_spend_limit_reached"), Rejected),
        (api_error(429, "rate_limit_error"), TryLater),
        (api_error(529, "overloaded_error"), TryLater),
        (api_error(408, "timeout_error"), OutcomeUnknown),
        (api_error(500, "api_error"), OutcomeUnknown),
        (api_error(503, "api_error"), OutcomeUnknown),
        (api_error(504, "timeout_error"), OutcomeUnknown),
        (http(b"<html>", 400), OutcomeUnknown),
        (http(b"<html>", 429), OutcomeUnknown),
        (http(b"<html>", 529), OutcomeUnknown),
        (http({}, 307, location="/elsewhere"), OutcomeUnknown),
        (http(batch_json(processing=2), 201), OutcomeUnknown),
        (http(batch_json(processing=1)), OutcomeUnknown),
        (http(b""), OutcomeUnknown),
        (http(b"<html>"), OutcomeUnknown),
        (http({"type": "message"}), OutcomeUnknown),
        (Cut(http(batch_json(processing=2))[:-9]), OutcomeUnknown),
        (Cut(b""), OutcomeUnknown),
        (Reset(), OutcomeUnknown),
        (Cut(b"nonsense\r\n"), OutcomeUnknown),
    ],
)
def test_the_three_outcomes_of_a_create_that_failed(reply: Reply, kind: type, shard: Path) -> None:
    with talking(reply) as (server, provider):
        with pytest.raises(ProviderError) as caught:
            create(provider, shard)
        assert len(server.seen) == 1
    assert caught.value.__class__ is kind
    assert caught.value.cause is caught.value.__cause__
    assert isinstance(caught.value.cause, ApiError)
    assert str(caught.value) == str(caught.value.cause)


def test_a_batch_of_another_size_is_named_and_not_trusted(shard: Path) -> None:
    odd = http(batch_json("msgbatch_odd", processing=1))
    said = "came back with 1 requests, not 2"
    with talking(odd) as (_, provider), pytest.raises(OutcomeUnknown, match=said) as caught:
        create(provider, shard)
    assert caught.value.batch
    assert caught.value.batch.id == "msgbatch_odd"


def test_a_server_that_never_answers(shard: Path) -> None:
    with talking(b"") as (_, provider), pytest.raises(OutcomeUnknown, match="timed out"):
        create(provider, shard)


def test_a_server_that_is_not_there(shard: Path) -> None:
    with RawServer(b"") as server:
        pass
    client = BatchesClient("k", base_url=server.url, environ={})
    with client, pytest.raises(TryLater, match="connection refused") as caught:
        create(Anthropic(client), shard)
    assert isinstance(caught.value.cause, ConnectionFailed)
    assert not caught.value.cause.sent


def test_the_wait_that_the_server_asks_for(shard: Path) -> None:
    with talking(api_error(429, "rate_limit_error", Retry_After="17")) as (_, provider):
        with pytest.raises(TryLater) as caught:
            create(provider, shard)
        assert caught.value.after == 17


def test_a_shard_that_is_no_file_is_no_outcome_of_the_api(shard: Path) -> None:
    with talking(http(batch_json(processing=2))) as (server, provider), pytest.raises(DataError):
        create(provider, shard.parent)
    assert server.seen == []


# ---- reading -------------------------------------------------------------------------------------

READS: list[Callable[[Anthropic], object]] = [
    lambda p: p.newest(),
    lambda p: p.retrieve("b"),
    lambda p: p.since(Baseline(None, None, datetime.now(UTC), "")),
    lambda p: p.cancel("b"),
    lambda p: p.count_tokens({"model": "m", "messages": []}),
    lambda p: p.download("b", Path("/dev/null")),
]


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "reply",
    [
        Cut(b""),
        api_error(408, "timeout_error"),
        api_error(429, "rate_limit_error"),
        api_error(500, "api_error"),
        api_error(529, "overloaded_error"),
        api_error(503, "api_error", x_should_retry="false"),
        http(b"<html>", 404),
        http({}, 302, location="/x"),
    ],
)
def test_what_may_pass(call: Callable[[Anthropic], object], reply: Reply) -> None:
    with talking(reply) as (_, provider), pytest.raises(TryLater):
        call(provider)


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (api_error(401, "authentication_error"), KeyRefused),
        (api_error(403, "permission_error"), KeyRefused),
        (api_error(429, "rate_limit_error", code="contract_spend_limit_reached"), BillingStopped),
    ],
)
def test_what_only_a_person_can_cure(call: Callable[[Anthropic], object], reply: Reply, kind: type) -> None:
    with talking(reply) as (_, provider), pytest.raises(kind):
        call(provider)


def test_a_404_keeps_its_cause() -> None:
    with talking(api_error(404, "not_found_error")) as (_, provider), pytest.raises(TryLater) as caught:
        provider.retrieve("b")
    assert isinstance(caught.value.cause, NotFound)


def test_the_polling_hint() -> None:
    with talking(http(batch_json("b"), retry_after="10")) as (_, provider):
        assert provider.retrieve("b").retry_after == 10


def test_the_baselines_clock_and_fingerprint() -> None:
    page = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    who = {"anthropic-organization-id": "org", "anthropic-workspace-id": "w"}
    reply = http(page, date="Sun, 22 Nov 2026 10:00:00 GMT", more=who)
    with talking(reply) as (server, provider):
        baseline = provider.newest()
    assert baseline.server_time == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert server.seen[0].path == "/v1/messages/batches?limit=100"
    with talking(reply, key="sk-other") as (_, provider):
        assert provider.newest().credential != baseline.credential
    with talking(http(page, date="never")) as (_, provider):
        assert provider.newest().credential != baseline.credential


def test_since_looks_on_over_pages_until_the_baseline() -> None:
    def page(*ids: str) -> bytes:
        data = [batch_json(id) for id in ids]
        return http({"data": data, "has_more": True, "first_id": ids[0], "last_id": ids[-1]})

    there = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    baseline = Baseline("e", there, there, "")
    with talking(page("a", "b"), page("c", "d"), page("e", "f")) as (server, provider):
        assert [b.id for b in provider.since(baseline)] == ["a", "b", "c", "d"]
    assert [s.path.partition("?")[2] for s in server.seen] == [
        "limit=100",
        "limit=100&after_id=b",
        "limit=100&after_id=d",
    ]


def listing(*times: str, more: bool = False) -> bytes:
    """A list of batches named by when they were created, in this order, as it stands at ten o'clock."""
    data = [{**batch_json(f"b{time}"), "created_at": f"2026-11-22T{time}Z"} for time in times]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return http({"data": data, "has_more": more, **ends}, date="Sun, 22 Nov 2026 10:00:00 GMT")


NOT_THERE = api_error(404, "not_found_error")
BEFORE = ("09:59:58", "09:59:30", "09:30:00")


@pytest.mark.parametrize(
    ("after", "new"),
    [
        (("10:00:01", *BEFORE, "09:00:00"), ["10:00:01"]),
        # a server with a slow clock took it: a little slow, an hour
        ((*BEFORE[:1], "09:59:55", *BEFORE[1:], "09:00:00"), ["09:59:55"]),
        (("09:29:00", *BEFORE, "09:00:00"), ["09:29:00"]),
        # the list goes by when they came, and their times do not
        (("10:00:02", "09:29:00", "10:00:01", *BEFORE, "09:00:00"), ["10:00:02", "09:29:00", "10:00:01"]),
        # some of what was there was deleted since
        (("10:00:01", *BEFORE[1:], "09:00:00"), ["10:00:01"]),
        (("10:00:01", *BEFORE[2:], "09:00:00"), ["10:00:01"]),
        ((*BEFORE, "09:00:00"), []),
    ],
)
def test_what_is_new_beside_what_was_there(after: tuple[str, ...], new: list[str]) -> None:
    with talking(listing(*BEFORE, more=True), listing(*after, more=True)) as (server, provider):
        baseline = provider.newest()
        assert baseline.batch_id == "b09:59:58"
        assert [b.id for b in provider.since(baseline)] == [f"b{time}" for time in new]
    assert len(server.seen) == 2


@pytest.mark.parametrize("ahead", ["10:01:01", "10:10:00", "11:00:00", "23:59:59"])
@pytest.mark.parametrize("more", [False, True])
def test_what_is_dated_ahead_hides_nothing(ahead: str, more: bool) -> None:
    """Whether the list goes by the dates, or by when they came."""
    before = listing(ahead, "09:00:00", more=more)
    for after in ((ahead, "10:00:01", "09:00:00"), ("10:00:01", ahead, "09:00:00")):
        with talking(before, listing(*after)) as (_, provider):
            assert [b.id for b in provider.since(provider.newest())] == ["b10:00:01"]


def test_where_all_that_was_known_is_dated_ahead_the_servers_clock_is_the_bound() -> None:
    before = listing("23:00:00", more=True)
    after = listing("23:00:00", "10:00:01", "09:59:01", "09:58:00", more=True)
    with talking(before, after) as (_, provider):
        assert [b.id for b in provider.since(provider.newest())] == ["b10:00:01", "b09:59:01"]


def test_where_all_batches_were_known_any_other_is_new() -> None:
    """Naive local time at the end of summer time: an hour comes twice."""
    with talking(listing("09:59:00"), listing("09:59:00", "09:01:00")) as (_, provider):
        assert [b.id for b in provider.since(provider.newest())] == ["b09:01:00"]
    with talking(listing(), listing("03:00:00")) as (_, provider):
        assert [b.id for b in provider.since(provider.newest())] == ["b03:00:00"]


@pytest.mark.parametrize("after", [(), ("10:00:02", "10:00:01")])
def test_a_list_that_shows_nothing_of_what_is_there_proves_nothing(after: tuple[str, ...]) -> None:
    there = http(batch_json("b09:59:30"))
    with talking(listing(*BEFORE), listing(*after), NOT_THERE, there) as (_, provider):
        baseline = provider.newest()
        said = "the list of batches is not whole: it lacks b09:59:30, which is there"
        with pytest.raises(TryLater, match=said):
            provider.since(baseline)


def test_where_all_that_was_known_is_deleted_the_times_decide() -> None:
    after = listing("10:00:01", "09:59:20", "09:29:59")
    with talking(listing(*BEFORE, more=True), after, NOT_THERE) as (_, provider):
        assert [b.id for b in provider.since(provider.newest())] == ["b10:00:01", "b09:59:20"]


def test_a_baseline_that_an_earlier_batchrun_noted() -> None:
    """It knew what was created in the minute before the newest, and not what is before that."""
    at = datetime(2026, 11, 22, 9, 59, 58, tzinfo=UTC)
    baseline = Baseline("b09:59:58", at, at, "", known=("b09:59:58", "b09:59:30"))
    after = listing("10:00:01", "09:59:58", "09:59:55", "09:59:30", "09:30:00", more=True)
    with talking(after) as (_, provider):
        assert [b.id for b in provider.since(baseline)] == ["b10:00:01", "b09:59:55"]


LINES = b'{"custom_id":"a","result":{"type":"expired"}}\n{"custom_id":"b\xe2\x80\xa8\r"}'


@pytest.mark.parametrize(
    "reply",
    [http(LINES), http(LINES, chunked=True), http(gzip.compress(LINES, mtime=0), content_encoding="gzip")],
)
def test_results_are_written_as_served(reply: Reply, tmp_path: Path) -> None:
    with talking(reply) as (_, provider):
        provider.download("b", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == LINES
    assert (tmp_path / "part").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "reply",
    [
        Cut(http(LINES, length=999)),
        Cut(http(LINES, chunked=True)[:-7]),
        Reset(http(LINES, length=999)),
        http(gzip.compress(LINES, mtime=0)[:-9], content_encoding="gzip"),
        http(LINES, content_encoding="gzip"),
    ],
)
def test_results_that_break_off(reply: Reply, tmp_path: Path) -> None:
    with talking(reply) as (_, provider), pytest.raises(IncompleteResults):
        provider.download("b", tmp_path / "part")


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    with talking(http(LINES)) as (_, provider):
        with pytest.raises(DiskError, match="No such file or directory"):
            provider.download("b", tmp_path / "none" / "part")
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "target")
        with pytest.raises(DiskError):
            provider.download("b", link)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    "reply", [api_error(400, "invalid_request_error"), api_error(404, "not_found_error")]
)
def test_a_request_that_cannot_be_counted(reply: Reply) -> None:
    with talking(reply) as (_, provider), pytest.raises(Rejected):
        provider.count_tokens({"model": "m", "messages": []})


def test_an_ended_batch_cannot_be_canceled() -> None:
    replies = api_error(400, "invalid_request_error"), http(batch_json("b", "ended"))
    with talking(*replies) as (_, provider), pytest.raises(Rejected) as caught:
        provider.cancel("b")
    assert str(caught.value) == "batch b has already ended: there is nothing to cancel"


def test_origin_and_name() -> None:
    with talking(http({})) as (server, provider):
        assert (provider.origin, provider.name) == (server.url, "anthropic")
        provider.close()


def test_the_json_of_a_batch_is_kept() -> None:
    with talking(http({**batch_json("b"), "new": 1})) as (_, provider):
        assert json.loads(json.dumps(provider.retrieve("b").batch.raw))["new"] == 1


@pytest.mark.parametrize(
    "body", [b"<html>down for maintenance</html>", b"[]", b'"soon"', b"null", b"", b"\n \n"], ids=repr
)
def test_what_is_no_results_at_all_is_a_page_of_a_proxy(body: bytes, tmp_path: Path) -> None:
    """It comes and goes, however long it stays: never a reason to ask a person."""
    with talking(http(body)) as (_, provider), pytest.raises(TryLater) as caught:
        provider.download("msgbatch_1", tmp_path / "r.part")
    assert str(caught.value) == "what came is no results of msgbatch_1"
    assert caught.value.hint == (
        "this is no answer of the Batches API: check ANTHROPIC_BASE_URL and any proxy on the way"
    )
