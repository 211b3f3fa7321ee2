"""Which job a spec is, where that shows without reading it as YAML: where its lock lies, and how it is called.

In doubt it does not show, and the ordinary way finds out. A wrong answer would cost no money: the run that follows
locks the job that it reads in the spec.
"""

from __future__ import annotations

import os
import stat

from batchrun.private import fault_of_folder

_FOLDER, _CONFIG = ".batchrun", "batchrun.toml"
_ENDINGS = (".yaml", ".yml")
_LONGEST = 1 << 20
"""Bytes of a file that is looked through."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_PLAIN = _LETTERS | set("._-")
"""What a job's name is made of (schemas/job.schema.json), and what no shell and no terminal acts on."""


class PlainSpec:
    """A spec that does not name its job, of an operator who configures nothing."""

    def __init__(self, root: str, job: str, shown: str) -> None:
        """`root`: the spec's folder, without links. `shown`: the spec, as people read it."""
        self.job, self.shown = job, shown
        self._folders = [os.path.join(root, _FOLDER), os.path.join(root, _FOLDER, job)]

    @property
    def lock_file(self) -> str:
        return os.path.join(self._folders[-1], "lock")

    def may_be_done(self) -> bool:
        """Whether an answer was collected, by the look of the state. Raises OSError."""
        try:
            data = _contents(os.path.join(self._folders[-1], "state.json"))
        except FileNotFoundError:
            return False
        return data is None or b'"collected"' in data

    def is_ours(self) -> bool:
        """Whether the state is kept in folders of ours, or in none yet."""
        inside = (os.path.join(self._folders[-1], name) for name in ("shards", "results", "rows"))
        return not any(fault_of_folder(folder) for folder in (*self._folders, *inside))


def find(name: str) -> PlainSpec | None:
    """The spec at `name`; None where it has to be read to know. Raises OSError."""
    base = os.path.basename(name)
    job, ending = os.path.splitext(base)
    if ending not in _ENDINGS or not _fits(job) or not _names_no_job(name):
        return None
    root = os.path.realpath(os.path.dirname(name))
    here = os.getcwd()
    shown = os.path.join(root, base).removeprefix(here.rstrip("/") + "/")
    if not set(shown) <= _PLAIN | {"/"} or _is_configured(root):
        return None
    spec = PlainSpec(root, job, shown)
    return spec if spec.is_ours() else None


def _fits(job: str) -> bool:
    return len(job) <= 64 and job[:1] in _LETTERS and set(job) <= _PLAIN


def _is_configured(folder: str) -> bool:
    """Whether there is a configuration that may have a say in it (`configfiles`)."""
    homes = [os.environ.get("XDG_CONFIG_HOME", ""), os.path.join(os.environ.get("HOME", ""), ".config")]
    above = [folder]
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        above.append(folder)
    files = [os.path.join(home, "batchrun", _CONFIG) for home in homes]
    files += [os.path.join(place, _CONFIG) for place in above]
    return any(map(os.path.lexists, files)) or any(name.startswith("BATCHRUN_") for name in os.environ)


def _names_no_job(name: str) -> bool:
    """Whether no key of the file can be `name`. YAML could also write that with escapes, or in another encoding."""
    data = _contents(name)
    if data is None or b"\0" in data:
        return False
    after = [text.lstrip(b"'\" \t\r\n")[:1] for text in data.split(b"name")[1:]]
    escaped = [text[:1] for text in data.split(b"\\")[1:]]
    return not (
        any(char in b":#" or char >= b"\x80" for char in after)
        or any(char in b"xuU\r\n" or char >= b"\x80" for char in escaped)
    )


def _contents(name: str) -> bytes | None:
    """The bytes of a file; None for one that is long, or no plain file. Raises OSError."""
    handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(handle)
        plain = stat.S_ISREG(about.st_mode) and about.st_size < _LONGEST
        return os.read(handle, _LONGEST) if plain else None
    finally:
        os.close(handle)
