"""What systemd wants to hear from a service of Type=notify. Where no socket is named, nothing is said."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def tell_systemd(words: str) -> None:
    """Send `READY=1`, `WATCHDOG=1` or the like (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path.startswith(("/", "@")):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(words.encode(), "\0" + path[1:] if path.startswith("@") else path)


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear `WATCHDOG=1`, at the least; None where it does not."""
    with suppress(ValueError):
        return int(os.environ.get("WATCHDOG_USEC", "")) / 1e6
    return None
