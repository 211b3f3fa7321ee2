"""A command as a hook: no shell, a time limit for it and its children, and no more than a line of what it says."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

from batchrun.model import Hook
from batchrun.safetext import plain
from batchrun.units import format_duration

_TAIL = 2000
_NAP = 0.1


def run(hook: Hook, body: bytes, environ: Mapping[str, str], timeout: float) -> str:
    """Run the command in the folder of the file that names it, with `body` on stdin; what went wrong, or "".

    What it prints is read, so that it never blocks, and dropped but for its end.
    """
    try:
        with tempfile.TemporaryFile() as stdin:
            stdin.write(body)
            stdin.seek(0)
            process = _start(hook, stdin, environ)
    except OSError as error:
        return f"cannot be started: {error.strerror or error}"
    except ValueError as error:  # such as a NUL in the environment
        return f"cannot be started: {plain(str(error))}"
    with process:
        try:
            said = _until_end(process, time.monotonic() + timeout)
        finally:
            ended = process.poll() is not None
            if not ended:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            assert process.stdout is not None
            process.stdout.close()  # before waiting: a child of it may hold the other end for ever
    if not ended:
        return f"took longer than {format_duration(timeout)}, and was stopped"
    return _fault(process.returncode, said)


def _start(hook: Hook, stdin: IO[bytes], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """In a session of its own: so that all of it can be stopped, and a Ctrl-C is for us alone. Files of ours,
    the lock among them, are not inherited."""
    return subprocess.Popen(
        list(hook.run),
        cwd=hook.folder,
        env=dict(environ),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        bufsize=0,
    )


def _until_end(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The end of what the process says, once it has ended, or at the deadline."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    tail, silent = b"", False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if silent:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(deadline - time.monotonic(), 0.0))
                break
            ready = selector.select(min(_NAP, max(deadline - time.monotonic(), 0.0)))
            piece = process.stdout.read(1 << 16) if ready else None
            if piece:
                tail = (tail + piece)[-_TAIL:]
            elif piece == b"":
                silent = True
            elif process.poll() is not None:  # a child of it keeps the pipe open: it need not wait for that
                break
    return tail


def _fault(code: int, said: bytes) -> str:
    if code == 0:
        return ""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    words = f": {plain(lines[-1])}" if lines else ""
    if code < 0:
        return f"was ended by signal {-code}{words}"
    return f"exit code {code}{words}"
