"""The body of a reply on its way out: cut, packed and framed, as a fault may ask."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, TypeAlias

from batchrun.fs.files import CHUNK

GZIP = 31  # zlib's wbits for a gzip wrapper
Amount: TypeAlias = "int | str"
"""Bytes of a body; below 0 so many before its end; or `half`, or `all`."""

ENDS = ("clean", "torn", "short", "closed", "gzip_length", "gzip_chunks")
"""How a body that is cut ends: as if that were all; without the last chunk; short of its content-length; with
the connection, which says nothing of its length; packed by gzip, and the packed text cut, with the length of
what is left, or in chunks that end well."""


@dataclass(slots=True)
class Sending:
    """What goes wrong while a reply is sent. Seconds are real ones.

    `reset_after`: the connection breaks after so much of the body. `drip`: so many bytes at a time, and the
    pause after each; of the body, or of the headers too. `close_port`: refuse connections for so long.
    """

    cut: Amount | None = None
    end: str = "clean"
    reset_after: Amount | None = None
    stall_before: float = 0.0
    stall_within: float = 0.0
    drip: tuple[int, float] | None = None
    drip_headers: bool = False
    close_port: float = 0.0

    @property
    def slow(self) -> bool:
        return self.drip is not None or self.stall_within > 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`length`: what content-length says; None says nothing. `packed`: as gzip. `whole`: the framing ends as
    it should, and the connection can go on. `reset`: it ends with a TCP reset."""

    pieces: Iterator[bytes]
    length: int | None
    chunked: bool
    packed: bool = False
    whole: bool = True
    reset: bool = False

    def framed(self) -> Iterator[bytes]:
        if not self.chunked:
            yield from self.pieces
            return
        for piece in self.pieces:
            if piece:
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
        if self.whole:
            yield b"0\r\n\r\n"


def outgoing(body: bytes | Iterable[bytes], sending: Sending) -> Outgoing:
    """A body, bytes with their length or pieces in chunks, as it goes out."""
    amount = sending.cut if sending.reset_after is None else sending.reset_after
    if amount is None:
        if isinstance(body, bytes):
            return Outgoing(iter((body,)), len(body), chunked=False)
        return Outgoing(iter(body), None, chunked=True)
    packed = sending.reset_after is None and sending.end.startswith("gzip")
    pieces = (body,) if isinstance(body, bytes) else body
    # Halves, and what is left of a packed text, ask for a size: nothing tells it but the whole.
    stream, size = _spooled(_gzipped(pieces) if packed else pieces)
    kept = _bytes_of(amount, size)
    part = _first(stream, kept)
    if sending.reset_after is not None:
        by_length = isinstance(body, bytes)
        return Outgoing(part, size if by_length else None, not by_length, whole=False, reset=True)
    match sending.end:
        case "torn":
            return Outgoing(part, None, chunked=True, whole=False)
        case "short":
            return Outgoing(part, size, chunked=False, whole=kept == size)
        case "closed":
            return Outgoing(part, None, chunked=False, whole=False)
        case "gzip_length":
            return Outgoing(part, kept, chunked=False, packed=True)
        case _:
            return Outgoing(part, None, chunked=True, packed=packed)


def in_drips(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def _bytes_of(amount: Amount, size: int) -> int:
    if isinstance(amount, str):
        return size if amount == "all" else size // 2
    return max(0, min(size, size + amount if amount < 0 else amount))


def _spooled(pieces: Iterable[bytes]) -> tuple[IO[bytes], int]:
    stream = tempfile.TemporaryFile(buffering=CHUNK)  # noqa: SIM115 - closed when it has gone out
    for piece in pieces:
        stream.write(piece)
    size = stream.tell()
    stream.seek(0)
    return stream, size


def _first(stream: IO[bytes], left: int) -> Iterator[bytes]:
    with stream:
        while left > 0 and (piece := stream.read(min(left, CHUNK))):
            left -= len(piece)
            yield piece


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=GZIP)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
