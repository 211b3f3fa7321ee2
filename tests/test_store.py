from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from batchrun.errors import CannotCreate, ConfigError, DiskError, ExitCode, Locked
from batchrun.state import Phase, RunState
from batchrun.store import Store, runs_folder
from tests.states import active, expansion, sent, state

HOLD = """
import sys
from pathlib import Path
from batchrun.store import Store
with Store(Path(sys.argv[1]), "job").locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "job")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the job."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def saved(store: Store, value: RunState) -> None:
    with store.locked():
        store.save(value)


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# ---- the lock


def test_another_process_has_the_job(store: Store, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Locked) as caught, store.locked():
        pass
    host = os.uname().nodename
    assert (
        str(caught.value) == f"another process is working on the job 'job' (process {holder.pid} on {host})"
    )
    assert caught.value.hint == "it goes on there; run it again later, or see how it stands: batchrun status"
    assert caught.value.exit_code is ExitCode.NOT_FINISHED


def test_the_lock_ends_with_the_process_that_held_it(store: Store, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with store.locked():
        pass
    with store.locked():
        pass


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b'{"pid": 1}'])
def test_a_holder_that_did_not_say_who_it_is(
    store: Store, holder: subprocess.Popen[str], content: bytes
) -> None:
    (store.folder / "lock").write_bytes(content)
    with pytest.raises(Locked, match=r"^another process is working on the job 'job'$"), store.locked():
        pass


def test_jobs_do_not_lock_each_other(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with Store(tmp_path, "other").locked(), Store(tmp_path, "job", sandbox=True).locked():
        pass


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_nobody_else_can_read_it(store: Store, mask: int) -> None:
    before = os.umask(mask)
    try:
        with store.locked():
            store.save(state())
            store.log("now", "Event", {})
            store.ask_to_cancel()
    finally:
        os.umask(before)
    for path in (store.folder.parent, *store.folder.parent.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert tree(store.folder) == ["cancel", "lock", "log.jsonl", "results", "rows", "shards", "state.json"]


def test_nothing_is_made_before_the_lock(tmp_path: Path, store: Store) -> None:
    assert store.load() is None
    assert store.owned_elsewhere() == frozenset()
    assert tree(tmp_path) == []


def test_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / ".batchrun").touch()
    with pytest.raises(CannotCreate) as caught, Store(tmp_path, "job").locked():
        pass
    folder = runs_folder(tmp_path) / "job"
    assert str(caught.value) == f"cannot create the folder {folder}: Not a directory"


def test_a_lock_that_is_no_file(store: Store) -> None:
    (store.folder / "lock").mkdir(parents=True)
    with pytest.raises(DiskError) as caught, store.locked():
        pass
    assert str(caught.value) == f"cannot open {store.folder / 'lock'}: Is a directory"


# ---- the state


def test_saving_and_loading(store: Store) -> None:
    for value in (state(), state(active(Phase.SUBMITTED))):
        saved(store, value)
        assert store.load() == value


def test_a_damaged_state_is_refused_by_name(store: Store) -> None:
    saved(store, state())
    store.state_file.write_bytes(b"{")
    with pytest.raises(ConfigError) as caught:
        store.load()
    assert caught.value.where == str(store.state_file)


@pytest.mark.parametrize("name", ["shards/0001.jsonl", "results/0001.jsonl"])
def test_a_lost_state_never_means_to_start_afresh(store: Store, name: str) -> None:
    saved(store, state())
    (store.folder / name).touch()
    store.state_file.unlink()
    with pytest.raises(ConfigError) as caught:
        store.load()
    assert str(caught.value) == "the state file is missing, but shards or results of an earlier run are here"
    assert (
        caught.value.hint == "restore it from a backup, or move the folder away to start afresh and pay again"
    )
    assert caught.value.exit_code is ExitCode.CONFIG


def test_a_run_that_died_before_its_first_state_starts_afresh(store: Store) -> None:
    with store.locked():
        (store.folder / "shards" / ".0001.jsonl.7.part").touch()
    assert store.load() is None


def test_a_state_that_cannot_be_read(store: Store) -> None:
    store.state_file.mkdir(parents=True)
    with pytest.raises(DiskError, match=r"^cannot read .*/state\.json: Is a directory$"):
        store.load()


# ---- sweeping


def test_sweeping_keeps_what_the_state_names_and_every_result(store: Store) -> None:
    value = state(active(Phase.SUBMITTED, "0001"), active(Phase.PLANNED, "0002"))
    value = replace(value, expansion=expansion(rows_file="000007.jsonl"))
    kept = ["shards/0001.jsonl", "shards/0002.jsonl", "rows/000007.jsonl", "results/0001.jsonl"]
    kept += ["results/0009.jsonl", "results/0009.part", "log.jsonl", "lock", "state.json"]
    left = [
        "shards/0003.jsonl",
        "shards/.0003.jsonl.7.part",
        "rows/000006.jsonl",
        "rows/.000008.jsonl.7.part",
    ]
    left += [".state.json.7.part"]
    saved(store, value)
    for name in (*kept, *left):
        (store.folder / name).touch()
    store.sweep(value)
    found = [name for name in tree(store.folder) if (store.folder / name).is_file()]
    assert found == sorted(kept)


def test_sweeping_before_there_is_an_expansion(store: Store) -> None:
    with store.locked():
        store.rows("000001.jsonl").touch()
        store.sweep(replace(state(), expansion=None))
    assert [n for n in tree(store.folder) if n.endswith("jsonl")] == []


def test_what_cannot_be_swept_does_no_harm(store: Store) -> None:
    with store.locked():
        store.shard("0001").mkdir()
        store.sweep(state())
    store.sweep(state())


# ---- the rest


def test_batches_of_other_jobs(tmp_path: Path, store: Store) -> None:
    saved(store, state(active(Phase.SUBMITTED, batch=sent("msgbatch_mine"))))
    other = state(
        active(Phase.SUBMITTED, "0001", batch=sent("msgbatch_1")),
        active(Phase.FETCHED, "0002", batch=sent("msgbatch_2")),
        active(Phase.SUBMITTED, "0003", batch=sent("msgbatch_3", provisional=True)),
        active(Phase.PLANNED, "0004"),
    )
    saved(Store(tmp_path, "other"), other)
    saved(
        Store(tmp_path, "sandboxed", sandbox=True), state(active(Phase.SUBMITTED, batch=sent("msgbatch_4")))
    )
    broken = Store(tmp_path, "broken")
    saved(broken, state())
    broken.state_file.write_bytes(b"{")
    assert store.owned_elsewhere() == {"msgbatch_1", "msgbatch_2"}


def test_the_log_never_fails(store: Store) -> None:
    store.log("now", "Event", {})  # there is no folder yet
    with store.locked():
        store.log("2026-01-01", "Held", {"detail": "ä\ud800\n", "path": Path("a")})
        store.log("2026-01-02", "Held", {})
    first, second = (store.folder / "log.jsonl").read_bytes().splitlines()
    assert orjson.loads(first) == {"at": "2026-01-01", "event": "Held", "detail": "ä?\n", "path": "a"}
    assert orjson.loads(second) == {"at": "2026-01-02", "event": "Held"}


def test_a_wish_to_cancel_that_cannot_be_left(store: Store) -> None:
    with pytest.raises(DiskError, match=r"^cannot create .*/cancel: No such file or directory$"):
        store.ask_to_cancel()
