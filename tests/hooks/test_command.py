"""Commands as hooks: what they get, and that whatever they do ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from batchrun.hooks.command import run
from batchrun.model import Hook

ENVIRON = {"PATH": os.environ["PATH"], "BATCHRUN_EVENT": "done"}
LONG = 30.0


def hook(folder: Path, *words: str) -> Hook:
    return Hook(words, folder=folder)


def script(folder: Path, text: str) -> Hook:
    (folder / "hook.py").write_text(text)
    return hook(folder, sys.executable, "hook.py")


def is_gone(process: int) -> bool:
    """Whether it ended, or is about to: whoever adopted it may not have looked yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_what_it_gets(tmp_path: Path) -> None:
    told = script(
        tmp_path,
        "import json, os, sys\n"
        "json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:], os.getcwd()], open('told', 'w'))\n",
    )
    body = json.dumps({"x": "ü" * 200_000}).encode()
    assert run(Hook((*told.run, "a b", "$HOME"), folder=tmp_path), body, ENVIRON, LONG) == ""
    payload, environ, words, folder = json.loads((tmp_path / "told").read_text())
    assert payload == {"x": "ü" * 200_000}
    assert {k: v for k, v in environ.items() if k in ENVIRON} == ENVIRON
    assert "HOME" not in environ
    assert (words, folder) == (["a b", "$HOME"], str(tmp_path))


def test_it_may_leave_its_stdin_alone(tmp_path: Path) -> None:
    assert run(hook(tmp_path, "true"), b"x" * 1_000_000, ENVIRON, LONG) == ""


def test_a_command_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "hook.sh").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "hook.sh").chmod(0o755)
    assert run(hook(tmp_path, "./hook.sh"), b"", ENVIRON, LONG) == "exit code 3"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ["sh", "-c", "echo one; echo >&2 two '\x1b[31m'; exit 7"],
            "exit code 7: two \N{REPLACEMENT CHARACTER}[31m",
        ),
        (["sh", "-c", "kill -TERM $$"], "was ended by signal 15"),
        (["no-such-command"], "cannot be started: No such file or directory"),
        (["/"], "cannot be started: Permission denied"),
    ],
)
def test_what_went_wrong(tmp_path: Path, words: list[str], fault: str) -> None:
    assert run(hook(tmp_path, *words), b"", ENVIRON, LONG) == fault


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    fault = run(hook(tmp_path / "gone", "true"), b"", ENVIRON, LONG)
    assert fault == "cannot be started: No such file or directory"


def test_megabytes_are_read_and_dropped(tmp_path: Path) -> None:
    noisy = script(
        tmp_path, "import sys\nfor _ in range(64): sys.stdout.write('x' * 1_000_000)\nsys.exit('the end')\n"
    )
    assert run(noisy, b"", ENVIRON, LONG) == f"exit code 1: {'x' * 299}…"


def test_one_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    hanging = hook(tmp_path, "sh", "-c", "sleep 600 & echo $! >child; trap '' TERM; wait; sleep 600")
    assert run(hanging, b"", ENVIRON, 0.5) == "took longer than 0.5s, and was stopped"
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + LONG
    while not is_gone(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    leaving = hook(tmp_path, "sh", "-c", "sleep 600 & echo $! >child")
    assert run(leaving, b"", ENVIRON, LONG) == ""
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_no_file_of_ours_is_inherited(tmp_path: Path) -> None:
    """The lock of the job, above all: a child that lives on would hold it."""
    with (tmp_path / "lock").open("w"):
        listing = hook(tmp_path, "sh", "-c", "ls -l /proc/self/fd >open")
        assert run(listing, b"", ENVIRON, LONG) == ""
    assert str(tmp_path / "lock") not in (tmp_path / "open").read_text()
