"""`batchrun batches` as a person or a script calls it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import pytest

from batchrun import cli
from batchrun.client.batches import BatchesClient
from batchrun.simulator import Options, Simulator
from batchrun.units import format_size
from tests.conftest import MakeSimulator
from tests.rawserver import Call, Cut, RawServer, api_error, batch_json, http

PARAMS: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "Hi \u009b2J"}],
}
LINES = "".join(json.dumps({"custom_id": f"r-{n}", "params": PARAMS}) + "\n" for n in range(3))


KEY = "sk-secret"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Calling(Protocol):
    def __call__(self, url: str, *args: str | Path, key: str = KEY) -> Done: ...


def environment(url: str, key: str = KEY) -> dict[str, str]:
    return {**os.environ, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key}


def run(url: str, *args: str | Path, stdin: str = "") -> Done:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "batchrun", "batches", *map(str, args)]
    ran = subprocess.run(
        command, input=stdin, env=environment(url), capture_output=True, text=True, check=False, timeout=30
    )
    return Done(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Calling:
    """The command line in this process, parser and error boundary included: ten times faster than a new one."""

    def call(url: str, *args: str | Path, key: str = KEY) -> Done:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
        code = cli.run(["batches", *map(str, args)])
        captured = capfd.readouterr()
        assert KEY not in captured.out + captured.err
        return Done(code, captured.out, captured.err)

    return call


def on_terminal(url: str, *args: str | Path, typed: str) -> Done:
    """The command with stdin and stderr on a terminal, stdout a pipe."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "batchrun", "batches", *map(str, args)]
    with subprocess.Popen(
        command, env=environment(url), stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        while True:
            try:
                shown += os.read(ours, 1000)
            except OSError:  # the terminal's other end is closed
                break
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    return Done(process.returncode, out, shown.decode().replace("\r\n", "\n"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_text(LINES)
    return path


@pytest.fixture
def created(simulator: Simulator) -> str:
    with BatchesClient("k", base_url=simulator.url) as client:
        return client.create([json.loads(line) for line in LINES.splitlines()]).id


@pytest.fixture
def slow(make_simulator: MakeSimulator) -> Simulator:
    return make_simulator(options=Options(process_seconds=3600, cancel_seconds=3600, retry_after=None))


# ---- the whole way -------------------------------------------------------------------------------


def test_from_create_to_delete(call: Calling, simulator: Simulator, file: Path, tmp_path: Path) -> None:
    url = simulator.url
    made = call(url, "create", file, "--yes")
    id = made.out.strip()
    assert (made.code, made.err) == (0, "")
    assert id.startswith("msgbatch_")

    waited = call(url, "wait", id, "--poll-interval", "10ms", "--json")
    assert (waited.code, json.loads(waited.out)["processing_status"]) == (0, "ended")

    shown = call(url, "get", id)
    assert shown.out.splitlines()[:3] == [f"id        {id}", "status    ended", "requests  3 (3 succeeded)"]
    assert json.loads(call(url, "get", id, "--json").out)["id"] == id

    listed = call(url, "list")
    assert listed.out.splitlines()[1].startswith(f"{id}  ended")
    page = json.loads(call(url, "list", "--json").out)
    assert ([b["id"] for b in page["data"]], page["has_more"], page["last_id"]) == ([id], False, id)

    printed = call(url, "results", id)
    saved = call(url, "results", id, "-o", tmp_path / "out.jsonl")
    assert (printed.code, saved.code, saved.out, saved.err) == (0, 0, "", f"wrote {tmp_path / 'out.jsonl'}\n")
    assert printed.out == (tmp_path / "out.jsonl").read_text() + "\n"

    deleted = call(url, "delete", id, "--yes")
    assert (deleted.code, deleted.out) == (0, f"{id} deleted\n")
    gone = call(url, "get", id)
    assert (gone.code, gone.out) == (66, "")
    assert gone.err.splitlines()[0] == f"error: Message Batch {id} not found."


def test_create_from_stdin(simulator: Simulator) -> None:
    made = run(simulator.url, "create", "-", "--yes", "--json", stdin=LINES)
    assert json.loads(made.out)["request_counts"]["processing"] == 3


def test_paging(call: Calling, simulator: Simulator) -> None:
    with BatchesClient("k", base_url=simulator.url) as client:
        ids = [client.create([json.loads(LINES.splitlines()[0])]).id for _ in range(4)][::-1]
    first = call(simulator.url, "list", "--limit", "2")
    assert [line.split()[0] for line in first.out.splitlines()] == ["ID", *ids[:2]]
    assert first.err == f"more with --after-id {ids[1]}\n"
    rest = call(simulator.url, "list", "--limit", "1", "--after-id", ids[1], "--all", "--json")
    assert [json.loads(line)["id"] for line in rest.out.splitlines()] == ids[2:]
    newer = call(simulator.url, "list", "--limit", "1", "--before-id", ids[2])
    assert newer.err == f"more with --before-id {ids[1]}\n"


def test_an_empty_list(call: Calling, simulator: Simulator) -> None:
    assert call(simulator.url, "list") == Done(0, "", "no batches\n")


# ---- asking --------------------------------------------------------------------------------------


def test_a_script_must_say_yes(call: Calling, simulator: Simulator, file: Path, created: str) -> None:
    refused = call(simulator.url, "create", file)
    assert refused == Done(4, "", "error: nothing was submitted: nobody to ask here\nhint: add --yes\n")
    refused = call(simulator.url, "delete", created)
    assert refused == Done(4, "", "error: nothing was deleted: nobody to ask here\nhint: add --yes\n")
    with BatchesClient("k", base_url=simulator.url) as client:
        assert [b.id for b in client.list().data] == [created]


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 4), ("\n", 4)])
def test_a_person_is_asked(simulator: Simulator, file: Path, typed: str, code: int) -> None:
    size = format_size(len(LINES) - 1 + len('{"requests":[]}'))
    done = on_terminal(simulator.url, "create", file, typed=typed)
    assert done.code == code
    assert f"Submit 3 requests ({size}) to {simulator.url}? They cost money. [y/N]: " in done.err
    assert ("nothing was submitted" in done.err) is bool(code)
    assert done.out.startswith("msgbatch_") is not bool(code)


