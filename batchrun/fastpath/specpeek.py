"""Which job a spec is, where that shows without reading it as YAML: where its lock lies, and how it is called.

In doubt it does not show, and the ordinary way finds out. A wrong answer would cost no money: the run that follows
locks the job that it reads in the spec.
"""

from __future__ import annotations

import os
import stat

from batchrun.fs import STATE_FOLDER
from batchrun.fs.permissions import fault_of_folder

_ENDINGS = (".yaml", ".yml")
_SETTINGS = ("BATCHRUN_", "ANTHROPIC_BASE_URL", "ANTHROPIC_WORKSPACE_ID")
_LONGEST = 1 << 20
"""Bytes of a file that is looked through."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_PLAIN = _LETTERS | set("._-")
"""What a job's name is made of (schemas/job.schema.json), and what no shell and no terminal acts on."""


class PlainSpec:
    """A spec, and the job that it is."""

    def __init__(self, root: str, job: str, shown: str, configured: bool) -> None:
        """`root`: the spec's folder, without links. `shown`: the spec, as people read it. `configured`: whether
        there are settings in which something may be wrong."""
        self.job, self.shown, self.configured = job, shown, configured
        self._folders = [os.path.join(root, STATE_FOLDER), os.path.join(root, STATE_FOLDER, job)]

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
    stem, ending = os.path.splitext(base)
    if ending not in _ENDINGS:
        return None
    data = _contents(name)
    named = None if data is None else _name_in(data)
    job = stem if named == "" else named
    if job is None or not _fits(job):
        return None
    root = os.path.realpath(os.path.dirname(name))
    here = os.getcwd()
    shown = os.path.join(root, base).removeprefix(here.rstrip("/") + "/")
    configuration = _configuration(root)
    if not set(shown) <= _PLAIN | {"/"} or shown.startswith("-") or _may_set_roots(configuration):
        return None
    configured = bool(configuration) or any(name.startswith(_SETTINGS) for name in os.environ)
    spec = PlainSpec(root, job, shown, configured)
    return spec if spec.is_ours() else None


def _fits(job: str) -> bool:
    return len(job) <= 64 and job[:1] in _LETTERS and set(job) <= _PLAIN


# ---- the name --------------------------------------------------------------------------------------


def _name_in(data: bytes) -> str | None:
    """How the spec calls its job; "" where it does not, None where that does not show."""
    if any(text in data for text in _NOT_PLAIN):
        return None
    if data.startswith(b"{"):
        return None if _may_have_key_name(data) else ""
    # The keys of a block mapping stand at the beginnings of lines, if the first one does: all of these must be words.
    name, begun = "", False
    above: list[bytes] = []
    for line in data.splitlines():
        if not line.strip() or line.startswith(b"#") or line == b"---":
            continue
        if begun and line[:1] in b" -]}":
            above.append(line)
            continue
        begun = True
        key, colon, value = line.partition(b":")
        if not colon or not key.replace(b"_", b"").isalpha():
            return None
        if key == b"name":
            if name or not all(map(_is_closed, above)):
                return None
            name = value.partition(b" #")[0].strip(b" '\"").decode() or "?"
        above.append(line)
    return name


def _is_closed(line: bytes) -> bool:
    """Whether no bracket and no quote that a line opens is open at its end: what follows one stands inside, where
    lines begin anywhere. An apostrophe in a word opens nothing; what may open something counts as if it did."""
    if not any(mark in line for mark in _OPENING):
        return True
    if b"#" in line:  # which of them a comment hides, takes YAML's own rules
        return False
    quote, depth = "", 0
    last, escaped = " ", False
    for char in line.decode("latin-1"):
        if escaped:
            escaped = False
        elif quote:
            escaped = char == "\\" and quote == '"'
            quote = "" if char == quote else quote
        elif char in "'\"" and not last.isalnum():
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
            if depth < 0:
                return False
        last = char
    return not quote and not depth


_OPENING = (b"'", b'"', b"[", b"{", b"]", b"}")


_NOT_PLAIN = (b"\0", b"\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
"""Of another encoding; and what YAML takes for the end of a line, and we do not."""


def _may_have_key_name(data: bytes) -> bool:
    """Whether a key anywhere in it can be `name`, perhaps written with escapes."""
    after = [text.lstrip(b"'\" \t\r\n")[:1] for text in data.split(b"name")[1:]]
    escaped = [text[:1] for text in data.split(b"\\")[1:]]
    return any(char in b":#" for char in after) or any(char in b"xuU\r\n" for char in escaped)


# ---- the operator's configuration ------------------------------------------------------------------


def _configuration(folder: str) -> list[bytes | None]:
    """What stands in the files that may have a say in it (`config.find`); None for one that is no plain file."""
    homes = [os.environ.get("XDG_CONFIG_HOME", ""), os.path.join(os.environ.get("HOME", ""), ".config")]
    places = [os.path.join(home, "batchrun") for home in homes] + [folder]
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        places.append(folder)
    found = []
    for place in places:
        try:
            found.append(_contents(os.path.join(place, "batchrun.toml")))
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def _may_set_roots(configuration: list[bytes | None]) -> bool:
    """Whether it may let the spec use more folders: that shows in what we tell."""
    if "BATCHRUN_ROOTS" in os.environ or "BATCHRUN_CONFIG" in os.environ:
        return True
    return any(text is None or b"roots" in text or b"\\" in text for text in configuration)


def _contents(name: str) -> bytes | None:
    """The bytes of a file; None for one that is long, or no plain file. Raises OSError."""
    handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(handle)
        plain = stat.S_ISREG(about.st_mode) and about.st_size < _LONGEST
        return os.read(handle, _LONGEST) if plain else None
    finally:
        os.close(handle)
