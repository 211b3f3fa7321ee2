from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.client.streams import complete, gunzip, split
from batchrun.errors import IncompleteResults
from batchrun.model import RequestCounts, ResultType


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


@given(st.binary(max_size=400), st.integers(1, 50))
def test_split_is_a_split_at_lf_whatever_the_pieces(data: bytes, size: int) -> None:
    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert list(split(pieces(data, size))) == expected


def test_only_lf_ends_a_line() -> None:
    data = "a\rb\r\nc\u2028d\x0ce\x85f\ng".encode()
    assert list(split([data])) == [b"a\rb\r", "c\u2028d\x0ce\x85f".encode(), b"g"]


@pytest.mark.parametrize("data", [b"12345\n", b"1\n12345", b"12345"])
def test_a_line_over_the_limit(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a line is longer than 4 bytes$"):
        list(split(pieces(data, 2), limit=4))
    assert list(split([b"1234\n1234"], limit=4)) == [b"1234", b"1234"]


@given(st.binary(max_size=2000), st.integers(1, 100))
def test_gunzip(data: bytes, size: int) -> None:
    packed = gzip.compress(data[:700]) + gzip.compress(data[700:])
    assert b"".join(gunzip(pieces(packed, size))) == data


def test_gunzip_gives_small_pieces_of_a_bomb() -> None:
    sizes = [len(piece) for piece in gunzip([gzip.compress(bytes(5_000_000))])]
    assert sum(sizes) == 5_000_000
    assert max(sizes) <= 65_536


@given(st.integers(0, 200))
def test_gzip_that_stops_early_is_noticed(keep: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 4)
    with pytest.raises(EOFError):
        list(gunzip([packed[: min(keep, len(packed) - 1)]]))


def test_gzip_that_is_damaged() -> None:
    packed = bytearray(gzip.compress(b"hello" * 100))
    packed[-5] ^= 1
    with pytest.raises(zlib.error):
        list(gunzip([bytes(packed)]))


LINES = [
    b'{"custom_id":"a","result":{"type":"succeeded","message":{"content":[]}}}',
    b'{"custom_id":"b","result":{"type":"errored","error":{"type":"error","error":{"type":"t","message":"m"}}}}',
    b'{"custom_id":"c","result":{"type":"expired"}}',
]
COUNTS = RequestCounts(succeeded=1, errored=1, expired=1)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_complete_results(end: bytes) -> None:
    found = list(complete([b"\n".join(LINES) + end], COUNTS))
    assert [line for line, _ in found] == LINES
    assert [result.type for _, result in found] == [
        ResultType.SUCCEEDED,
        ResultType.ERRORED,
        ResultType.EXPIRED,
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES[:2], "the results hold 0 of 1 expired"),
        ([], "the results hold 0 of 1 succeeded, 0 of 1 errored, 0 of 1 expired"),
        (
            [*LINES, LINES[0] + b" "],
            "line 4 of the results is not usable: its custom_id came before, with another result",
        ),
        ([*LINES, b'{"custom_id":"d","result":{"type":"canceled"}}'], "the results hold 1 of 0 canceled"),
        ([LINES[0], b""], "line 2 of the results is not usable: not JSON: "),
        ([*LINES[:2], LINES[2][:-5]], "line 3 of the results is not usable: not JSON: "),
    ],
)
def test_results_that_prove_nothing(lines: list[bytes], message: str) -> None:
    with pytest.raises(IncompleteResults) as caught:
        list(complete([b"\n".join([*lines, b""])], COUNTS))
    assert str(caught.value).startswith(message)
