"""A crash file: the traceback of a bug, without values and without secrets."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import traceback

from batchrun import __version__
from batchrun.errors import Problem

_SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_KEY = re.compile(r"sk-ant-[A-Za-z0-9_-]+|(?i:bearer) \S+")


def bug(error: Exception) -> Problem:
    """What to tell of an error that nobody foresaw, with a crash file where there is room for one."""
    told = f"{path} tells more; " if (path := write_crash(error)) else ""
    return Problem(f"a bug in batchrun: {type(error).__name__}", hint=f"{told}running it again is safe")


def write_crash(error: BaseException) -> str | None:
    """Write the crash file, readable by its owner only; its path, or None where there is no room for it."""
    text = "".join(traceback.format_exception(error))
    for name in _SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, f"<{name}>")
    text = _KEY.sub("<secret>", text)
    head = f"batchrun {__version__}, Python {platform.python_version()}, {platform.system()}\n\n"
    try:
        handle, path = tempfile.mkstemp(prefix="batchrun-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(head + text)
    except OSError:
        return None
    return path
