from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from batchrun.errors import CannotCreate, ConfigError, DiskError, ExitCode, Locked
from batchrun.fs import files
from batchrun.lifecycle.state import Phase, Reason, RunState, Shard
from batchrun.rundir.store import Store, runs_folder
from tests.states import active, expansion, sent, state

HOLD = """
import sys
from pathlib import Path
from batchrun.rundir.store import Store
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
    assert caught.value.hint == "it goes on there; run it again later"
    assert caught.value.exit_code is ExitCode.NOT_FINISHED


def test_the_lock_ends_with_the_process_that_held_it(store: Store, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with store.locked():
        pass
    with store.locked():
        pass


LEAVING_A_CHILD = """
import os, subprocess, sys, time
from pathlib import Path
from batchrun.rundir.store import Store
with Store(Path(sys.argv[1]), "job").locked():
    {child}
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "child",
    [
        "subprocess.Popen(['sleep', '60'], close_fds=False)",
        "r, w = os.pipe(); os.fork() or (os.write(w, b'.'), time.sleep(60)); os.read(r, 1)",
    ],
    ids=["started", "forked"],
)
def test_a_child_does_not_inherit_the_lock(child: str, store: Store, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEAVING_A_CHILD.format(child=child), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Locked), store.locked():
            pass
        process.kill()
        process.wait()
        os.killpg(process.pid, 0)  # the child lives
        with store.locked():
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_folder_that_another_run_has_begun_anew(store: Store) -> None:
    with store.locked():
        store.save(state())
        store.folder.rename(store.folder.with_name("away"))
        with Store(store.folder.parent.parent, "job").locked():
            with pytest.raises(ConfigError) as caught:
                store.save(state(revision=1))
            assert not store.state_file.exists()
    assert str(caught.value) == (
        f"{store.folder} was moved away while a run worked in it, and another run began there"
    )
    assert caught.value.hint == "put the folder back: it knows what was submitted; and run it again"


def test_a_folder_that_is_gone(store: Store) -> None:
    with store.locked():
        store.folder.rename(store.folder.with_name("away"))
        with pytest.raises(CannotCreate, match=r"cannot create .*state\.json: No such file or directory$"):
            store.save(state())


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
    with pytest.raises(CannotCreate) as caught, Store(Path("/proc"), "job").locked():
        pass
    assert str(caught.value).startswith("cannot create the folder /proc/.batchrun/job: ")


OWN = "batchrun keeps its state only in folders of its own"


@pytest.mark.parametrize("name", ["", "job", "job/rows", "job/shards", "job/results"])
def test_a_folder_that_is_a_link(tmp_path: Path, store: Store, name: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    link = runs_folder(tmp_path) / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim)
    for use in (store.load, store.locked().__enter__):
        with pytest.raises(ConfigError) as caught:
            use()
        assert str(caught.value) == f"{link} is a link; {OWN}"
        assert caught.value.hint == "see who put it there, and move it away"
    assert tree(victim) == []


def test_a_sandbox_that_is_a_link(tmp_path: Path) -> None:
    link = runs_folder(tmp_path, sandbox=True)
    link.parent.mkdir()
    link.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="@sandbox is a link; "):
        Store(tmp_path, "job", sandbox=True).load()


# ---- git


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("made_before", [False, True])
def test_git_sees_nothing_of_a_run(tmp_path: Path, sandbox: bool, made_before: bool) -> None:
    if made_before:
        runs_folder(tmp_path).mkdir(mode=0o700)
    saved(Store(tmp_path, "job", sandbox=sandbox), RunState("job", "batch.yaml", "anthropic", "x"))
    assert (tmp_path / ".batchrun" / ".gitignore").read_bytes() == b"*\n"
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    (tmp_path / "batch.yaml").touch()
    seen = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, check=True)
    assert seen.stdout == b"?? batch.yaml\n"


def test_what_git_was_told_stays(tmp_path: Path, store: Store) -> None:
    ours = runs_folder(tmp_path) / ".gitignore"
    ours.parent.mkdir(mode=0o700)
    ours.write_text("!state.json\n")
    with store.locked():
        pass
    assert ours.read_text() == "!state.json\n"


