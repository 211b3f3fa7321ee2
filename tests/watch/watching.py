"""A watcher that runs over a bench's folder."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.workbench import PATIENCE, Bench, Ran

QUICK = ("--settle", "100ms", "--rescan", "200ms")


class Watch:
    def __init__(self, bench: Bench, process: subprocess.Popen[str]) -> None:
        self._bench, self.process = bench, process

    def until(self, happened: Callable[[], bool]) -> None:
        self._bench.until(self.process, happened)

    def until_there(self, *names: str) -> None:
        """Until all these files are in the folder."""
        self.until(lambda: all(self._bench.path(name).exists() for name in names))

    def leave(self, number: int = signal.SIGTERM) -> Ran:
        self.process.send_signal(number)
        return self._bench.finish(self.process, code=128 + number)


@contextmanager
def watching(bench: Bench, *args: str, driver: Sequence[str] = ()) -> Iterator[Watch]:
    """A watcher of `.`, told to leave at the end of the block if it did not before."""
    watch = Watch(bench, bench.start("watch", ".", *QUICK, *args, driver=driver))
    try:
        yield watch
    except BaseException:
        watch.process.kill()
        raise
    finally:
        if watch.process.poll() is None:
            watch.leave()


def put(path: Path, text: str) -> Path:
    """As a careful program puts a file: whole, by a rename."""
    part = path.with_name(".being-written")
    part.write_text(text)
    return part.rename(path)


def until_through(bench: Bench, *args: str, code: int = 0) -> str:
    """Make single passes until nothing is left unfinished; all that they told."""
    told, deadline = "", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ran = bench.run("watch", ".", "--once", "--settle", "50ms", *args)
        told += ran.stderr
        if ran.code != 75:
            break
    assert ran.code == code, (ran.code, told)
    return told
