"""Events of the file system, as a nudge to look again. They may be lost, late or wrong: nothing depends on them.

A nudge is a byte in a pipe, so that one wait covers events, workers and signals.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler

POLL_SECONDS = 2.0
WITHOUT = 10.0
"""Seconds between two scans, at the most, where there should be events and are none."""

_ENDED = "the observer has ended"

_OF_THE_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ESTALE)
"""What keeps one folder from being watched for now; anything else is the system's refusal."""


class Nudges(FileSystemEventHandler):
    """Watches folders, each from when it is there; a folder that comes back is watched anew."""

    def __init__(
        self, kind: str, folders: Sequence[Path], lost: Callable[[str], None] = lambda _: None
    ) -> None:
        """`kind` is native, polling or none. `lost` is told once, with the reason, when there are no events any
        more: the system gives none, or what passes them on has failed."""
        self._folders, self._lost = folders, lost
        self._watched: dict[Path, tuple[Any, tuple[int, int]]] = {}
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._observer: Any = None
        self.failed = False
        """Whether there should be events, and are none."""
        self._fault: Exception | None = None
        self._before = threading.excepthook
        if kind != "none":
            # What it has to say of threads that end is for nobody.
            logging.getLogger("watchdog").setLevel(logging.CRITICAL)
            threading.excepthook = self._thread_ended
            with self._or_without():
                self._observer = _observer(kind)
                self._observer.start()
        self.follow()

    @property
    def writer(self) -> int:
        """For signals, which should end a wait too."""
        return self._writer

    def follow(self) -> None:
        """Watch the folders that are there and are not watched yet. Where that fails, scans do without."""
        with self._or_without():
            if self._fault is not None:
                raise self._fault
            if self._observer is None:
                return
            if not self._observer.is_alive():
                raise RuntimeError(_ENDED)
            for folder in self._folders:
                self._follow(folder)

    def _follow(self, folder: Path) -> None:
        known = self._watched.get(folder)
        about = folder.stat() if folder.is_dir() else None
        now = (about.st_dev, about.st_ino) if about else None
        if known and known[1] != now:
            del self._watched[folder]
            with suppress(KeyError):
                self._observer.unschedule(known[0])
        if now and folder not in self._watched:
            with _unless_it_is_the_folder():
                self._watched[folder] = (self._observer.schedule(self, str(folder)), now)

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        """Whatever the observer raises, no event is worth a watcher: its libraries differ by the system, and so do
        their errors."""
        try:
            yield
        except Exception as error:
            self._stop()
            self._fault = None
            if not self.failed:
                self.failed = True
                self._lost(
                    (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
                )

    def _thread_ended(self, args: threading.ExceptHookArgs) -> None:
        """In a thread of the observer's: the next scan tells of it, instead of a traceback now."""
        if not type(args.thread).__module__.startswith("watchdog."):
            self._before(args)
            return
        self._fault = args.exc_value if isinstance(args.exc_value, Exception) else RuntimeError(_ENDED)
        self._nudge()

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in ("opened", "closed_no_write"):  # as by our own scans
            self._nudge()

    def _nudge(self) -> None:
        with suppress(BlockingIOError):  # full: it is nudged enough
            os.write(self._writer, b"!")

    def heard(self) -> bool:
        """Whether there was a nudge since the last time."""
        heard = False
        with suppress(BlockingIOError):
            while os.read(self.reader, 4096):
                heard = True
        return heard

    def close(self) -> None:
        self._stop()
        threading.excepthook = self._before
        os.close(self.reader)
        os.close(self._writer)

    def _stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            with suppress(Exception):  # one that never began, or is broken, need not end well
                observer.stop()
                observer.join(1.0)


@contextmanager
def _unless_it_is_the_folder() -> Iterator[None]:
    """A folder that went away, or may not be read, is looked for at each scan."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_FOLDER:
            raise


def _observer(kind: str) -> Any:
    if kind == "polling":
        from watchdog.observers.polling import PollingObserver

        return PollingObserver(timeout=POLL_SECONDS)
    from watchdog.observers import Observer

    return Observer()
