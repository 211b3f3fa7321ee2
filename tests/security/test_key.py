"""The key goes to one origin, in one header, and stands in nothing that is written or said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from batchrun.client.batches import BatchesClient
from batchrun.errors import ConfigError, ConnectionFailed
from tests.conftest import MakeSimulator
from tests.rawserver import Cut, RawServer, api_error, batch_json, http
from tests.trials.canary import CANARY, betrayed, files_with
from tests.workbench import Bench, Ran


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.env["ANTHROPIC_API_KEY"] = CANARY
    return bench


def silent(*runs: Ran) -> None:
    for ran in runs:
        assert not betrayed(ran.stdout.encode(), CANARY)
        assert not betrayed(ran.stderr.encode(), CANARY)


# ---- what is written and said ------------------------------------------------------------------

HOSTILE = f"""
import sys, batchrun.cli
from batchrun.client import batches
def broken(*_, **__):
    raise RuntimeError("x-api-key: " + {CANARY!r})
batches.BatchesClient.get = broken
batchrun.cli.main()
"""


TALKATIVE = "env > env.txt; cat > event.txt; env; env >&2; exit 3"
"""A hook that tells all that it was told."""


def test_a_whole_run_with_everything_it_leaves(bench: Bench, tmp_path: Path) -> None:
    bench.serve(results=[{"match": "word 2", "type": "errored"}])
    bench.job(rows=3, retry={"max_attempts": 2}, on={"rows_failed": [{"run": ["sh", "-c", TALKATIVE]}]})
    runs = [bench.run("validate", "--json"), bench.run("plan", "--json"), bench.run("run", "--json", code=3)]
    runs += [bench.run("status", "--json"), bench.run("retry"), bench.run("batches", "list", "--json")]
    silent(*runs)
    assert bench.path("env.txt").stat().st_size > 100
    assert list(files_with(CANARY, tmp_path)) == []  # the job's folder and the simulator's


def test_a_crash_file(bench: Bench, tmp_path: Path) -> None:
    """A bug whose own words hold the key."""
    ran = bench.run("batches", "get", "msgbatch_1", driver=("-c", HOSTILE), code=1, TMPDIR=str(tmp_path))
    silent(ran)
    (crash,) = tmp_path.glob("batchrun-crash-*.txt")
    assert "RuntimeError: x-api-key: <ANTHROPIC_API_KEY>" in crash.read_text()
    assert list(files_with(CANARY, tmp_path)) == []


@pytest.mark.parametrize("said", [CANARY, quote(CANARY, safe=""), CANARY.replace("+", "\\u002b")])
def test_a_server_that_repeats_it(bench: Bench, said: str, tmp_path: Path) -> None:
    bench.job(rows=1)
    with RawServer(api_error(401, "authentication_error", f"no such key: {said}")) as server:
        runs = [
            bench.run(*args, code=77, ANTHROPIC_BASE_URL=server.url)
            for args in (("run",), ("batches", "list"))
        ]
    silent(*runs)
    assert "***" in runs[0].stderr
    assert list(files_with(CANARY, tmp_path)) == []


# ---- where it goes -----------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[RawServer]:
    with RawServer(http(batch_json())) as server:
        yield server


def _moved(server: RawServer) -> Mapping[str, str]:
    port = server.url.rpartition(":")[2]
    return {
        "another port": f"{server.url}/v1/messages/batches/msgbatch_1",
        "another host": f"http://localhost:{port}/v1/messages/batches/msgbatch_1",
        "https": f"https://127.0.0.1:{port}/",
        "no scheme": f"//127.0.0.1:{port}/",
    }


@pytest.mark.parametrize(
    ("status", "to"),
    [
        (301, "another port"),
        (302, "another host"),
        (303, "no scheme"),
        (307, "another port"),
        (308, "https"),
    ],
)
def test_redirects(bench: Bench, elsewhere: RawServer, status: int, to: str) -> None:
    with RawServer(http(b"", status, location=_moved(elsewhere)[to])) as server:
        ran = bench.run("batches", "get", "msgbatch_1", code=69, ANTHROPIC_BASE_URL=server.url)
    assert f"the server answered {status}, a redirect, which is never followed" in ran.stderr
    assert elsewhere.connections == 0


def test_results_that_are_said_to_lie_elsewhere(bench: Bench, elsewhere: RawServer) -> None:
    ended = batch_json(status="ended", succeeded=1) | {"results_url": f"{elsewhere.url}/results"}
    with RawServer(http(ended), http(b'{"custom_id":"a","result":{"type":"expired"}}\n')) as server:
        bench.run("batches", "results", "msgbatch_1", ANTHROPIC_BASE_URL=server.url)
        assert [seen.path for seen in server.seen][1] == "/v1/messages/batches/msgbatch_1/results"
    assert elsewhere.connections == 0


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_a_proxy_is_not_used_on_loopback(bench: Bench, elsewhere: RawServer, name: str) -> None:
    with RawServer(http(batch_json())) as server:
        bench.run(
            "batches", "get", "msgbatch_1", code=0, ANTHROPIC_BASE_URL=server.url, **{name: elsewhere.url}
        )
        assert server.seen[0].headers["x-api-key"] == CANARY
    assert elsewhere.connections == 0


def test_a_proxy_for_https_sees_the_host_and_nothing_else() -> None:
    with RawServer(Cut(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")) as proxy:
        environ = {"ANTHROPIC_API_KEY": CANARY, "HTTPS_PROXY": proxy.url}
        with BatchesClient(environ=environ, max_retries=0) as client, pytest.raises(ConnectionFailed):
            client.get("msgbatch_1")
        (seen,) = proxy.seen
    assert (seen.method, seen.path) == ("CONNECT", "api.anthropic.com:443")
    assert not betrayed(repr(seen).encode(), CANARY)


def test_netrc_is_not_read(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login eve password secret\ndefault login eve password x\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    with RawServer(http(batch_json())) as server:
        bench.run(
            *("batches", "get", "msgbatch_1"), code=0, ANTHROPIC_BASE_URL=server.url,
            HOME=str(tmp_path), NETRC=str(tmp_path / ".netrc"),
        )  # fmt: skip
        assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "http://api.anthropic.com",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://2130706433",
        "http://0x7f000001",
        "http://0.0.0.0",
        "http://[::]",
        "http://[::ffff:8.8.8.8]",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1:80@evil.example",
        "http://evil.example#@127.0.0.1",
        "http://evil.example\\@127.0.0.1",
        "http://lоcalhost",
        "HTTP://EVIL.EXAMPLE",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
    ],
)
def test_plain_http_is_for_loopback_only(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^the base URL") as caught:
        BatchesClient(environ={"ANTHROPIC_API_KEY": CANARY, "ANTHROPIC_BASE_URL": url})
    assert not betrayed(str(caught.value).encode(), CANARY)