def test_nothing_is_written_where_a_link_leads(tmp_path: Path, store: Store) -> None:
    ours = runs_folder(tmp_path) / ".gitignore"
    ours.parent.mkdir(mode=0o700)
    ours.symlink_to(tmp_path / "elsewhere")
    with store.locked():
        pass
    assert ours.is_symlink() and not (tmp_path / "elsewhere").exists()


def test_a_run_goes_on_where_it_cannot_be_written(tmp_path: Path, store: Store) -> None:
    (runs_folder(tmp_path) / f"..gitignore.{os.getpid()}.part").mkdir(parents=True, mode=0o700)
    with store.locked():
        pass
    assert not (runs_folder(tmp_path) / ".gitignore").exists()


def test_a_folder_that_is_a_file(tmp_path: Path, store: Store) -> None:
    (tmp_path / ".batchrun").touch()
    with pytest.raises(ConfigError) as caught, store.locked():
        pass
    assert str(caught.value) == f"{tmp_path / '.batchrun'} is not a folder; {OWN}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user(store: Store) -> None:
    store.folder.mkdir(parents=True)
    os.chown(store.folder, 12345, -1)
    with pytest.raises(ConfigError) as caught:
        store.load()
    assert str(caught.value) == f"{store.folder} belongs to another user; {OWN}"


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


@pytest.mark.parametrize(
    "name",
    [
        *("shards/0001.jsonl", "shards/0001.sent", "results/0001.jsonl", "results/0001.part"),
        *("rows/000001.jsonl", "log.jsonl", "cancel", "something"),
    ],
)
def test_a_lost_state_never_means_to_start_afresh(store: Store, name: str) -> None:
    saved(store, state())
    (store.folder / name).write_text('{"at": "now", "event": "Prepared"}\n')
    store.state_file.unlink()
    with pytest.raises(ConfigError) as caught:
        store.load()
    assert str(caught.value) == f"the state file is missing, but {name} of an earlier run is here"
    assert (
        caught.value.hint == "restore it from a backup, or move the folder away to start afresh and pay again"
    )
    assert caught.value.exit_code is ExitCode.CONFIG


def test_a_run_that_died_before_its_first_state_starts_afresh(store: Store) -> None:
    with store.locked():
        for name in ("shards/.0001.jsonl.7.part", ".state.json.7.part", "hooks.json"):
            (store.folder / name).touch()
        store.log("now", "HookFailed", {"detail": "no such command"})
        store.log("now", "HookCalled", {})
    assert store.load() is None


def test_a_state_that_cannot_be_read(store: Store) -> None:
    store.state_file.mkdir(parents=True)
    with pytest.raises(DiskError, match=r"/state\.json is not a regular file$"):
        store.load()


def test_a_state_that_is_no_file(tmp_path: Path, store: Store) -> None:
    """Nothing waits for a FIFO, and nothing is read through a link."""
    other = Store(tmp_path, "other")
    for each in (store, other):
        each.folder.mkdir(parents=True)
        os.mkfifo(each.state_file)
    with pytest.raises(DiskError, match=r"/state\.json is not a regular file$"):
        store.load()
    assert list(store.others()) == []


def test_the_state_of_another_job_behind_a_link(tmp_path: Path, store: Store) -> None:
    elsewhere = Store(tmp_path / "elsewhere", "other")
    saved(elsewhere, state(active(Phase.SUBMITTED)))
    store.folder.mkdir(parents=True)
    (runs_folder(tmp_path) / "linked").symlink_to(elsewhere.folder)
    (runs_folder(tmp_path) / "copied").mkdir()
    (runs_folder(tmp_path) / "copied" / "state.json").symlink_to(elsewhere.state_file)
    assert list(store.others()) == []


def test_a_fifo_in_the_place_of_a_file(store: Store) -> None:
    store.folder.mkdir(parents=True)
    os.mkfifo(store.folder / "log.jsonl")
    with store.locked():
        store.log("now", "Event", {})
    (store.folder / "lock").unlink()
    os.mkfifo(store.folder / "lock")
    with pytest.raises(DiskError, match=r"/lock is not a regular file$"), store.locked():
        pass


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (state(active(Phase.ENDED, "../../../victim")), "../../../victim.jsonl"),
        (state(active(Phase.ENDED, "/etc/0001")), "/etc/0001.jsonl"),
        (replace(state(), expansion=expansion(rows_file="../0001.jsonl")), "../0001.jsonl"),
    ],
)
def test_a_state_whose_names_lead_out(store: Store, value: RunState, name: str) -> None:
    saved(store, value)
    with pytest.raises(ConfigError) as caught:
        store.load()
    assert str(caught.value) == f"the state file is damaged: it names {name!r}, which is no file of ours"


