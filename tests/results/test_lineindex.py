from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from batchrun.errors import DiskError
from batchrun.results.lineindex import KeyedLines
from tests.resultlines import custom_id, key, succeeded, write


def test_lines_of_a_key_come_the_latest_first(tmp_path: Path) -> None:
    one, two = succeeded("a", "one"), succeeded("a", "two")
    paths = [write(tmp_path / "1", succeeded("b"), one), write(tmp_path / "2", two, one)]
    with closing(KeyedLines(paths)) as lines:
        assert len(lines) == 4
        found = [(lines.file_of(entry), lines.line(entry).rstrip(b"\n")) for entry in lines.find(key("a"))]
        assert found == [(1, one), (1, two), (0, one)]
        assert list(lines.find(key("nobody"))) == []


def test_any_line_that_json_allows_is_indexed(tmp_path: Path) -> None:
    spaced = b'\t{ "custom_id" : "' + custom_id("a").encode() + b'" }\r'
    later = b'{"x":1,"custom_id":"' + custom_id("b").encode() + b'"}'
    with closing(KeyedLines([write(tmp_path / "1", spaced, b"", b" ", later, b"")])) as lines:
        assert len(lines) == 2
        assert [lines.line(entry) for name in "ab" for entry in lines.find(key(name))] == [
            spaced + b"\n",
            later + b"\n",
        ]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_many_files_need_few_descriptors(tmp_path: Path) -> None:
    names = [str(number) for number in range(450)]
    before = open_files()
    with closing(KeyedLines([write(tmp_path / name, succeeded(name)) for name in names])) as lines:
        for name in names * 2:
            assert [lines.line(entry) for entry in lines.find(key(name))]
        assert open_files() - before == 200
    assert open_files() == before


@pytest.mark.parametrize("line", [b'{"custom_id":"mine"}', b'{"custom_id":1}', b"{}", b"[]", b"{", b"\x00"])
def test_a_line_without_a_key_is_named(tmp_path: Path, line: bytes) -> None:
    path = write(tmp_path / "r", succeeded("a"), line)
    with pytest.raises(DiskError) as caught:
        KeyedLines([path])
    assert str(caught.value) == f"{path} holds a line that batchrun did not write: it has no key"
    assert caught.value.hint == "the disk or somebody changed it; restore the file from a backup"


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "r", succeeded("a"))
    with closing(KeyedLines([path])) as lines:
        path.write_bytes(b"")
        with pytest.raises(DiskError, match=r"/r became shorter while it was read$"):
            lines.line(lines.find(key("a"))[0])


def test_a_missing_file_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"^cannot read .*/r: No such file or directory$"):
        KeyedLines([tmp_path / "r"])


def test_a_line_that_no_parser_takes_whole(tmp_path: Path) -> None:
    """Results of which the id stands behind: a lone surrogate, and more levels than are read."""
    path = tmp_path / "r.jsonl"
    for odd in (b'"\\ud83d"', b"[" * 5000 + b"]" * 5000):
        path.write_bytes(b'{"result":%b,"custom_id":"%b"}' % (odd, custom_id("a").encode()))
        with closing(KeyedLines([path])) as lines:
            assert len(lines.find(key("a"))) == 1