# ---- what goes wrong -----------------------------------------------------------------------------


def test_a_file_with_a_fault(call: Calling, simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"custom_id":"a","params":{}}\n{"custom_id":"a","params":{}}\n')
    done = call(simulator.url, "create", path, "--yes")
    assert done.code == 65
    assert done.err.splitlines() == [
        f"error: custom_id 'a' is also in {path}:1",
        f"  --> {path}:2",
        "hint: nothing was submitted",
    ]
    done = run(simulator.url, "create", "-", "--yes", stdin="nonsense")
    assert (done.code, done.err.splitlines()[1]) == (65, "  --> stdin:1")
    assert call(simulator.url, "create", tmp_path / "none", "--yes").code == 66


def test_no_key(call: Calling, simulator: Simulator) -> None:
    done = call(simulator.url, "list", key="")
    assert (done.code, done.err.splitlines()[0]) == (78, "error: no API key")


def test_a_lost_answer(call: Calling, file: Path) -> None:
    with RawServer(Cut(b"")) as server:
        done = call(server.url, "create", file, "--yes")
        assert len(server.seen) == 1
    assert (done.code, done.out) == (69, "")
    assert done.err.splitlines() == [
        f"error: no answer from {server.url}: the connection was closed",
        "hint: it may have been submitted: look with `batchrun batches list` before sending it again",
        "hint: check the network, ANTHROPIC_BASE_URL and HTTPS_PROXY",
    ]


