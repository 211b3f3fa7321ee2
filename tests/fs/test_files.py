from __future__ import annotations

import errno
import hashlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchrun.errors import BatchrunError, CannotCreate, DiskError, ExitCode
from batchrun.fs import files

NO_SPACE = "free some space and run it again; nothing that was saved is lost"


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# ---- replacing


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for data in (b"first", b"", b"third" * 1_000_000):
        files.write_atomic(path, data)
        assert path.read_bytes() == data
        assert names(tmp_path) == ["a.json"]


def test_modes(tmp_path: Path, umask: int) -> None:
    files.write_atomic(tmp_path / "private", b"")
    with files.replacing(tmp_path / "open", mode=None):
        pass
    assert mode(tmp_path / "private") == 0o600
    assert mode(tmp_path / "open") == 0o666 & ~umask
    files.make_private_dir(tmp_path / "a" / "b")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b")] == [0o700, 0o700]


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    files.make_private_dir(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") == 0o755


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), DiskError("full")])
def test_what_breaks_off_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), files.replacing(path) as stream:
        stream.write(b"new" * 1_000_000)
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / f".a.json.{os.getpid()}.part").symlink_to(victim)
    files.write_atomic(tmp_path / "a.json", b"new")
    assert (victim.read_bytes(), (tmp_path / "a.json").read_bytes()) == (b"mine", b"new")


KILLED = """
import os, sys
from pathlib import Path
from batchrun.fs import files
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in (b"a", b"b"):
        files.write_atomic(path, letter * 300_000)
"""


def test_kill_in_the_middle_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    files.write_atomic(path, b"a" * 300_000)
    for pause in (0.0, 0.002, 0.004, 0.006, 0.008):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(pause)
        process.kill()
        process.communicate()
        data = path.read_bytes()
        assert data in (b"a" * 300_000, b"b" * 300_000)
    files.sweep_parts(path)
    assert names(tmp_path) == ["state.json"]


def test_only_what_was_left_of_this_file_is_swept(tmp_path: Path) -> None:
    for name in (".a[1].json.7.part", ".a[1].json.8.part", ".b.json.7.part", "a[1].json", "a1.part"):
        (tmp_path / name).touch()
    files.sweep_parts(tmp_path / "a[1].json")
    assert names(tmp_path) == [".b.json.7.part", "a1.part", "a[1].json"]


# ---- disks that are full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 kB and four files, its root among them."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=4", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "state.json"
    files.write_atomic(path, b"old")
    with pytest.raises(DiskError) as caught:
        files.write_atomic(path, b"new" * 100_000)
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert (caught.value.hint, caught.value.exit_code) == (NO_SPACE, ExitCode.IO)
    assert path.read_bytes() == b"old"
    assert names(small_disk) == ["state.json"]


def test_a_disk_too_full_to_begin_a_file(small_disk: Path) -> None:
    with pytest.raises(DiskError, match="No space left on device") as caught:
        for number in range(5):
            files.write_atomic(small_disk / f"{number}", b"")
    assert caught.value.hint == NO_SPACE


LIMITED = """
import resource, signal, sys
from pathlib import Path
from batchrun.fs import files
from batchrun.errors import DiskError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.write_atomic(Path(sys.argv[1]), b"new" * 1000)
except DiskError as error:
    print(error)
"""


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"cannot write {path}: File too large\n"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["state.json"]
    assert resource.RLIMIT_FSIZE  # the limit was the other process's


# ---- every other error of the system


def refusals() -> list[tuple[str, Callable[[Path], object], str, type[BatchrunError]]]:
    missing, blocked = "No such file or directory", "Not a directory"

    def settle(path: Path) -> None:
        files.settle(path.with_name("nothing"), path)

    return [
        ("none/a", lambda p: files.write_atomic(p, b""), f"cannot create {{}}: {missing}", CannotCreate),
        ("file/a", lambda p: files.write_atomic(p, b""), f"cannot create {{}}: {blocked}", CannotCreate),
        ("folder", lambda p: files.write_atomic(p, b""), "cannot write {}: Is a directory", DiskError),
        (
            "n" * 255,
            lambda p: files.write_atomic(p, b""),
            "cannot create {}: File name too long",
            CannotCreate,
        ),
        ("file/a", files.make_private_dir, f"cannot create the folder {{}}: {blocked}", CannotCreate),
        ("a", settle, f"cannot write {{}}: {missing}", DiskError),
        ("a", files.digest, f"cannot read {{}}: {missing}", DiskError),
        ("folder", files.digest, "cannot read {}: Is a directory", DiskError),
        ("a", files.file_fact, f"cannot read {{}}: {missing}", DiskError),
        ("a", lambda p: list(files.lines(p)), f"cannot read {{}}: {missing}", DiskError),
    ]


