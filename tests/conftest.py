"""Fixtures for every test: nothing leaves the machine, nothing reads the person's environment or home."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from batchrun.simulator import Options, Simulator

FAST = Options(process_seconds=0.0, cancel_seconds=0.0, retry_after=None)


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


@pytest.fixture(autouse=True)
def guarded_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, no proxies, an empty home: for this process and those it starts."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "BATCHRUN_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


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
