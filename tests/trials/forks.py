"""Runs of batchrun as forks of a process that has imported already: a tenth of a second each, or less."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tests.workbench import PATIENCE, Ran

SERVER = Path(__file__).with_name("forkserver.py")


@dataclass(frozen=True, order=True)
class Moment:
    """The `hit`th time that a line of the package is about to run."""

    file: str
    line: int
    hit: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" ({self.hit})" if self.hit > 1 else "")


NEVER = 1_000_000


@dataclass(frozen=True)
class Strike:
    """What befalls a run before its `effect`th effect, or in its `nap`th sleep: see forkserver.py."""

    effect: int = NEVER
    nap: int = 0
    signals: Sequence[str] = ()
    fill: bool = False
    deaf: Sequence[int] = ()
    freeze: str = ""


@dataclass(frozen=True)
class Line:
    """A line that ran `count` times, `before` of them before the first effect of its process on the world.
    `importing`: it stands outside any function."""

    file: str
    number: int
    importing: bool
    count: int
    before: int


class Forks:
    """A fork server. A context manager: it ends with the block."""

    def __init__(self, scratch: Path, modules: Iterable[str]) -> None:
        """`scratch`: a folder for what the runs say. `modules`: what every run finds imported."""
        scratch.mkdir(parents=True, exist_ok=True)
        self._out, self._err, self._list = (scratch / name for name in ("stdout", "stderr", "lines"))
        self._gate = scratch / "gate"
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what select sees is all there is
            start_new_session=True,  # so that a child that hangs can be ended with it
        )

    def run(self, *args: str, cwd: Path, env: Mapping[str, str], at: Moment | None = None) -> Ran:
        """Run `batchrun args…` to its end, or to its death at a moment."""
        order: dict[str, Any] = {"at": [at.file, at.line], "hit": at.hit} if at else {}
        self._order(args, cwd, env, **order)
        return self._ended(args)

    def struck(
        self,
        *args: str,
        cwd: Path,
        env: Mapping[str, str],
        strike: Strike,
    ) -> tuple[Ran, int]:
        """Run it, and strike it; also how many effects there were."""
        count = self._list.with_name("effects")
        self._order(args, cwd, env, strike={**asdict(strike), "report": str(count)})
        ran = self._ended(args)
        return ran, count.stat().st_size

    def beside(
        self,
        *args: str,
        cwd: Path,
        env: Mapping[str, str],
        meanwhile: Callable[[], None],
        stopped_before: int = 0,
    ) -> Ran:
        """Run it while `meanwhile` does something else; or stop it before that effect, and let it go on
        afterwards (SIGSTOP, SIGCONT)."""
        special: dict[str, Any] = {}
        if stopped_before:
            strike = asdict(Strike(stopped_before, signals=("STOP",)))
            special["strike"] = {**strike, "report": str(self._list.with_name("effects"))}
        self._order(args, cwd, env, **special)
        child = self._stopped() if stopped_before else None
        meanwhile()
        if child is not None:
            os.kill(child, signal.SIGCONT)
        return self._ended(args)

    def _stopped(self) -> int | None:
        """The child, once it has stopped; None where it came to its end before."""
        assert self._server.stdout
        tasks = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children")
        while not select.select([self._server.stdout], [], [], 0.002)[0]:
            for child in tasks.read_text().split():
                with suppress(OSError):  # it is gone since
                    if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                        return int(child)
        return None

    def lines(self, *args: str, cwd: Path, env: Mapping[str, str]) -> tuple[Ran, list[Line]]:
        """Run it, and tell which lines of the package ran, in the order of their first time."""
        self._order(args, cwd, env, list=str(self._list))
        ran = self._ended(args)
        found = orjson.loads(self._list.read_bytes())
        lines = [
            Line(file, line, bool(importing), count, before) for file, line, importing, count, before in found
        ]
        return ran, lines

    def traced(self, *args: str, cwd: Path, env: Mapping[str, str], options: Sequence[str]) -> Ran:
        """Run it under strace with these options, from the first step of its own on."""
        if not self._gate.exists():
            os.mkfifo(self._gate)
        self._order(args, cwd, env, gate=str(self._gate))
        command = ["strace", *options, "-p", str(self._answer(args))]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr
            told = tracer.stderr.readline()
            assert "attached" in told, told
            with self._gate.open("wb") as gate:
                gate.write(b"!")
            ran = self._ended(args)
            tracer.communicate()
        return ran

    def _order(self, args: Sequence[str], cwd: Path, env: Mapping[str, str], **special: Any) -> None:
        assert self._server.stdin
        order = {
            "args": args,
            "cwd": str(cwd),
            "env": env,
            "at": None,
            "list": None,
            "gate": None,
            "strike": None,
        }
        order |= {"stdout": str(self._out), "stderr": str(self._err), **special}
        self._server.stdin.write(orjson.dumps(order) + b"\n")
        self._server.stdin.flush()

    def _answer(self, args: Sequence[str]) -> int:
        assert self._server.stdout
        ready, _, _ = select.select([self._server.stdout], [], [], PATIENCE)
        assert ready, f"no end after {PATIENCE} s: {args}\n{self._err.read_text()}"
        return int(self._server.stdout.readline())

    def _ended(self, args: Sequence[str]) -> Ran:
        code = self._answer(args)
        stdout, stderr = (path.read_text(errors="surrogateescape") for path in (self._out, self._err))
        return Ran(code, stdout, stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.communicate()
