from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from batchrun.cost.amounts import Estimate, Tally
from batchrun.errors import Problem
from batchrun.lifecycle import events
from batchrun.lifecycle.state import Expansion, Intent, Phase, Reason, RunState, SentBatch, Shard
from batchrun.lifecycle.transitions import apply
from batchrun.model import Batch, ProcessingStatus, RequestCounts
from batchrun.render.progress import HEARTBEAT, LineProgress, LiveProgress, line_of, under_way, waiting_line
from tests.conftest import MakeSimulator
from tests.states import collected
from tests.workbench import PATIENCE, Bench

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def batch(
    name: str = "msgbatch_01A",
    status: ProcessingStatus = ProcessingStatus.IN_PROGRESS,
    counts: RequestCounts | None = None,
) -> Batch:
    return Batch(name, status, counts or RequestCounts(processing=1200), NOW, NOW + timedelta(days=1))


def shard(**changes: object) -> Shard:
    plain = Shard("0001", "n" * 16, 1200, 2_500_000, "", Estimate())
    return replace(plain, **changes)  # type: ignore[arg-type]


def sent(counts: RequestCounts | None = None) -> SentBatch:
    counts = counts or RequestCounts(processing=1200)
    return SentBatch("msgbatch_01A", NOW, NOW + timedelta(days=1), "in_progress", counts)


def state_of(*shards: Shard) -> RunState:
    return RunState("job", "job.yaml", "anthropic", "http://127.0.0.1:1", shards=shards)


PLANNED = state_of(shard())
SUBMITTING = state_of(shard(phase=Phase.SUBMITTING, intent=Intent(0.0, NOW, "c")))
CANCELED = replace(SUBMITTING, canceled=True)
RUNNING = state_of(shard(phase=Phase.SUBMITTED, batch=sent()))
UNREACHED = state_of(shard(phase=Phase.SUBMITTED, batch=sent(), detail="no answer"))
EXPANSION = Expansion((), (), (), "000001.jsonl", "", 2000, 1500, "")
TALLY = Tally(RequestCounts(succeeded=1199, expired=1), {}, {"end_turn": 1199}, cost_usd=1.5)


