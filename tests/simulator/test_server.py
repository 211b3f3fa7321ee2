"""One state folder under several simulators: after each other, beside each other, in several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from batchrun.simulator import Options, Simulator
from tests.conftest import MakeSimulator
from tests.simulator.helpers import Client, Clock, entry, error_of, ledger


def test_a_restart_carries_on(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    clock = Clock()
    options = Options(process_seconds=100, retry_after=None)
    first = make_simulator(tmp_path, options=options, clock=clock)
    with Client(first) as client:
        batch = client.create(entry("a"), entry("b"))
    first.stop()
    clock.forward(100)
    later = Options(process_seconds=5000)
    with Client(make_simulator(tmp_path, options=later, clock=clock)) as client:
        assert client.batch(batch["id"])["processing_status"] == "ended"
        assert set(client.results(batch["id"])) == {"a", "b"}
        second = client.create(entry("c"))
        assert [b["id"] for b in client.get().json()["data"]] == [second["id"], batch["id"]]
    assert [line["id"] for line in ledger(tmp_path)] == [batch["id"], second["id"]]


def test_other_options_from_the_next_call_on(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    simulator = make_simulator(options=Options(process_seconds=100, retry_after=None), clock=clock)
    with Client(simulator) as client:
        first = client.create(entry("a"))
        simulator.change(Options(process_seconds=0, max_requests=1))
        assert client.batch(client.create(entry("b"))["id"])["processing_status"] == "ended"
        assert client.batch(first["id"])["processing_status"] == "in_progress"
        assert client.post({"requests": [entry("c"), entry("d")]}).status_code == 400
        clock.forward(100)
        assert client.batch(first["id"])["processing_status"] == "ended"


def test_the_same_port_again(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    first = make_simulator(tmp_path)
    with Client(first) as client:
        batch = client.create(entry("a"))
        first.stop()
        port = int(first.url.rpartition(":")[2])
        assert make_simulator(tmp_path, port=port).url == first.url
        assert client.batch(batch["id"])["id"] == batch["id"]


def test_a_port_that_is_taken(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    port = int(make_simulator(tmp_path).url.rpartition(":")[2])
    with pytest.raises(OSError, match="Address already in use"):
        Simulator(tmp_path, port=port)


def test_stop_may_be_called_twice_or_too_early(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path)
    simulator.stop()
    simulator.stop()


def test_two_processes_share_a_folder(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from batchrun.simulator import *\n"
        "with Simulator(Path(sys.argv[1]), options=Options(process_seconds=0)) as s:\n"
        "    print(s.url, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    here = make_simulator(tmp_path)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with Client(here) as ours, Client(here) as theirs:
            theirs.base = f"{process.stdout.readline().strip()}/v1/messages/batches"
            clients = (ours, theirs) * 10
            with ThreadPoolExecutor(2) as pool:
                work = [
                    pool.submit(lambda c, n: [c.create(entry(f"r{n}-{m}"))["id"] for m in range(10)], c, n)
                    for n, c in enumerate((ours, theirs))
                ]
                created = [batch_id for made in work for batch_id in made.result()]
            batch_id = ours.create(*(entry(f"r{n}") for n in range(50)))["id"]
            with ThreadPoolExecutor(8) as pool:
                texts = list(pool.map(lambda c: c.get(f"{batch_id}/results").content, clients))
            pages = [client.get(limit=100).json()["data"] for client in (ours, theirs)]
        process.communicate("")
    assert process.returncode == 0
    assert len(texts[0].split(b"\n")) == 50
    assert len(set(texts)) == 1
    listed = [[batch["id"] for batch in page] for page in pages]
    in_order = sorted(ledger(tmp_path), key=lambda line: line["created_at"], reverse=True)
    assert listed[0] == listed[1] == [line["id"] for line in in_order]
    assert sorted(listed[0]) == sorted([*created, batch_id])


def test_every_call_is_logged(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    with Client(make_simulator(tmp_path, clock=Clock())) as client:
        batch_id = client.create(entry("a"))["id"]
        client.get("nothing")
    lines = [orjson.loads(line) for line in (tmp_path / "calls.jsonl").read_bytes().splitlines()]
    at = "2026-11-18T11:06:40.000000+00:00"
    assert lines == [
        {"at": at, "call": "create", "id": "", "status": 200},
        {"at": at, "call": "retrieve", "id": "nothing", "status": 404},
    ]
    assert batch_id.startswith("msgbatch_01")


def test_nothing_of_the_credential_is_stored(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    with Client(make_simulator(tmp_path), authorization="Bearer token-canary") as client:
        client.http.headers["x-api-key"] = "key-canary"
        client.run(entry("a"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert b"canary" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_full_size_batch(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    """The path of 100,000 requests, at a fifth of the length."""
    count = 20_000
    with Client(make_simulator(tmp_path)) as client:
        lines = b",".join(orjson.dumps(entry(f"row-{n}", f"text {n}")) for n in range(count))
        batch_id = client.post(b'{"requests":[' + lines + b"]}").json()["id"]
        assert client.batch(batch_id)["request_counts"]["succeeded"] == count
        results = client.results(batch_id)
    assert len(results) == count
    assert results["row-777"]["message"]["content"] == [{"type": "text", "text": "text 777"}]
    assert sorted(path.name for path in (tmp_path / "batches" / batch_id).iterdir()) == [
        "batch.json",
        "lock",
        "outcomes",
        "requests.jsonl",
        "results.jsonl",
    ]
    assert [path.name for path in tmp_path.glob(".incoming*")] == []


def test_what_a_killed_simulator_left_is_removed_in_time(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    old, new = tmp_path / ".incoming-old", tmp_path / ".incoming-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "body.json").write_bytes(b"{")
    os.utime(old, (0, 0))
    make_simulator(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_disk_that_fails_is_an_error_of_the_server(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    with Client(make_simulator(tmp_path)) as client:
        batch_id = client.create(entry("a"))["id"]
        requests = tmp_path / "batches" / batch_id / "requests.jsonl"
        requests.rename(tmp_path / "away")
        requests.mkdir()
        status, kind, message = error_of(client.get(batch_id))
        assert (status, kind) == (500, "api_error")
        assert "Is a directory" in message
        requests.rmdir()
        (tmp_path / "away").rename(requests)
        assert set(client.results(batch_id)) == {"a"}


def test_a_batch_deleted_by_many_at_once(make_simulator: MakeSimulator) -> None:
    simulator = make_simulator()
    with Client(simulator) as client:
        batch_id = client.create(entry("a"))["id"]

        def delete(_: int) -> int:
            with Client(simulator) as mine:
                return mine.delete(batch_id).status_code

        with ThreadPoolExecutor(8) as pool:
            codes = sorted(pool.map(delete, range(16)))
        assert set(codes) <= {200, 404}
        assert codes[0] == 200
        assert client.get(batch_id).status_code == 404
