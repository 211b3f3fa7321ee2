"""Fixtures for every test: nothing leaves the machine, nothing reads the person's environment or home."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from batchrun.simulator import Options, Simulator
from tests.trials.tally import Campaign, Tally, table

FAST = Options(process_seconds=0.0, cancel_seconds=0.0, retry_after=None)


# How long a single example may take is a question to the machine, and to who else is on it.
settings.register_profile("batchrun", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("batchrun")


class MakeSimulator(Protocol):
    """Start a simulator; it is stopped when the test ends. The same `state` again is a restart."""

    def __call__(
        self,
        state: Path | None = None,
        *,
        options: Options = FAST,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> Simulator: ...


# Tests in the background of a shell, or under nohup, are told to ignore these, and what they start would do the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: to this process, the network beyond loopback is down."""
    if event == "socket.getaddrinfo" and not _is_here(arguments[0]):
        raise socket.gaierror(socket.EAI_NONAME, f"no network in tests: {arguments[0]!r}")
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_here(address[0]):
            raise OSError(errno.ENETUNREACH, f"no network in tests: {address[0]!r}")


def _is_here(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    return text in ("localhost", "::1", "0.0.0.0", "::") or text.startswith("127.")


sys.addaudithook(_loopback_only)  # for the life of the process: there is no way to take one off


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def guarded_environment(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, no proxies, an empty home: for this process and those it starts."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "BATCHRUN_", "XDG_", "NETRC")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(empty_home))


@pytest.fixture
def make_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSimulator]:
    with ExitStack() as running:

        def make(
            state: Path | None = None,
            *,
            options: Options = FAST,
            port: int = 0,
            clock: Callable[[], float] = time.time,
        ) -> Simulator:
            folder = state or tmp_path_factory.mktemp("simulator")
            return running.enter_context(Simulator(folder, port=port, options=options, clock=clock))

        yield make


@pytest.fixture
def simulator(make_simulator: MakeSimulator) -> Simulator:
    """A simulator whose batches end at once."""
    return make_simulator()


# ---- trials (tests/trials) -----------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trials", type=Path, metavar="FILE", help="count trials in FILE and print a table")


def pytest_configure(config: pytest.Config) -> None:
    report: Path | None = config.getoption("--trials")
    if report is not None and not hasattr(config, "workerinput"):  # the one process that every run has
        report.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    report: Path | None = config.getoption("--trials")
    if report is not None and (lines := table(report)):
        terminalreporter.section("trials")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Tally:
    """Begins a campaign of trials; its counts go to the report, where there is one."""
    report: Path | None = pytestconfig.getoption("--trials")
    return lambda name: Campaign(name, report and report.absolute())
