"""The seven calls: against the simulator where it can play the part, else against bytes on a socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from batchrun.client.batches import NOTHING, UNKNOWN, BatchesClient
from batchrun.client.body import Body
from batchrun.client.transport import Timeouts
from batchrun.errors import (
    ApiError,
    BadRequest,
    BadResponse,
    ConfigError,
    Conflict,
    ConnectionFailed,
    DataError,
    IncompleteResults,
    KeyRefused,
    NotFinished,
    NotFound,
    RateLimited,
    ServerError,
    TooLarge,
    UsageError,
    WaitTimeout,
)
from batchrun.model import Batch, ProcessingStatus, ResultType
from batchrun.simulator import Options, Simulator
from tests.conftest import MakeSimulator
from tests.rawserver import Cut, FakeTime, RawServer, Reply, Reset, api_error, batch_json, http

PARAMS: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "Hi"}],
}
SLOW = Options(process_seconds=3600, cancel_seconds=60)


def requests(count: int) -> list[dict[str, Any]]:
    return [{"custom_id": f"r-{n}", "params": PARAMS} for n in range(count)]


@pytest.fixture
def client(simulator: Simulator) -> Iterator[BatchesClient]:
    with BatchesClient("key", base_url=simulator.url) as client:
        yield client


@contextmanager
def slow_client(make_simulator: MakeSimulator, time: FakeTime) -> Iterator[BatchesClient]:
    """A client and a simulator on one clock, on which batches take an hour."""
    simulator = make_simulator(options=SLOW, clock=lambda: 1_800_000_000 + time.clock())
    with BatchesClient("key", base_url=simulator.url, sleep=time.sleep, clock=time.clock) as client:
        yield client


@contextmanager
def raw(
    *replies: Reply, time: FakeTime | None = None, retries: int = 0, **options: Any
) -> Iterator[tuple[RawServer, BatchesClient]]:
    time = time or FakeTime()
    with (
        RawServer(*replies) as server,
        BatchesClient(
            "sk-secret",
            base_url=server.url,
            timeout=Timeouts(connect=2, read=0.3, create=0.3),
            max_retries=retries,
            sleep=time.sleep,
            clock=time.clock,
            rng=time.rng,
            environ={},
            **options,
        ) as client,
    ):
        yield server, client


# ---- the whole way -------------------------------------------------------------------------------


def test_from_create_to_delete(client: BatchesClient, tmp_path: Path) -> None:
    batch = client.create(requests(3))
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
    seen: list[Batch] = []
    ended = client.wait_for_completion(batch.id, poll_interval=0.01, timeout=20, callback=seen.append)
    assert ended.ended
    assert seen[-1] == ended == client.get(batch.id)

    results = list(client.results(batch.id))
    assert sorted(r.custom_id for r in results) == ["r-0", "r-1", "r-2"]
    assert {r.type for r in results} == {ResultType.SUCCEEDED}
    lines = [line for line, _ in client.result_lines(batch.id)]
    path = client.download(batch.id, tmp_path / "results.jsonl")
    assert path.read_bytes() == b"\n".join(lines)

    client.delete(batch.id)
    with pytest.raises(NotFound):
        client.delete(batch.id)


def test_a_file_is_sent_as_it_is(client: BatchesClient, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in requests(2)))
    assert client.create(path).request_counts.total == 2
    assert client.create(Body(path)).request_counts.total == 2


def test_the_environment(simulator: Simulator) -> None:
    environ = {"ANTHROPIC_AUTH_TOKEN": "token", "ANTHROPIC_BASE_URL": simulator.url}
    with BatchesClient(environ=environ) as client:
        assert client.base_url == simulator.url
        assert client.list().data == ()
    with pytest.raises(ConfigError, match="no API key"):
        BatchesClient(environ={})


@pytest.mark.parametrize(
    "reply",
    [
        api_error(401, "authentication_error", "x-api-key sk-secret is invalid"),
        http(b"you sent x-api-key: sk-secret"),
        http(b"you sent x-api-key: sk-secret", 502),
        Cut(b"x-api-key sk-secret\r\n"),
        Cut(b""),
        Cut(http(b"", length=9)),
    ],
)
def test_the_key_shows_nowhere(reply: Reply) -> None:
    with raw(reply) as (_, client):
        with pytest.raises(ApiError) as caught:
            client.get("msgbatch_1")
        assert "sk-secret" not in repr(client)
    left: list[BaseException | None] = [caught.value]
    while left:
        if (error := left.pop()) is not None:
            assert not hasattr(error, "request")
            assert "sk-secret" not in f"{error!r} {error.__dict__}"
            left += [error.__cause__, error.__context__]


def test_a_refused_key(make_simulator: MakeSimulator) -> None:
    simulator = make_simulator(options=Options(api_keys=frozenset({"right"})))
    with BatchesClient("wrong", base_url=simulator.url) as client, pytest.raises(KeyRefused) as caught:
        client.list()
    assert caught.value.hint == "check ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"
    assert caught.value.request_id.startswith("req_")


def test_several_threads(client: BatchesClient) -> None:
    def work(number: int) -> int:
        batch = client.create(requests(number + 1))
        client.wait_for_completion(batch.id, poll_interval=0.01)
        return len(list(client.results(batch.id)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(12))) == list(range(1, 13))


# ---- create --------------------------------------------------------------------------------------


def test_what_create_sends() -> None:
    with raw(http(batch_json(processing=1)), betas=("one", "two"), headers={"x-team": "blue"}) as (
        server,
        client,
    ):
        client.create(requests(1))
        client.create(requests(1), betas=(), api_version="2026-10-21")
    first, second = server.seen
    assert (first.method, first.path) == ("POST", "/v1/messages/batches")
    assert json.loads(first.body) == {"requests": requests(1)}
    assert first.headers["content-length"] == str(len(first.body))
    names = ("x-api-key", "anthropic-version", "anthropic-beta", "content-type", "x-team")
    assert [first.headers.get(n) for n in names] == [
        "sk-secret",
        "2023-06-01",
        "one,two",
        "application/json",
        "blue",
    ]
    assert second.headers["anthropic-version"] == "2026-10-21"
    assert "anthropic-beta" not in second.headers


def test_bad_requests_never_leave() -> None:
    with raw(http({})) as (server, client), pytest.raises(DataError, match="is also in"):
        client.create(requests(1) * 2)
    assert server.seen == []


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (Cut(b""), ConnectionFailed, UNKNOWN),
        (Reset(), ConnectionFailed, UNKNOWN),
        (api_error(500, "api_error"), ServerError, UNKNOWN),
        (http(b"<html>", 502), ServerError, UNKNOWN),
        (http(b"<html>", 429), RateLimited, UNKNOWN),
        (http(b"<html>"), BadResponse, UNKNOWN),
        (http({"type": "message_batch"}), BadResponse, UNKNOWN),
        (Cut(http(batch_json(), length=9999)), ConnectionFailed, UNKNOWN),
        (api_error(400, "invalid_request_error"), BadRequest, NOTHING),
        (api_error(429, "rate_limit_error"), RateLimited, NOTHING),
        (api_error(529, "overloaded_error"), ServerError, NOTHING),
        (http(b"<html>", 413), TooLarge, NOTHING),
    ],
)
def test_create_is_sent_once_and_says_what_may_have_become_of_it(
    reply: Reply, kind: type[ApiError], said: str
) -> None:
    with raw(reply, retries=9) as (server, client):
        with pytest.raises(kind) as caught:
            client.create(requests(1))
        assert len(server.seen) == 1
    assert caught.value.hint.startswith(said)


# ---- get, list -----------------------------------------------------------------------------------


def test_a_404_just_after_create_is_waited_out() -> None:
    missing, time = api_error(404, "not_found_error"), FakeTime()
    created, found = http(batch_json("msgbatch_1")), http(batch_json("msgbatch_1", "ended"))
    with raw(created, missing, missing, found, time=time) as (_, client):
        batch = client.create(requests(1))
        assert client.get(batch.id).ended
    assert time.slept == [0.5, 1.0]


def test_patience_with_a_404_has_an_end() -> None:
    time = FakeTime()
    with raw(http(batch_json("msgbatch_1")), api_error(404, "not_found_error"), time=time) as (
        server,
        client,
    ):
        client.create(requests(1))
        with pytest.raises(NotFound):
            client.get("msgbatch_1")
        assert sum(time.slept) == 60
        tries = len(server.seen)
        with pytest.raises(NotFound):
            client.get("msgbatch_1")
        assert len(server.seen) == tries + 1


def test_a_404_on_a_strangers_id(client: BatchesClient) -> None:
    with pytest.raises(NotFound):
        client.get("msgbatch_unknown")


@pytest.mark.parametrize("id", ["", ".", "..", "a b", "a\n", "é", "x" * 300])
@pytest.mark.parametrize("call", ["get", "results", "cancel", "delete", "wait_for_completion"])
def test_what_is_no_id_never_leaves(id: str, call: str) -> None:
    with raw(http({})) as (server, client), pytest.raises(UsageError, match=r"^not a batch id: "):
        getattr(client, call)(id)
    assert server.seen == []


def test_an_id_cannot_name_another_path() -> None:
    with raw(http({})) as (server, client), pytest.raises(BadResponse):
        client.get("../models?x=1#y")
    assert server.seen[0].path == "/v1/messages/batches/..%2Fmodels%3Fx%3D1%23y"


def test_an_answer_about_another_batch() -> None:
    reply = http(batch_json("msgbatch_2"), request_id="req_5")
    with raw(reply) as (_, client), pytest.raises(BadResponse) as caught:
        client.get("msgbatch_1")
    assert str(caught.value) == "an answer out of shape: the answer speaks of another batch"
    assert caught.value.request_id == "req_5"


def test_pages_and_iteration_both_ways(client: BatchesClient) -> None:
    made = [client.create(requests(1)).id for _ in range(7)]
    newest = made[::-1]
    page = client.list(limit=3)
    assert ([b.id for b in page.data], page.has_more) == (newest[:3], True)
    assert [b.id for b in client.list(3, after_id=page.last_id).data] == newest[3:6]
    assert [b.id for b in client.list(2, before_id=newest[3]).data] == newest[1:3]
    assert [b.id for b in client.iterate(limit=3)] == newest
    assert [b.id for b in client.iterate(limit=2, after_id=newest[1])] == newest[2:]
    assert [b.id for b in client.iterate(limit=2, before_id=made[1])] == made[2:]


@pytest.mark.parametrize(("newer", "gone"), [(False, [1, 2]), (True, [1, 2]), (False, [0, 1, 2])])
def test_iteration_while_somebody_deletes(client: BatchesClient, newer: bool, gone: list[int]) -> None:
    made = [client.create(requests(1)).id for _ in range(8)]
    way = made if newer else made[::-1]
    listed = client.iterate(limit=3, before_id=way[0]) if newer else client.iterate(limit=3, after_id=way[0])
    way = way[1:]
    got = [next(listed).id]
    for place in gone:
        client.wait_for_completion(way[place])
        client.delete(way[place])
    got += [batch.id for batch in listed]
    assert got == way  # the first page was read before they went


def test_iteration_where_no_cursor_is_ever_known() -> None:
    page = {"data": [batch_json("b"), batch_json("a")], "has_more": True, "first_id": "b", "last_id": "a"}
    gone = api_error(404, "not_found_error", "gone")
    with raw(*[http(page), gone] * 9) as (_, client), pytest.raises(NotFound, match="gone"):
        list(client.iterate())


@pytest.mark.parametrize("limit", [0, 1001, -1, True, "5", 2.0])
def test_limits_of_a_page(client: BatchesClient, limit: Any) -> None:
    with pytest.raises(UsageError) as caught:
        client.list(limit)
    assert str(caught.value) == f"limit is 1 to 1000, not {limit!r}"


def test_both_cursors(client: BatchesClient) -> None:
    with pytest.raises(UsageError, match=r"^before_id and after_id cannot be used together$"):
        client.list(before_id="a", after_id="b")
    with pytest.raises(UsageError):
        next(client.iterate(before_id="a", after_id="b"))


def test_a_list_that_goes_in_circles() -> None:
    page = {"data": [batch_json("a")], "has_more": True, "first_id": "a", "last_id": "a"}
    with (
        raw(http(page)) as (_, client),
        pytest.raises(BadResponse, match=r"^the list of batches does not advance$"),
    ):
        list(client.iterate())


# ---- results -------------------------------------------------------------------------------------


def test_results_before_the_end(make_simulator: MakeSimulator) -> None:
    with slow_client(make_simulator, FakeTime()) as client:
        batch = client.create(requests(1))
        with pytest.raises(NotFinished) as caught:
            client.results(batch.id)
    assert str(caught.value) == f"batch {batch.id} is in_progress: it has no results yet"
    assert caught.value.hint == f"wait for it with `batchrun batches wait {batch.id}`"


def test_results_of_an_archived_batch() -> None:
    archived = {**batch_json("b", "ended"), "archived_at": "2026-12-22T10:00:00Z"}
    with raw(http(archived)) as (_, client), pytest.raises(NotFound) as caught:
        client.results("b")
    assert str(caught.value) == "the results of b are gone: they are kept for 29 days after creation"


LINES = [json.dumps({"custom_id": f"r{n}", "result": {"type": "expired"}}).encode() for n in range(3)]
WHOLE = b"\n".join(LINES)
ENDED = http(batch_json("b", "ended", expired=3))


def test_results_come_from_our_own_origin() -> None:
    with RawServer(ENDED) as elsewhere:
        ended = {**batch_json("b", "ended", expired=3), "results_url": f"{elsewhere.url}/x"}
        with raw(http(ended), http(WHOLE, chunked=True)) as (server, client):
            assert len(list(client.results("b"))) == 3
        assert [s.path for s in server.seen] == ["/v1/messages/batches/b", "/v1/messages/batches/b/results"]
        assert server.seen[1].headers["accept-encoding"] == "identity"
        assert elsewhere.seen == []


def test_a_foreign_results_url(make_simulator: MakeSimulator) -> None:
    simulator = make_simulator(
        options=Options(process_seconds=0, foreign_results_url="https://elsewhere.example")
    )
    with BatchesClient("key", base_url=simulator.url) as client:
        batch = client.create(requests(2))
        assert (client.get(batch.id).results_url or "").startswith("https://elsewhere.example")
        assert len(list(client.results(batch.id))) == 2


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Cut(http(WHOLE, length=len(WHOLE) + 1)), "the results of b broke off: no answer from {}: the connection broke off in the middle of the answer"),
        (Cut(http(WHOLE, chunked=True)[:-7]), "the results of b broke off: no answer from {}: the connection broke off in the middle of the answer"),
        (Reset(http(WHOLE, length=len(WHOLE) + 1)), "the results of b broke off: no answer from {}: the connection was closed"),
        (http(gzip.compress(WHOLE, mtime=0)[:-9], content_encoding="gzip"), "the results of b broke off: {} ended its answer early"),
        (http(gzip.compress(WHOLE, mtime=0)[:-9] + b"x" * 9, content_encoding="gzip"), "the results of b broke off: {} gave an answer whose gzip packing is damaged"),
        (Cut(b"HTTP/1.1 200 OK\r\n\r\n" + b"\n".join(LINES[:2])), "the results hold 2 of 3 expired"),
        (Cut(b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE[:-9]), "line 3 of the results is not usable: not JSON: "),
        (http(b"\n".join([*LINES, LINES[0] + b" "])), "line 4 of the results is not usable: its custom_id came before, with another result"),
        (http(b""), "the results hold 0 of 3 expired"),
        (http(b"<html>"), "line 1 of the results is not usable: not JSON: "),
    ],
)  # fmt: skip
def test_results_are_complete_or_an_error(reply: Reply, message: str, tmp_path: Path) -> None:
    with raw(ENDED, reply) as (server, client):
        with pytest.raises(IncompleteResults) as caught:
            list(client.results("b"))
        assert str(caught.value).startswith(message.format(server.url))
        server.replies.extend([ENDED, reply])
        server.replies.popleft()
        with pytest.raises(IncompleteResults):
            client.download("b", tmp_path / "results.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_compressed_results_that_nobody_asked_for() -> None:
    with raw(ENDED, http(gzip.compress(WHOLE, mtime=0), content_encoding="gzip")) as (_, client):
        assert [r.custom_id for r in client.results("b")] == ["r0", "r1", "r2"]


def test_only_lf_ends_a_result() -> None:
    text = {"content": [{"type": "text", "text": "a\u2028b\u0085c"}]}
    line = json.dumps(
        {"custom_id": "r", "result": {"type": "succeeded", "message": text}}, ensure_ascii=False
    )
    body = line.encode().replace(b": ", b":\r ")
    with raw(http(batch_json("b", "ended", succeeded=1)), http(body)) as (_, client):
        assert [r.message for r in client.results("b")] == [text]


def test_a_download_that_breaks_off_is_made_again(tmp_path: Path) -> None:
    path, cut = tmp_path / "results.jsonl", Cut(http(WHOLE, length=999))
    with raw(ENDED, cut, ENDED, http(WHOLE), retries=2) as (server, client):
        assert client.download("b", path) == path
        assert len(server.seen) == 4
    assert path.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_keeps_the_old_file_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text("old")
    with raw(ENDED, Cut(http(WHOLE, length=999))) as (_, client), pytest.raises(IncompleteResults):
        client.download("b", path)
    assert path.read_text() == "old"


def test_results_may_show_a_moment_after_the_end() -> None:
    early, time = api_error(404, "not_found_error", x_should_retry="false"), FakeTime()
    with raw(ENDED, early, early, http(WHOLE), time=time) as (_, client):
        assert len(list(client.results("b"))) == 3
    assert time.slept == [0.5, 1.0]


# ---- cancel, delete ------------------------------------------------------------------------------


def test_cancel(make_simulator: MakeSimulator) -> None:
    time = FakeTime()
    with slow_client(make_simulator, time) as client:
        batch = client.create(requests(2))
        assert client.cancel(batch.id).processing_status is ProcessingStatus.CANCELING
        assert client.cancel(batch.id).processing_status is ProcessingStatus.CANCELING
        ended = client.wait_for_completion(batch.id)
        assert ended.request_counts.canceled == 2
        assert {r.type for r in client.results(batch.id)} == {ResultType.CANCELED}
        with pytest.raises(ApiError) as caught:
            client.cancel(batch.id)
    assert str(caught.value) == f"batch {batch.id} has already ended: there is nothing to cancel"


@pytest.mark.parametrize(
    "refusal", [api_error(400, "invalid_request_error"), api_error(409, "conflict_error")]
)
def test_a_cancel_whose_answer_was_lost(refusal: bytes) -> None:
    canceling = {**batch_json("b", "canceling"), "cancel_initiated_at": "2026-11-22T10:01:00Z"}
    with raw(Cut(b""), refusal, http(canceling), retries=1) as (server, client):
        assert client.cancel("b").processing_status is ProcessingStatus.CANCELING
    assert [(s.method, s.path.rpartition("/")[2], s.body) for s in server.seen] == [
        ("POST", "cancel", b"{}"),
        ("POST", "cancel", b"{}"),
        ("GET", "b", b""),
    ]


def test_a_cancel_that_is_refused_for_another_reason() -> None:
    busy = api_error(409, "conflict_error", "busy")
    with raw(busy, http(batch_json("b"))) as (_, client), pytest.raises(Conflict, match=r"^busy$"):
        client.cancel("b")


def test_delete_while_running(make_simulator: MakeSimulator) -> None:
    with slow_client(make_simulator, FakeTime()) as client:
        batch = client.create(requests(1))
        with pytest.raises(BadRequest, match=r"^In progress batches cannot be deleted") as caught:
            client.delete(batch.id)
    hint = f"cancel it with `batchrun batches cancel {batch.id}`, and delete it once it has ended"
    assert caught.value.hint == hint


def test_a_delete_whose_answer_was_lost() -> None:
    with raw(Cut(b""), api_error(404, "not_found_error"), retries=1) as (server, client):
        client.delete("b")
        assert len(server.seen) == 2


# ---- wait, count_tokens --------------------------------------------------------------------------


def test_wait_runs_out_of_time(make_simulator: MakeSimulator) -> None:
    time = FakeTime()
    with slow_client(make_simulator, time) as client:
        batch = client.create(requests(1))
        with pytest.raises(WaitTimeout, match=f"^batch {batch.id} is in_progress after 10m$"):
            client.wait_for_completion(batch.id, timeout=600)
        assert client.get(batch.id).cancel_initiated_at is None
    # 30 s by default, which is more than the 10 s that the server asks for.
    assert set(time.slept) == {30}


def test_wait_honours_the_servers_hint_and_survives_trouble() -> None:
    running = http(batch_json("b"), retry_after="77")
    time = FakeTime()
    replies = (
        running,
        Cut(b""),
        api_error(529, "overloaded_error", retry_after="90"),
        http(b"<html>"),
        ENDED,
    )
    with raw(*replies, time=time) as (server, client):
        assert client.wait_for_completion("b").ended
        assert len(server.seen) == 5
    assert time.slept == [77, 30, 90, 30]


def test_wait_polls_a_batch_of_its_own_through_a_404() -> None:
    time = FakeTime()
    with raw(http(batch_json("b")), api_error(404, "not_found_error"), ENDED, time=time) as (_, client):
        assert client.wait_for_completion(client.create(requests(1)).id).ended
    assert time.slept == [30]


def test_count_tokens(client: BatchesClient) -> None:
    assert client.count_tokens(PARAMS) > 0


def test_count_tokens_sends_what_the_endpoint_takes() -> None:
    with raw(http({"input_tokens": 7})) as (server, client):
        params = {**PARAMS, "system": "s", "temperature": 1, "stream": False}
        assert client.count_tokens(params) == 7
    seen = server.seen[0]
    assert (seen.method, seen.path) == ("POST", "/v1/messages/count_tokens")
    assert sorted(json.loads(seen.body)) == ["messages", "model", "system"]


def test_params_that_are_not_json() -> None:
    with raw(http({})) as (server, client), pytest.raises(UsageError, match=r"^the params are not JSON: "):
        client.count_tokens({"messages": [float("nan")]})
    assert server.seen == []


# ---- every call ----------------------------------------------------------------------------------

CALLS: list[Callable[[BatchesClient], object]] = [
    lambda c: c.get("b"),
    lambda c: c.list(),
    lambda c: list(c.iterate()),
    lambda c: list(c.results("b")),
    lambda c: c.cancel("b"),
    lambda c: c.delete("b"),
    lambda c: c.count_tokens(PARAMS),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("failure", [Cut(b""), api_error(529, "overloaded_error"), http(b"<html>", 503)])
def test_every_call_but_create_is_repeated(call: Callable[[BatchesClient], object], failure: Reply) -> None:
    time = FakeTime()
    with raw(failure, time=time, retries=3) as (server, client):
        with pytest.raises(ApiError):
            call(client)
        assert len(server.seen) == 4
    assert len(time.slept) == 3
    assert all(a <= b for a, b in pairwise(time.slept))


@pytest.mark.parametrize("call", [*CALLS, lambda c: c.create(requests(1))])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_call_follows_a_redirect(call: Callable[[BatchesClient], object], status: int) -> None:
    with (
        RawServer(http({})) as other,
        raw(http({}, status, location=other.url), retries=3) as (server, client),
    ):
        with pytest.raises(BadResponse, match="a redirect, which is never followed"):
            call(client)
        assert len(server.seen) == 1
        assert other.seen == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"<html>", b'{"id":'])
def test_no_call_takes_an_answer_out_of_shape(call: Callable[[BatchesClient], object], body: bytes) -> None:
    with raw(http(body)) as (_, client), pytest.raises(BadResponse):
        call(client)
