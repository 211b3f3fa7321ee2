"""A process that has imported what batchrun stands on, and forks a child for every trial.

    python forkserver.py MODULE…        then one order a line on stdin, one answer a line on stdout

Starting Python and importing everything takes ten times as long as the run that a trial wants to break off.
A child runs `batchrun` with the order's arguments, folder and environment. It may be told to list every
line of our package that it runs, or to die at one of them: at the `hit`th time that line is about to run. Or it is
struck before the nth of its effects (a file opened, renamed, removed; bytes sent), or in its nth sleep: by signals,
a full disk, a folder that becomes read-only, streams that nobody reads any more.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import orjson

Line = tuple[str, int]
_PR_SET_PTRACER = 0x59616D61  # <linux/prctl.h>
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FILLER = "filler"
PACKAGE = str(Path(__file__).resolve().parents[2] / "batchrun") + os.sep


def main() -> None:
    for name in sys.argv[1:]:
        with suppress(ImportError):  # what an extension module calls a part of itself
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is here already need not be copied by a child's collections
    for order in sys.stdin.buffer:
        child = os.fork()
        if not child:
            _child(orjson.loads(order))
        _, status = os.waitpid(child, 0)
        sys.stdout.buffer.write(b"%d\n" % os.waitstatus_to_exitcode(status))
        sys.stdout.buffer.flush()


def _child(order: dict[str, Any]) -> None:
    """Become the process of one trial; never returns."""
    code = 1
    try:
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        tell = os.dup(1)
        _stand_in(order["stdout"], order["stderr"])
        if order["gate"]:
            _wait_for_tracer(order["gate"], tell)
        os.close(tell)
        if order["list"]:
            code = _listing(Path(order["list"]), order["args"])
        else:
            if order["at"]:
                _die_at((PACKAGE + order["at"][0], order["at"][1]), order["hit"])
            if order["strike"]:
                _strike(**order["strike"])
            code = _batchrun(order["args"])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _wait_for_tracer(gate: str, tell: int) -> None:
    """Tell who we are, allow anybody to trace us, and wait for a byte in the FIFO."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_long(-1), 0, 0, 0)
    handle = os.open(gate, os.O_RDWR)
    os.write(tell, b"%d\n" % os.getpid())
    os.read(handle, 1)
    os.close(handle)


