"""Real processes, real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from batchrun.interrupts import GRACE, SIGNALS, Interrupts

HEAD = """
import signal, sys, time
from batchrun.errors import Interrupted
from batchrun.interrupts import Interrupts

def say(text):
    print(text, flush=True)

def body(interrupts):
    {body}

try:
    with Interrupts() as interrupts:
        {before}
        body(interrupts)
        say("end")
except Interrupted as error:
    say(f"{{error}}: {{error.signal}}")
"""
SLEEP = "say('ready'); time.sleep(20)"
SHIELDED = """
    with interrupts.shielded():
        say("ready")
        sys.stdin.readline()
        say("saved")
    say("after")
"""


@contextmanager
def process(
    body: str, *, before: str = "pass", ignoring: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    ignore: Callable[[], object] | None = None
    if ignoring is not None:
        ignore = lambda: signal.signal(ignoring, signal.SIG_IGN)  # noqa: E731
    child = subprocess.Popen(
        [sys.executable, "-c", HEAD.format(body=body, before=before)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=ignore,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ending(child: subprocess.Popen[str], answer: str = "") -> list[str]:
    said, _ = child.communicate(answer, timeout=30)
    assert child.returncode == 0
    return said.splitlines()


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_a_shield_it_comes_at_once(number: signal.Signals) -> None:
    with process(SLEEP) as child:
        started = time.monotonic()
        child.send_signal(number)
        assert ending(child) == [f"interrupted by {number.name}: {number.value}"]
        assert time.monotonic() - started < GRACE


@pytest.mark.parametrize("number", SIGNALS)
def test_inside_a_shield_it_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    with process(SHIELDED) as child:
        child.send_signal(number)
        assert ending(child, "go on\n") == ["saved", f"interrupted by {number.name}: {number.value}"]


def test_shields_within_shields() -> None:
    nested = """
    with interrupts.shielded():
        with interrupts.shielded():
            say("ready")
            sys.stdin.readline()
        say("inner")
    say("outer")
"""
    with process(nested) as child:
        child.send_signal(signal.SIGTERM)
        assert ending(child, "go on\n") == ["inner", "interrupted by SIGTERM: 15"]


def test_twice_means_now() -> None:
    with process(SHIELDED) as child:
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)  # two signals at once would be one
        child.send_signal(signal.SIGTERM)
        assert child.stdout is not None
        assert child.stdout.readline() == "interrupted by SIGTERM: 15\n"


def test_a_shield_holds_for_less_than_five_seconds() -> None:
    with process(SHIELDED) as child:
        started = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.stdout is not None
        assert child.stdout.readline() == "interrupted by SIGTERM: 15\n"
        assert GRACE - 0.5 < time.monotonic() - started < 5


def test_a_signal_between_shields_is_not_forgotten() -> None:
    failing = """
    try:
        with interrupts.shielded():
            say("ready")
            sys.stdin.readline()
            raise OSError
    except OSError:
        say("failed")
    with interrupts.shielded():
        pass
    say("after")
"""
    with process(failing) as child:
        child.send_signal(signal.SIGTERM)
        assert ending(child, "go on\n") == ["failed", "interrupted by SIGTERM: 15"]


def test_without_a_signal_nothing_happens() -> None:
    with process(SHIELDED) as child:
        assert ending(child, "go on\n") == ["saved", "after", "end"]


def test_what_is_ignored_stays_ignored() -> None:
    """As under nohup, or in the background of a shell without job control."""
    with process(SHIELDED, ignoring=signal.SIGHUP) as child:
        child.send_signal(signal.SIGHUP)
        assert ending(child, "go on\n") == ["saved", "after", "end"]


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)]
    with Interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before[:3]
    assert [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)] == before


def test_in_another_thread_signals_are_someone_elses() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[bool] = []

    def work() -> None:
        with Interrupts() as interrupts, interrupts.shielded():
            seen.append([signal.getsignal(number) for number in SIGNALS] == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
