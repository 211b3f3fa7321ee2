"""Events of the file system, as a nudge to look again. They may be lost, late or wrong: nothing depends on them.

A nudge is a byte in a pipe, so that one wait covers events, workers and signals.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler

POLL_SECONDS = 2.0


class Nudges(FileSystemEventHandler):
    """Watches folders, each from when it is there; a folder that comes back is watched anew."""

    def __init__(self, kind: str, folders: Sequence[Path]) -> None:
        """`kind` is native, polling or none."""
        self._folders = folders
        self._watched: dict[Path, tuple[Any, tuple[int, int]]] = {}
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._observer: Any = None
        if kind != "none":
            # What it has to say of threads that end is for nobody.
            logging.getLogger("watchdog").setLevel(logging.CRITICAL)
            self._observer = _observer(kind)
            self._observer.start()
        self.follow()

    @property
    def writer(self) -> int:
        """For signals, which should end a wait too."""
        return self._writer

    def follow(self) -> None:
        """Watch the folders that are there and are not watched yet. Where that fails, scans do without."""
        if self._observer is None:
            return
        for folder in self._folders:
            with suppress(OSError, RuntimeError, KeyError):
                self._follow(folder)

    def _follow(self, folder: Path) -> None:
        known = self._watched.get(folder)
        about = folder.stat() if folder.is_dir() else None
        now = (about.st_dev, about.st_ino) if about else None
        if known and known[1] != now:
            del self._watched[folder]
            self._observer.unschedule(known[0])
        if now and folder not in self._watched:
            self._watched[folder] = (self._observer.schedule(self, str(folder)), now)

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in ("opened", "closed_no_write"):  # as by our own scans
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
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(1.0)
        os.close(self.reader)
        os.close(self._writer)


def _observer(kind: str) -> Any:
    if kind == "polling":
        from watchdog.observers.polling import PollingObserver

        return PollingObserver(timeout=POLL_SECONDS)
    from watchdog.observers import Observer

    return Observer()