def _stand_in(stdout: str, stderr: str) -> None:
    """Streams as a new process would have them, into files."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, flags), number)
    sys.stdin = os.fdopen(0)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1)


def _batchrun(args: list[str]) -> int:
    from batchrun.__main__ import main

    sys.argv = ["batchrun", *args]
    try:
        main()
    except SystemExit as left:
        return int(left.code or 0)
    return 0


# ---- effects -------------------------------------------------------------------------------------


def _strike(
    effect: int, nap: int, signals: list[str], fill: bool, deaf: list[int], freeze: str, report: str
) -> None:
    """Before the `effect`th effect, and before each one after it, as long as there are `signals`, send us one;
    with `nap`, the first of them in that sleep. Before that effect, once: with `fill`, take the last byte of the
    disk of the current folder; let nobody read the streams `deaf` any more; make the folder `freeze` read-only.
    `report`: a file that counts the effects."""
    here, left, struck = str(Path.cwd()), effect, False
    waiting = [signal.Signals[f"SIG{name}"] for name in signals]
    counter = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    if freeze:
        _own_mounts()
    if nap:
        _in_nap(nap, waiting)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left, struck
        if not _effect(event, args, here):
            return
        left -= 1
        os.write(counter, b".")
        if left <= 0 and not struck:
            struck = True
            if fill:
                _fill(here)
            if freeze:
                _freeze(freeze)
            _deafen(deaf)
        if left <= 0 and waiting:
            os.kill(os.getpid(), waiting.pop(0))

    sys.addaudithook(hook)


def _in_nap(nap: int, waiting: list[signal.Signals]) -> None:
    """Send us the first of the signals while the main thread is in its `nap`th sleep."""
    asleep = threading.Event()

    def watch() -> None:
        asleep.wait()
        time.sleep(0.02)  # the main thread is about to let go of the interpreter
        os.kill(os.getpid(), waiting.pop(0))

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal nap
        if event == "c_call" and arg is time.sleep:
            nap -= 1
            if not nap:
                asleep.set()

    threading.Thread(target=watch, daemon=True).start()
    sys.setprofile(profile)


def _deafen(streams: list[int]) -> None:
    """Whoever read them is gone."""
    if streams:
        reading, writing = os.pipe()
        os.close(reading)
        for stream in streams:
            os.dup2(writing, stream)


def _effect(event: str, args: tuple[Any, ...], here: str) -> bool:
    if event in ("http.client.send", "socket.connect"):
        return True
    named = event in ("open", "os.rename", "os.remove", "os.mkdir") and isinstance(args[0], str | Path)
    return named and str(args[0]).startswith(here) and not str(args[0]).endswith(FILLER)


def _fill(folder: str) -> None:
    handle = os.open(f"{folder}/{FILLER}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (65536, 4096, 1):
        with suppress(OSError):
            while True:
                os.write(handle, b"x" * size)
    os.close(handle)


# ---- mounts: of this process alone, gone with it ---------------------------------------------------

_CLONE_NEWNS = 0x20000  # <linux/sched.h>
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18  # <linux/mount.h>


def _own_mounts() -> None:
    """Raises OSError where that is not allowed."""
    _must(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS))
    _mount(None, "/", _MS_REC | _MS_PRIVATE)


def _freeze(folder: str) -> None:
    """Make it read-only, whatever is open in it, and whoever we are."""
    _mount(folder, folder, _MS_BIND)
    _mount(None, folder, _MS_REMOUNT | _MS_BIND | _MS_RDONLY)


def _mount(source: str | None, target: str, flags: int) -> None:
    told = source and source.encode()
    _must(ctypes.CDLL(None, use_errno=True).mount(told, target.encode(), None, ctypes.c_ulong(flags), None))


def _must(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# ---- lines ---------------------------------------------------------------------------------------


def _listing(report: Path, args: list[str]) -> int:
    """Run it, and write down every line of ours that ran: whether inside a function, how often, and how often
    of that before the first effect on the world."""
    seen: dict[Line, list[int]] = {}
    touched = 0
    here = str(Path.cwd())

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal touched
        if event == "open":
            touched |= bool(args[2] & _WRITING) and str(args[0]).startswith(here)
        elif event in ("os.mkdir", "os.rename", "os.remove", "socket.connect"):
            touched = 1

    def trace(frame: FrameType, event: str, _arg: Any) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line" and frame.f_lineno:  # an empty module runs its line 0
            place = (frame.f_code.co_filename, frame.f_lineno)
            entry = seen.setdefault(place, [frame.f_code.co_name == "<module>", 0, 0])
            entry[1] += 1
            entry[2] += not touched
        return trace

    sys.addaudithook(hook)
    sys.settrace(trace)
    code = _batchrun(args)
    sys.settrace(None)
    lines = [[file.removeprefix(PACKAGE), line, *entry] for (file, line), entry in seen.items()]
    report.write_bytes(orjson.dumps(lines))
    return code


def _die_at(place: Line, hit: int) -> None:
    file, line = place
    left = hit
    holders: dict[CodeType, bool] = {}

    def holds(code: CodeType) -> bool:
        found = holders.get(code)
        if found is None:
            lines = (number for _, _, number in code.co_lines())
            found = holders[code] = code.co_filename == file and line in lines
        return found

    def inside(frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        nonlocal left
        if event == "line" and frame.f_lineno == line:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return inside

    def trace(frame: FrameType, event: str, _arg: Any) -> Callable[..., Any] | None:
        return inside if holds(frame.f_code) else None

    sys.settrace(trace)


if __name__ == "__main__":
    main()
