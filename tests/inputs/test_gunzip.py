from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.inputs.gunzip import gunzip


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(
    members=st.lists(st.binary(max_size=200), min_size=1, max_size=4),
    size=st.integers(1, 50),
    piece=st.integers(1, 64),
    zeros=st.integers(0, 60),
)
def test_members_in_any_pieces(members: list[bytes], size: int, piece: int, zeros: int) -> None:
    packed = b"".join(map(gzip.compress, members)) + bytes(zeros)
    found = list(gunzip(pieces(packed, size), piece=piece))
    assert b"".join(found) == b"".join(members)
    assert all(0 < len(data) <= piece for data in found)


def test_a_bomb_comes_in_small_pieces() -> None:
    packed = gzip.compress(bytes(50_000_000))
    assert len(packed) < 100_000
    sizes = [len(data) for data in gunzip([packed], piece=1000)]
    assert max(sizes) == 1000
    assert sum(sizes) == 50_000_000


@pytest.mark.parametrize("lost", [1, 8, 20])
def test_a_truncated_file(lost: int) -> None:
    with pytest.raises(EOFError):
        list(gunzip([gzip.compress(b"some text that is compressed")[:-lost]], piece=1000))


@pytest.mark.parametrize("at", [3, 15, -8, -1])
def test_a_damaged_file(at: int) -> None:
    data = bytearray(gzip.compress(b"some text that is compressed" * 3))
    data[at] ^= 0xFF
    with pytest.raises((zlib.error, EOFError)):
        list(gunzip([bytes(data)], piece=1000))


def test_text_behind_the_data() -> None:
    with pytest.raises(zlib.error):
        list(gunzip([gzip.compress(b"x") + b"more"], piece=1000))