@pytest.mark.parametrize(("name", "act", "message", "kind"), refusals())
def test_no_error_of_the_system_comes_through(
    tmp_path: Path, name: str, act: Callable[[Path], object], message: str, kind: type[BatchrunError]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(BatchrunError) as caught:
        act(path)
    assert type(caught.value) is kind
    assert str(caught.value) == message.format(path)
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, NO_SPACE),
        (errno.EDQUOT, "the disk quota is used up; free some space and run it again"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "check the permissions of the file and its folder"),
        (errno.EIO, ""),
    ],
)
def test_advice(number: int, hint: str) -> None:
    error = files.disk_error(OSError(number, os.strerror(number)), Path("a"), "write")
    assert (str(error), error.hint) == (f"cannot write a: {os.strerror(number)}", hint)


# ---- reading


def test_settling(tmp_path: Path) -> None:
    part, path = tmp_path / "a.part", tmp_path / "a"
    part.write_bytes(b"whole")
    path.write_bytes(b"old")
    files.settle(part, path)
    assert (path.read_bytes(), names(tmp_path)) == (b"whole", ["a"])


def test_facts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    fact = files.file_fact(path)
    assert (fact.path, fact.size, fact.mtime_ns) == (str(path), 3, path.stat().st_mtime_ns)
    assert fact.sha256 == files.digest(path) == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\n\nb", [b"a", b"", b"b"]),
        (b"a\r\nb\x0bc\xe2\x80\xa8d\x85\n", [b"a\r", b"b\x0bc\xe2\x80\xa8d\x85"]),
    ],
)
def test_lines_end_with_lf_and_nothing_else(tmp_path: Path, data: bytes, expected: list[bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    assert list(files.lines(path)) == expected


def test_paths_as_people_read_them() -> None:
    assert files.shown(Path.cwd() / "out" / "a") == str(Path("out", "a"))
    assert files.shown(Path("/elsewhere/a")) == "/elsewhere/a"


# ---- the clock of the file system


def test_the_clock_of_a_folder_is_that_of_its_file_system(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.touch()
    told = files.clock_of(tmp_path)
    after = tmp_path / "after"
    after.touch()
    assert before.stat().st_mtime <= told <= after.stat().st_mtime
    assert names(tmp_path) == ["after", "before"]


def test_where_nothing_can_be_written_it_is_ours(tmp_path: Path) -> None:
    assert files.clock_of(tmp_path / "missing") == pytest.approx(time.time(), abs=60)


# ---- putting away ------------------------------------------------------------------------------


def put_away(path: Path, target: Path) -> bool:
    return files.put_away(path, target, files.signature(path.stat()))


def test_a_file_is_put_away_over_nothing(tmp_path: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "done" / "a"
    target.parent.mkdir()
    path.write_text("one")
    assert put_away(path, target)
    assert (target.read_text(), path.exists()) == ("one", False)
    path.write_text("two")
    assert not put_away(path, target)
    assert (target.read_text(), path.read_text()) == ("one", "two")


@pytest.mark.parametrize("text", ["below/a", "../aside/a", "{absolute}/below/a", "link/a"])
def test_a_link_that_is_put_away_leads_on(tmp_path: Path, text: str) -> None:
    home = tmp_path / "home"
    for folder in (home / "below", home / "done", tmp_path / "aside"):
        folder.mkdir(parents=True)
        (folder / "a").write_text("it")
    (home / "done" / "a").unlink()
    (home / "link").symlink_to("below")
    (home / "a").symlink_to(text.format(absolute=home))
    assert put_away(home / "a", home / "done" / "a")
    assert (home / "done" / "a").is_symlink()
    assert (home / "done" / "a").read_text() == "it"
    assert not os.path.lexists(home / "a")
    assert [path.name for path in (home / "done").iterdir()] == ["a"]


IN_THE_LAST_MOMENT = """
import sys, os
from pathlib import Path
from batchrun.fs import files

def at_the_rename(event, args):
    global change
    if event == "os.rename" and change:
        code, change = change, ""
        exec(code)

change = sys.argv[1]
sys.addaudithook(at_the_rename)
print(files.put_away(Path("a"), Path("done/a"), files.signature(Path("a").stat())))
"""


@pytest.mark.parametrize("change", ["os.unlink('file')", "os.unlink('a'); os.symlink('other', 'a')", "open('file', 'w').write('else')", "os.unlink('a'); open('a', 'w').write('a file')"])  # fmt: skip
def test_what_changes_in_the_last_moment_goes_back(tmp_path: Path, change: str) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "file").write_text("it")
    (tmp_path / "other").write_text("other")
    (tmp_path / "a").symlink_to("file")
    ran = subprocess.run(
        [sys.executable, "-c", IN_THE_LAST_MOMENT, change],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.stderr) == ("False\n", "")
    assert list((tmp_path / "done").iterdir()) == []
    assert os.path.lexists(tmp_path / "a")
    assert (tmp_path / "a").is_symlink() == (not change.endswith("'a file')"))