def test_a_refused_create(call: Calling, file: Path) -> None:
    with RawServer(api_error(429, "rate_limit_error", "slow\x1b[2J down", request_id="req_9")) as server:
        done = call(server.url, "create", file, "--yes")
    assert done.err.splitlines() == [
        "error: slow�[2J down",
        "  --> HTTP 429 rate_limit_error req_9",
        "hint: nothing was submitted",
        "hint: too many requests, or too many waiting in batches: try again later",
    ]


def test_a_cancel(call: Calling, slow: Simulator, file: Path) -> None:
    id = call(slow.url, "create", file, "--yes").out.strip()
    done = call(slow.url, "cancel", id)
    assert (done.code, done.out.splitlines()[1]) == (0, "status    canceling")
    early = call(slow.url, "results", id)
    assert (early.code, early.out) == (75, "")
    assert early.err.splitlines()[0] == f"error: batch {id} is canceling: it has no results yet"
    busy = call(slow.url, "delete", id, "--yes")
    assert busy.code == 65
    assert busy.err.startswith("error: In progress batches cannot be deleted.")


def test_waiting_runs_out_of_time(call: Calling, slow: Simulator, file: Path) -> None:
    id = call(slow.url, "create", file, "--yes").out.strip()
    done = call(slow.url, "wait", id, "--poll-interval", "20ms", "--timeout", "0.1")
    assert (done.code, done.out) == (75, "")
    assert done.err.splitlines() == [
        f"{id} in_progress, 3 of 3 to go",
        f"error: batch {id} is in_progress after 0.1s",
        f"hint: it goes on without us; wait again with `batchrun batches wait {id}`",
    ]
    late = call(slow.url, "wait", id, "--timeout", "soon")
    assert late.code == 2
    assert "'soon' is not a duration" in late.err


def test_incomplete_results_are_not_passed_off_as_all(call: Calling, tmp_path: Path) -> None:
    line = b'{"custom_id":"a","result":{"type":"expired"}}'
    replies = http(batch_json("b", "ended", expired=2)), http(line)
    with RawServer(*replies) as server:
        done = call(server.url, "results", "b")
    assert (done.code, done.out) == (69, line.decode() + "\n")
    assert done.err.startswith("error: the results hold 1 of 2 expired\n")


# ---- signals -------------------------------------------------------------------------------------


def interrupted(url: str, *args: str | Path, number: signal.Signals, when: Callable[[Any], None]) -> Done:
    command = [sys.executable, "-m", "batchrun", "batches", *map(str, args)]
    with subprocess.Popen(
        command, env=environment(url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        when(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    return Done(process.returncode, out, err)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_waiting(
    call: Calling, slow: Simulator, file: Path, number: signal.Signals, code: int
) -> None:
    id = call(slow.url, "create", file, "--yes").out.strip()
    done = interrupted(slow.url, "wait", id, number=number, when=lambda p: p.stderr.readline())
    assert done.code == code
    assert done.err.splitlines() == [
        f"error: interrupted by {number.name}",
        f"hint: the batch goes on; stop it with `batchrun batches cancel {id}`",
    ]


def test_a_second_signal_while_submitting_says_what_may_have_become_of_it(file: Path) -> None:
    arrived = Event()

    def stall(connection: Any) -> None:
        arrived.set()
        connection.recv(1)

    def first(process: Any) -> None:
        assert arrived.wait(20)
        process.send_signal(signal.SIGINT)

    with RawServer(Call(stall)) as server:
        done = interrupted(server.url, "create", file, "--yes", number=signal.SIGTERM, when=first)
    assert done.code == 143
    assert done.err.splitlines() == [
        "error: interrupted by SIGTERM while submitting",
        "hint: it may have been submitted: look with `batchrun batches list` before sending it again",
    ]


# ---- help ----------------------------------------------------------------------------------------


@pytest.fixture(params=["create", "get", "list", "results", "cancel", "delete", "wait"])
def verb(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_help_leads_with_examples(verb: str) -> None:
    from batchrun.commands.batches import command

    text = command.commands[verb].help or ""
    assert f"batchrun batches {verb}" in text.split("\b\n")[1].split("\n\n")[0]
