"""SIGINT, SIGTERM and SIGHUP as an exception, at moments when leaving loses nothing.

The exception comes at once, except inside `shielded()`: there it waits for the end of the block, but no
longer than `GRACE` seconds, as leaving must never take five.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from batchrun.errors import Interrupted

GRACE = 3.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Use as a context manager, in the main thread only; elsewhere it does nothing."""

    def __init__(self) -> None:
        self._shields = 0
        self._pending = 0

    def __enter__(self) -> Interrupts:
        try:
            # What nohup, or a shell that put us in the background, has us ignore stays ignored.
            heard = [s for s in SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
            self._before = {s: signal.signal(s, self._on_signal) for s in heard}
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        except ValueError:  # not the main thread: signals are someone else's
            self._before = {}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """A block that should end before a signal is heard, such as a POST and the saving of its outcome."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if not self._shields:
                signal.setitimer(signal.ITIMER_REAL, 0)
        if self._pending and not self._shields:
            self._raise()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        again, self._pending = bool(self._pending), number
        if again or not self._shields:
            self._raise()
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        self._raise()

    def _raise(self) -> None:
        number, self._pending = self._pending or signal.SIGTERM, 0
        raise Interrupted(f"interrupted by {signal.Signals(number).name}", signal=number)
