"""Which file names are specs, and what a job is called whose spec does not say. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

PATTERNS = ("*.yaml", "*.yml")
CONFIG = "batchrun.toml"
DONE, FAILED = PUT_AWAY = ("done", "failed")
"""The folders into which a watcher moves specs that are through."""

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""As in job.schema.json; a job's name is a folder's name too."""

_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".swx", ".bak", ".orig", "~", "#")  # fmt: skip
_OURS = (".error.txt",)
"""What is written beside specs, and is none."""
_LONGEST = 48


def is_spec(name: str, patterns: Sequence[str] = PATTERNS) -> bool:
    """Whether a file of this name is a spec: it matches, in whatever case, and is neither hidden, nor what
    editors, browsers and copying programs leave behind while they work."""
    lower = name.lower()
    if lower.startswith((".", "~$", "#")) or lower.endswith(_TEMPORARY + _OURS) or lower in (CONFIG, "4913"):
        return False
    return any(fnmatchcase(lower, pattern.lower()) for pattern in patterns)


def job_name(file: str) -> str:
    """The file's stem, or one made from it that fits, with a hash that keeps it from meaning two files."""
    stem = file.rpartition(".")[0] or file
    if JOB_NAME.fullmatch(stem):
        return stem
    fitting = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:_LONGEST] or "job"
    mark = hashlib.sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{fitting}-{mark}"
