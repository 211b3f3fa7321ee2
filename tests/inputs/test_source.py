from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError, MissingInput, Problem
from batchrun.inputs.rows import open_rows
from batchrun.inputs.source import Block, Source
from batchrun.model import FileFact
from tests.inputs.helpers import problem, spec, write


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", b"\xef\xbb\xbfa\n1\n"),
        ("t.csv.gz", gzip.compress(b"a\n1\n\n", mtime=0) + bytes(512)),
        ("t.jsonl", b'{"a":1}\n\n'),
        ("t.json", b'[{"a":1}] \n'),
        ("t.json", b""),
        ("t.txt", b"a"),
    ],
)
def test_the_fact_is_that_of_the_bytes_on_the_disk(tmp_path: Path, name: str, data: bytes) -> None:
    write(tmp_path, {name: data})
    rows = open_rows(spec(name), root=tmp_path)
    assert rows.files == []
    list(rows)
    stat = (tmp_path / name).stat()
    assert rows.files == [FileFact(name, len(data), stat.st_mtime_ns, hashlib.sha256(data).hexdigest())]


def _append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"2\n")


def _same_size(path: Path) -> None:
    path.write_bytes(b"a\n7\n8\n")
    os.utime(path, ns=(1, 1))


def _replace(path: Path) -> None:
    stat = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_append, "the file changed while it was read"),
        (_same_size, "the file changed while it was read"),
        (_replace, "the file changed while it was read"),
        (Path.unlink, "the file went away while it was read: No such file or directory"),
    ],
)
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    write(tmp_path, {"t.csv": b"a\n1\n2\n"})
    rows = iter(open_rows(spec("t.csv"), root=tmp_path))
    next(rows)
    change(tmp_path / "t.csv")
    with pytest.raises(DataError) as caught:
        list(rows)
    assert caught.value.problems == (
        Problem(message, "t.csv", "run it again when nothing writes to the file any more"),
    )


def test_a_file_that_is_gone_when_its_turn_comes(tmp_path: Path) -> None:
    write(tmp_path, {"1.csv": b"a\n1\n", "2.csv": b"a\n1\n"})
    rows = iter(open_rows(spec("1.csv", "2.csv"), root=tmp_path))
    next(rows)
    (tmp_path / "2.csv").unlink()
    with pytest.raises(MissingInput, match=f"no such file: {tmp_path / '2.csv'}"):
        list(rows)


PACKED = gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\n1\n", Problem(
            "the name ends in .gz, but this is not gzip data", "t.csv.gz", "take .gz off the name")),
        (PACKED[:-4], Problem(
            "the gzip data stops in the middle", "t.csv.gz",
            "copy or make the file again; gzip -t FILE checks it")),
        (PACKED[:-8] + b"????" + PACKED[-4:], Problem(
            "the gzip data is damaged (Error -3 while decompressing data: incorrect data check)",
            "t.csv.gz", "copy or make the file again; gzip -t FILE checks it")),
        (PACKED + b"more", Problem(
            "the gzip data is damaged (Error -3 while decompressing data: incorrect header check)",
            "t.csv.gz", "copy or make the file again; gzip -t FILE checks it")),
    ],
)  # fmt: skip
def test_gzip_faults(tmp_path: Path, data: bytes, expected: Problem) -> None:
    write(tmp_path, {"t.csv.gz": data})
    assert problem(tmp_path, "t.csv.gz", error=DataError) == expected


def test_gzip_in_crumbs_is_read_in_blocks(tmp_path: Path) -> None:
    """A file may be made of members of one byte: who looks for the end of a row starts anew with each block."""
    write(tmp_path, {"t.gz": gzip.compress(b"\n", mtime=0) * 3000})
    with Source(tmp_path / "t.gz", "t.gz") as source:
        assert list(source.blocks()) == [Block(b"\n" * 3000, 1, 0)]


def test_an_endless_line_is_given_up_before_it_fills_the_memory(tmp_path: Path) -> None:
    write(tmp_path, {"t.gz": gzip.compress(b"short\n" + b"x" * 20_000_000, mtime=0)})
    with Source(tmp_path / "t.gz", "t.gz") as source, pytest.raises(DataError) as caught:
        list(source.blocks(limit=3_000_000))
    assert caught.value.problems == (Problem("line 2 is longer than 3 MB", "t.gz:2", "no batch can hold it"),)


def test_blocks_are_whole_lines_and_pieces_whole_characters(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + ("x" + "🙂é\u2028\n日本" * 200_000).encode()
    write(tmp_path, {"t": data})
    with Source(tmp_path / "t", "t") as source:
        blocks = list(source.blocks())
    assert len(blocks) > 1
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])
    with Source(tmp_path / "t", "t") as source:
        pieces = list(source.pieces())
        texts = [source.decode(piece) for piece in pieces]
    assert "".join(texts).encode() == b"".join(block.data for block in blocks) == data[3:]
    for found in (blocks, pieces):
        for block in found:
            assert data[block.offset :].startswith(block.data)
            assert block.line == data.count(b"\n", 0, block.offset) + 1


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4), st.integers(1, 3))
def test_characters_are_never_cut(tmp_path_factory: pytest.TempPathFactory, text: str, short: int) -> None:
    """The text straddles the border between the first piece of reading, a mebibyte, and the second."""
    data = b"x" * ((1 << 20) - short) + text.encode()
    folder = tmp_path_factory.mktemp("cut")
    write(folder, {"t": data})
    with Source(folder / "t", "t") as source:
        assert "".join(map(source.decode, source.pieces())) == data.decode()


def test_a_character_cut_by_the_end_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"t.txt": "x\né".encode()[:-1]})
    assert problem(tmp_path, "t.txt", error=DataError) == Problem(
        "not UTF-8: byte 0xc3 at offset 2",
        "t.txt:2",
        "save it as UTF-8, for instance: iconv -f windows-1252 -t utf-8 OLD > NEW",
    )
