from __future__ import annotations

import threading
from pathlib import Path

from batchrun.simulator.disk import append, create, locked


def test_a_lock_holds_between_threads(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "lock"):
            order.append("second")

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_lines_are_added_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    lines = [letter * 50_000 for letter in (b"x", b"y", b"z")]
    threads = [
        threading.Thread(target=append, args=(path, line), kwargs={"durable": False}) for line in lines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    append(path, b"last", durable=True)
    *first, last = path.read_bytes().splitlines()
    assert (sorted(first), last) == (lines, b"last")


def test_files_are_for_their_owner_and_begin_empty(tmp_path: Path) -> None:
    for text in (b"longer", b"new"):
        with create(tmp_path / "file") as stream:
            stream.write(text)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
