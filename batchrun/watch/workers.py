"""A bounded number of worker processes, forked from a server that has imported everything and runs no thread."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from threading import Thread
from typing import Any

import orjson

from batchrun.codec import decode
from batchrun.units import format_duration
from batchrun.watch.entry import main
from batchrun.watch.orders import Order, Passed

PRELOAD = "batchrun.watch.warm"
LEAVING = 4.0
"""Seconds that workers get to leave by themselves: they give up whatever they do after 3.5 (interrupts)."""
START_LIMIT, END_LIMIT = 120.0, 10.0
"""Seconds in which the server has a worker started (the first time, it imports everything), and in which it tells
how one ended. One that somebody stopped would hold us for ever."""


@dataclass(eq=False, slots=True)
class Worker:
    order: Order
    process: ForkServerProcess
    pipe: Connection
    heard: float
    tag: Any
    passed: Passed | None = None
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker said: a line of progress, or (`over`) the end; then `passed` is None if it died without a
    word, and `how` says how: not at all, if we told it to leave."""

    tag: Any
    line: str = ""
    job: str = ""
    over: bool = False
    passed: Passed | None = None
    how: str = ""


class Workers:
    """`leaving` is asked while a worker is started: whether that has no point any more."""

    def __init__(self, size: int, time_limit: float, leaving: Callable[[], int] = lambda: 0) -> None:
        self.size, self._time_limit, self._gone = size, time_limit, leaving
        self.running: list[Worker] = []
        self._leaving = False
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])

    @property
    def free(self) -> int:
        return self.size - len(self.running)

    def start(self, order: Order, tag: Any) -> None:
        """Begin a pass; `tag` comes back with all that is told of it. Raises OSError."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=main, args=(order, theirs))
        try:
            self._start(process)
        except (OSError, EOFError) as error:
            ours.close()
            if isinstance(error, EOFError | ConnectionError):  # it was killed; a later start makes another
                raise ChildProcessError("the process that starts the jobs' processes has ended") from error
            raise
        finally:
            theirs.close()
        self.running.append(Worker(order, process, ours, time.monotonic(), tag))

    def _start(self, process: ForkServerProcess) -> None:
        """In a thread: a server that does not answer must not keep us from leaving. Raises OSError, EOFError."""
        faults: list[OSError | EOFError] = []

        def start() -> None:
            try:
                process.start()
            except (OSError, EOFError) as error:
                faults.append(error)

        starting, deadline = Thread(target=start, daemon=True), time.monotonic() + START_LIMIT
        try:
            starting.start()
        except RuntimeError as error:  # a limit of the user's or the container's; it may pass
            raise OSError("cannot start a thread") from error
        while starting.is_alive():
            starting.join(0.2)
            if starting.is_alive() and (self._gone() or time.monotonic() > deadline):
                _end_server()
                starting.join()
        if faults:
            raise faults[0]

    def wait(self, timeout: float, others: Sequence[Any] = ()) -> list[Any]:
        """Until somebody says something, `others` included, or `timeout` seconds have passed."""
        return wait([*(w.pipe for w in self.running), *others], timeout)

    def told(self) -> Iterator[Told]:
        """All that was said since."""
        for worker in list(self.running):
            yield from self._hear(worker)
        for worker in self.running:
            if not worker.killed and time.monotonic() - worker.heard > self._time_limit:
                worker.killed = True
                worker.process.kill()

    def _hear(self, worker: Worker) -> Iterator[Told]:
        try:
            while worker.pipe.poll():
                said = orjson.loads(worker.pipe.recv_bytes())
                worker.heard = time.monotonic()
                if "line" in said:
                    yield Told(worker.tag, line=said["line"], job=said["job"])
                else:
                    worker.passed = decode(Passed, said["passed"])
        except (EOFError, OSError):
            yield self._over(worker)

    def _over(self, worker: Worker) -> Told:
        worker.process.join(0.2 if self._leaving else END_LIMIT)
        if worker.process.exitcode is None:
            _end_server()
            worker.process.join()
        self.running.remove(worker)
        code = worker.process.exitcode or 0
        worker.pipe.close()
        worker.process.close()
        how = f"ended with {code}"
        if self._leaving:
            how = ""
        elif worker.killed:
            how = f"did nothing for {format_duration(self._time_limit)} and was stopped"
        elif code < 0:
            with suppress(ValueError):
                how = f"was ended by {signal.Signals(-code).name}"
        return Told(worker.tag, over=True, passed=worker.passed, how=how)

    def leave(self) -> Iterator[Told]:
        """Tell all workers to leave; those that do not in time are ended, which costs nothing but time."""
        self._leaving = True
        for worker in self.running:
            worker.process.terminate()
        deadline = time.monotonic() + LEAVING
        while self.running and (left := deadline - time.monotonic()) > 0:
            self.wait(left)
            yield from self.told()
        for worker in self.running:
            worker.process.kill()
        while self.running:
            self.wait(1.0)
            yield from self.told()


def _end_server() -> None:
    """End the server that workers are forked from; the next start makes another. Its workers go on."""
    server: Any = forkserver
    if pid := server._forkserver._forkserver_pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
