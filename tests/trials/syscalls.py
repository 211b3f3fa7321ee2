"""System calls of a run by strace: which there are, and a run in which one of them is struck."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import batchrun

WRITES = (
    *("openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "flock"),
    *("rename", "renameat", "renameat2", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir"),
    *("chmod", "fchmod", "fchmodat", "link", "symlink", "utimensat"),
)
NETWORK = ("socket", "connect", "sendto", "sendmsg", "recvfrom", "recvmsg", "shutdown")

_CALL = re.compile(r"(?P<name>\w+)\((?P<args>.*)\) += (?P<result>.*)")
_OPENS_TO_WRITE = re.compile(r"O_(WRONLY|RDWR|CREAT)|O_RDONLY(?!.*O_PATH).*O_DIRECTORY")
_PACKAGE = str(Path(batchrun.__file__).parent)


@cache
def missing() -> str:
    """Why there can be no such trials here, or ""."""
    if not shutil.which("strace"):
        return "strace is not installed"
    # In a container it may be there, and not allowed to do anything.
    told = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=60)
    return f"strace may not trace: {told.stderr.strip()}" if told.returncode else ""


@dataclass(frozen=True)
class Syscall:
    """The `number`th call of its name in a run."""

    name: str
    number: int
    args: str

    def __str__(self) -> str:
        return f"{self.name} {self.number} ({self.args[:90]})"

    @property
    def network(self) -> bool:
        return self.name in NETWORK

    def writes_below(self, folder: Path) -> bool:
        return not self.network and str(folder) in self.args


def listing(log: Path) -> list[str]:
    """Options that write the calls of a run to `log`."""
    return ["-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join((*WRITES, *NETWORK))}"]


def read(log: Path, *, reads: bool = False) -> list[Syscall]:
    """The calls of a run; with `reads`, also the openings that only read."""
    return list(_calls(log, reads))


def _calls(log: Path, reads: bool) -> Iterator[Syscall]:
    numbers: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        if match := _CALL.match(line):
            name = match["name"]
            numbers[name] += 1
            args = match["args"]
            if _PACKAGE in args:  # an import lists the folder of a package: no disk of the job's
                continue
            if reads or name != "openat" or _OPENS_TO_WRITE.search(args):
                yield Syscall(name, numbers[name], args)


def striking(call: Syscall, what: str, *, forever: bool = False) -> list[str]:
    """Options that do `what` at the call: `signal=KILL` just before it, `error=EIO` in its place."""
    when = f"{call.number}+" if forever else str(call.number)
    trace = ["-o", "/dev/null", "-e", f"trace={call.name}"]
    return [*trace, "-e", f"inject={call.name}:{what}:when={when}"]