@pytest.mark.parametrize("name", ["shards/0002.sent", "results/0002.jsonl", "results/10000.jsonl"])
@pytest.mark.parametrize(
    "second",
    [
        (),
        (active(Phase.PLANNED, "0002"),),
        *(
            (active(Phase.REFUSED, "0002", reason=r),)
            for r in (Reason.REJECTED, Reason.LOST, Reason.TOO_LARGE)
        ),
    ],
)
def test_a_state_older_than_what_was_sent(store: Store, name: str, second: tuple[Shard, ...]) -> None:
    value = state(active(Phase.SUBMITTED), *second)
    saved(store, value)
    files.leave_mark(store.sent_mark("0001"))
    store.refuse_older(value)
    (store.folder / name).touch()
    with pytest.raises(ConfigError) as caught:
        store.refuse_older(value)
    shard_id = Path(name).stem
    assert str(caught.value) == (f"the state is older than what was submitted: shard {shard_id} was sent")
    assert caught.value.where == str(store.state_file)
    assert caught.value.hint == (
        "restore a newer backup; or look with `batchrun batches list` at what was sent, and move the folder away"
        " to start afresh and pay again"
    )


@pytest.mark.parametrize(
    "second",
    [
        *(active(phase) for phase in Phase if phase not in (Phase.PLANNED, Phase.REFUSED)),
        *(active(Phase.REFUSED, reason=reason) for reason in (Reason.REPLACED, Reason.ABANDONED)),
    ],
    ids=lambda shard: shard.reason or shard.phase,
)
def test_a_state_that_knows_what_was_sent(store: Store, second: Shard) -> None:
    value = state(second)
    saved(store, value)
    files.leave_mark(store.sent_mark("0001"))
    store.results("0001").touch()
    store.results("0001").with_name("notes.jsonl").touch()
    store.refuse_older(value)


# ---- sweeping


def test_sweeping_keeps_what_the_state_names_and_every_result(store: Store) -> None:
    value = state(active(Phase.SUBMITTED, "0001"), active(Phase.PLANNED, "0002"))
    value = replace(value, expansion=expansion(rows_file="000007.jsonl"))
    kept = ["shards/0001.jsonl", "shards/0002.jsonl", "rows/000007.jsonl", "results/0001.jsonl"]
    kept += ["results/0009.jsonl", "results/0009.part", "log.jsonl", "lock", "state.json"]
    kept += ["shards/0009.sent", "shards/notes.txt", "rows/mine.jsonl", "rows/.bashrc"]
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
        store.log("2026-01-02", "Held", {"at": 5})
    first, second = (store.folder / "log.jsonl").read_bytes().splitlines()
    assert orjson.loads(first) == {"at": "2026-01-01", "event": "Held", "detail": "ä?\n", "path": "a"}
    assert orjson.loads(second) == {"at": "2026-01-02", "event": "Held"}


def test_a_wish_to_cancel_goes_through_no_link(tmp_path: Path, store: Store) -> None:
    store.folder.mkdir(parents=True)
    store.cancel_marker().symlink_to(tmp_path / "victim")
    with pytest.raises(DiskError, match=r"/cancel: Too many levels of symbolic links$"):
        store.ask_to_cancel()
    assert not (tmp_path / "victim").exists()


def test_a_wish_to_cancel_that_cannot_be_left(store: Store) -> None:
    with pytest.raises(DiskError, match=r"^cannot write .*/cancel: No such file or directory$"):
        store.ask_to_cancel()


def test_a_full_disk_is_no_lock_that_is_held(tmp_path: Path) -> None:
    """Nor a bug: what stands in the lock file is for people alone. No file of this process may grow."""
    code = (
        "import resource, sys; from pathlib import Path; from batchrun.rundir.store import Store;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "lock = Store(Path(sys.argv[1]), 'a').locked(); lock.__enter__(); lock.__exit__(None, None, None)"
    )
    ran = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
