from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from batchrun.errors import DataError, ExitCode, MissingInput
from batchrun.fs.confine import confine, open_confined, open_regular

HINT = "move it below the spec's folder, or allow its folder with --root DIR or BATCHRUN_ROOTS"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.csv").write_text("a")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "b.csv").write_text("b")
    (tmp_path / "job-2").mkdir()
    return folder


@pytest.mark.parametrize(
    "text",
    ["data/a.csv", "./data/a.csv", "data/../data/a.csv", "data//a.csv", "not/there", ".", "data/ü \n.csv"],
)
def test_what_lies_inside(root: Path, text: str) -> None:
    found = confine(text, root=root)
    assert found.is_absolute()
    assert found == (root / text).resolve()


def test_an_absolute_path_may_lie_inside(root: Path) -> None:
    assert confine(str(root / "data" / "a.csv"), root=root) == root / "data" / "a.csv"


@pytest.mark.parametrize(
    "text", ["..", "../shared/b.csv", "data/../../shared/b.csv", "/etc/passwd", "../job-2/x", "/"]
)
def test_what_leads_outside(root: Path, text: str) -> None:
    with pytest.raises(DataError) as caught:
        confine(text, root=root)
    assert str(caught.value) == f"{text!r} lies outside the spec's folder"
    assert (caught.value.hint, caught.value.exit_code) == (HINT, ExitCode.DATA)


@pytest.mark.parametrize("text", ["", "\0", "data/a.csv\0.png"])
def test_what_is_no_path(root: Path, text: str) -> None:
    with pytest.raises(DataError) as caught:
        confine(text, root=root)
    assert str(caught.value) == f"not a path: {text!r}"


def test_links_are_followed_before_they_are_judged(root: Path) -> None:
    (root / "out").symlink_to(root.parent / "shared")
    (root / "in").symlink_to(root / "data")
    (root / "back").symlink_to("../job/data/a.csv")
    assert confine("in/a.csv", root=root) == root / "data" / "a.csv"
    assert confine("back", root=root) == root / "data" / "a.csv"
    for text in ("out", "out/b.csv", "out/not/there"):
        with pytest.raises(DataError, match="lies outside"):
            confine(text, root=root)


def test_a_root_behind_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert confine("data/a.csv", root=link) == root / "data" / "a.csv"


def test_a_link_that_leads_to_itself(root: Path) -> None:
    (root / "loop").symlink_to("loop")
    if sys.version_info < (3, 13):
        with pytest.raises(DataError, match=r"^cannot follow the path 'loop/a'"):
            confine("loop/a", root=root)


def test_roots_that_an_operator_allowed(root: Path) -> None:
    shared = root.parent / "shared"
    (root / "out").symlink_to(shared)
    for text in ("../shared/b.csv", str(shared / "b.csv"), "out/b.csv"):
        assert confine(text, root=root, roots=[Path("/nowhere"), shared]) == shared / "b.csv"
    with pytest.raises(DataError, match="lies outside"):
        confine("../job-2/x", root=root, roots=[shared])


@pytest.mark.parametrize(
    "text", [".batchrun/other/rows/1.jsonl", "data/.batchrun/x", ".batchrun", ".BatchRun/x", "../.batchrun/x"]
)
def test_where_the_state_is_kept(root: Path, text: str) -> None:
    with pytest.raises(DataError) as caught:
        confine(text, root=root, roots=[root.parent])
    assert str(caught.value) == f"{text!r} lies inside .batchrun"
    assert caught.value.hint == "the state is kept there; name another"


def test_a_link_into_the_state(root: Path) -> None:
    (root / ".batchrun").mkdir()
    (root / "data" / "in").symlink_to(root / ".batchrun")
    with pytest.raises(DataError, match=r"^'data/in/a' lies inside \.batchrun$"):
        confine("data/in/a", root=root)


def test_opening_a_file(root: Path) -> None:
    with open_regular(root / "data" / "a.csv") as stream:
        assert stream.read() == b"a"


def test_what_is_not_there(root: Path) -> None:
    with pytest.raises(MissingInput) as caught:
        open_regular(root / "none")
    assert str(caught.value) == f"no such file: {root / 'none'}"
    assert caught.value.exit_code is ExitCode.NO_INPUT


def test_what_is_no_regular_file(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "s"))
        (root / "link").symlink_to(root / "data" / "a.csv")
        for path, message in [
            (root / "data", f"{root / 'data'} is not a regular file"),
            (root / "pipe", f"{root / 'pipe'} is not a regular file"),
            (Path(os.devnull), f"{os.devnull} is not a regular file"),
            (root / "s", f"cannot open {root / 's'}: No such device or address"),
            (root / "link", f"cannot open {root / 'link'}: Too many levels of symbolic links"),
            (root / "data" / "a.csv" / "x", f"cannot open {root / 'data' / 'a.csv' / 'x'}: Not a directory"),
        ]:
            with pytest.raises(DataError) as caught:
                open_regular(path)
            assert str(caught.value) == message


def test_a_folder_that_became_a_link_since(root: Path) -> None:
    """The path was judged, and then its folder was swapped."""
    path = confine("data/a.csv", root=root)
    (root / "data").rename(root / "old")
    (root / "data").symlink_to(root.parent / "shared")
    (root.parent / "shared" / "a.csv").write_text("secret")
    with pytest.raises(DataError) as caught:
        open_confined(path)
    assert str(caught.value) == f"cannot open {path}: what stands on the way is no folder"


def test_opening_what_is_confined(root: Path) -> None:
    with open_confined(confine("data/../data/a.csv", root=root)) as stream:
        assert stream.read() == b"a"
    with pytest.raises(MissingInput, match=r"^no such file: "):
        open_confined(root / "none" / "a.csv")
    (root / "data" / "link").symlink_to(root / "data" / "a.csv")
    with pytest.raises(DataError, match="Too many levels of symbolic links"):
        open_confined(root / "data" / "link")