@pytest.mark.parametrize(
    "before, event, line",
    [
        (
            PLANNED,
            events.Prepared(EXPANSION, (shard(),)),
            "2,000 rows: 1,200 new requests in 1 shard, 300 already asked",
        ),
        (PLANNED, events.Prepared(EXPANSION, ()), "2,000 rows: no new requests, 1,500 already asked"),
        (
            PLANNED,
            events.SubmitStarted("0001", Intent(0.0, NOW, "c")),
            "shard 0001: submitting 1,200 requests, 2.5 MB",
        ),
        (SUBMITTING, events.SubmitAccepted("0001", batch(), 0.0), "shard 0001: submitted as msgbatch_01A"),
        (
            SUBMITTING,
            events.SubmitDeferred("0001", 0.0, "Overloaded"),
            "shard 0001: not submitted yet: Overloaded",
        ),
        (
            SUBMITTING,
            events.SubmitRefused("0001", Reason.REJECTED, "bad beta"),
            "shard 0001: refused, nothing was submitted: bad beta",
        ),
        (
            SUBMITTING,
            events.SubmitUnknown("0001", "no answer"),
            "shard 0001: may have been submitted (no answer); looking for it",
        ),
        (
            SUBMITTING,
            events.Listed("0001", 0.0, (), 0.0),
            "shard 0001: no batch that could be it; looking again before sending anything",
        ),
        (
            SUBMITTING,
            events.Listed("0001", 0.0, (batch(),), 0.0),
            "shard 0001: found as msgbatch_01A; its results will prove it",
        ),
        (
            SUBMITTING,
            events.Listed("0001", 0.0, (batch(), batch("msgbatch_01B")), 0.0),
            "shard 0001: held: 2 batches could be it",
        ),
        (
            SUBMITTING,
            events.Unclear("0001", 0.0, (batch(),), 0.0),
            "shard 0001: found as msgbatch_01A; its results will prove it",
        ),
        (
            SUBMITTING,
            events.Unclear("0001", 0.0, (batch(), batch("msgbatch_01B")), 0.0),
            "shard 0001: how many requests msgbatch_01A and 1 more have is not told: each could be its batch",
        ),
        (SUBMITTING, events.ProvenLost("0001"), "shard 0001: no batch of it exists: submitting it again"),
        (CANCELED, events.ProvenLost("0001"), "shard 0001: no batch of it exists"),
        (SUBMITTING, events.Held("0001", Reason.CREDENTIAL, "another key"), "shard 0001: held: another key"),
        (RUNNING, events.Polled("0001", batch(), 0.0), None),
        (
            RUNNING,
            events.Polled("0001", batch(counts=RequestCounts(processing=200, succeeded=1000)), 0.0),
            "shard 0001: in progress, 1,000 of 1,200",
        ),
        (
            RUNNING,
            events.Polled("0001", batch(status=ProcessingStatus.CANCELING), 0.0),
            "shard 0001: canceling",
        ),
        (
            RUNNING,
            events.Unseen("0001", 0.0, 0.0, "no answer"),
            "shard 0001: cannot be looked at now: no answer",
        ),
        (UNREACHED, events.Unseen("0001", 0.0, 0.0, "no answer"), None),
        (
            RUNNING,
            events.Fetched("0001", TALLY, {}),
            "shard 0001: results are complete: 1,199 succeeded, 1 expired; $1.50",
        ),
        (
            RUNNING,
            events.FetchFailed("0001", 0.0, "the results are not complete"),
            "shard 0001: the results are not complete",
        ),
        (
            RUNNING,
            events.Replaced("0001", (shard(id="0002"), shard(id="0003"))),
            "shard 0001: its requests now stand in 0002, 0003",
        ),
        (RUNNING, events.Retried(("0001",), (shard(id="0002", requests=1),)), "1 row to be tried again"),
        (RUNNING, events.Retried(("0001",), ()), None),
        (RUNNING, events.CancelAsked(("0001",)), None),
        (RUNNING, events.OutputGone(), None),
        (RUNNING, events.OutputTouched(collected().output), None),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_happened(before: RunState, event: events.Event, line: str | None) -> None:
    assert line_of(event, before, apply(before, event)) == line


def test_what_is_waited_for() -> None:
    now = NOW.timestamp() + 3900
    assert waiting_line(now + 60, RUNNING, now) == "waiting: 1 batch, 1,200 requests, for 1h 5m"
    assert waiting_line(now + 60, PLANNED, now) == "waiting 1m before looking again"


def test_a_heartbeat_at_first_and_after_a_silence() -> None:
    now = [NOW.timestamp()]
    stream = io.StringIO()
    progress = LineProgress(stream, lambda: now[0])
    progress.waiting(now[0] + 60, RUNNING)
    progress.waiting(now[0] + 60, RUNNING)
    first = "waiting: 1 batch, 1,200 requests, for 0s\n"
    assert stream.getvalue() == first
    now[0] += HEARTBEAT
    progress.waiting(now[0] + 60, RUNNING)
    progress.waiting(now[0] + 60, RUNNING)
    assert stream.getvalue() == first + "waiting: 1 batch, 1,200 requests, for 1m\n"


def test_what_is_waited_for_in_trouble() -> None:
    unseen = events.Unseen("0001", 0.0, 0.0, "connection refused")
    line = waiting_line(NOW.timestamp() + 60, apply(RUNNING, unseen), NOW.timestamp())
    assert line == "waiting: 1 batch, 1,200 requests, for 0s; the last look failed: connection refused"


def polled(done: int) -> events.Polled:
    return events.Polled("0001", batch(counts=RequestCounts(processing=1200 - done, succeeded=done)), 0.0)


def test_counts_are_told_once_a_heartbeat() -> None:
    now = [NOW.timestamp()]
    stream = io.StringIO()
    progress = LineProgress(stream, lambda: now[0])
    state = RUNNING
    for done in range(100, 1200, 100):
        after = apply(state, polled(done))
        progress.event(polled(done), state, after)
        state = after
        now[0] += HEARTBEAT / 5
    canceling = events.Polled("0001", batch(status=ProcessingStatus.CANCELING), 0.0)
    progress.event(canceling, state, apply(state, canceling))
    assert stream.getvalue() == (
        "shard 0001: in progress, 100 of 1,200\n"
        "shard 0001: in progress, 600 of 1,200\n"
        "shard 0001: in progress, 1,100 of 1,200\n"
        "shard 0001: canceling\n"
    )


def test_warnings() -> None:
    stream = io.StringIO()
    LineProgress(stream, NOW.timestamp).warning(
        Problem("unknown", "job.yaml:1:2", "did you mean 'x'?", "request.model")
    )
    assert stream.getvalue() == (
        "warning: request.model: unknown\n  --> job.yaml:1:2\nhint: did you mean 'x'?\n"
    )


def test_foreign_words_are_made_plain() -> None:
    stream = io.StringIO()
    event = events.SubmitDeferred("0001", 0.0, "a\x1b[31mb\nc\u202e")
    LineProgress(stream, NOW.timestamp).event(event, SUBMITTING, apply(SUBMITTING, event))
    assert stream.getvalue() == "shard 0001: not submitted yet: a\ufffd[31mb c\ufffd\n"


# ---- on a terminal -----------------------------------------------------------------------------


def shown(state: RunState) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(under_way(state, NOW.timestamp() + 3900))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_view_of_one_shard() -> None:
    assert shown(apply(RUNNING, polled(300))) == ["  0001  1,200 requests  in progress, 300 of 1,200  1h 5m"]


def test_the_view_of_several_shards_has_a_total() -> None:
    running = [apply(RUNNING, polled(300)).shards[0], shard(id="0002", phase=Phase.SUBMITTING)]
    assert shown(state_of(*running, shard(id="0003"))) == [
        "  0001   1,200 requests  in progress, 300 of 1,200  1h 5m",
        "  0002   1,200 requests  submitting",
        "  total  2,400 requests  300 of 2,400",
    ]
    assert shown(state_of(*[running[1]] * 10))[-2:] == [
        "         and 2 more shards",
        "  total  12,000 requests",
    ]


def test_only_a_change_of_status_scrolls_by() -> None:
    stream = io.StringIO()
    live = LiveProgress(stream, NOW.timestamp)
    live.warning(Problem("a [b]", "job.yaml"))
    for event in (polled(300), events.Polled("0001", batch(status=ProcessingStatus.CANCELING), 0.0)):
        live.event(event, RUNNING, apply(RUNNING, event))
    live.close()
    assert stream.getvalue() == "warning: a [b]\n  --> job.yaml\nshard 0001: canceling\n"


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


def on_a_terminal(bench: Bench, *args: str, answer: str = "", **env: str) -> tuple[int, str]:
    """Run `batchrun args…` with stdin and stderr on a terminal of 80 columns: exit code, what it showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "batchrun", *args],
        cwd=bench.folder,
        env=bench.environment(**env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            seen += piece
            if answer and b"Submit?" in seen:
                os.write(ours, answer.encode())
                answer = ""
    os.close(ours)
    return process.wait(PATIENCE), seen.decode()


ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def test_a_live_view_on_a_terminal(bench: Bench) -> None:
    bench.serve(seconds=1)
    bench.job(rows=3, poll={"interval": "300ms"})
    code, seen = on_a_terminal(bench, "run")
    assert code == 0
    assert "0001  3 requests  in progress  0." in ESCAPE.sub("", seen)
    assert "\x1b[32m3 of 3 rows succeeded\x1b[0m" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is back
    lines = re.split(r"[\r\n]+", ESCAPE.sub("", seen))
    assert max(map(len, lines)) <= 80


def test_no_color(bench: Bench) -> None:
    bench.job(rows=3)
    _, seen = on_a_terminal(bench, "run", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", seen)


def test_a_dumb_terminal_gets_lines(bench: Bench) -> None:
    bench.job(rows=3)
    _, seen = on_a_terminal(bench, "run", TERM="dumb")
    assert "\x1b" not in seen
    assert "shard 0001: ended" in seen


def test_a_pipe_gets_no_escapes(bench: Bench) -> None:
    bench.job(rows=3)
    assert "\x1b" not in bench.run("run", FORCE_COLOR="1").stderr


def test_asks_before_a_first_spend(bench: Bench) -> None:
    bench.job(rows=3, limits=None)
    code, seen = on_a_terminal(bench, "run", answer="n\n")
    assert code == 4
    assert "This may cost up to $0.00052, and the spec sets no budget. Submit? [y/N]:" in seen
    assert bench.ledger() == []
    code, seen = on_a_terminal(bench, "run", answer="y\n")
    assert code == 0
    assert len(bench.ledger()) == 1
