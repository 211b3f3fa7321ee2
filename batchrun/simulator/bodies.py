"""Reading a request's body into a file: bounded, hashed on the way, whichever way it was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batchrun.fs.files import CHUNK
from batchrun.simulator.disk import create
from batchrun.simulator.replies import Refused


class Torn(Exception):
    """The client went away before its body was whole."""


@dataclass(frozen=True, slots=True)
class Spooled:
    path: Path
    size: int
    sha256: str


class Body:
    """What a client sends after its headers: read once, from wherever the last reading stopped."""

    def __init__(self, stream: BinaryIO, headers: Mapping[str, str], limit: int) -> None:
        self._headers, self._limit = headers, limit
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._raw = _chunked(stream) if self._chunked else _counted(stream, _length(headers))
        self.unread = self._chunked or _length(headers) > 0

    def pieces(self) -> Iterator[bytes]:
        """Raises Refused (400, 413) or Torn."""
        if not self._chunked and not self._headers.get("content-length", "0").isdecimal():
            raise Refused(400, "content-length: Input should be a valid integer")
        encoding = self._headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            message = f"The Content-Encoding {encoding} is not supported"
            raise Refused(400, message, error_code="request_body_encoding_unsupported")
        if too_long(self._headers, self._limit):
            raise self._too_large()
        total = 0
        for piece in self._raw:
            total += len(piece)
            if total > self._limit:
                raise self._too_large()
            yield piece
        self.unread = False

    def discard(self) -> None:
        """Read the rest for nothing, so that a client that sends before it reads gets to see the reply."""
        for _ in self._raw:
            pass
        self.unread = False

    def _too_large(self) -> Refused:
        return Refused(413, f"Request exceeds the maximum size of {self._limit} bytes")


def too_long(headers: Mapping[str, str], limit: int) -> bool:
    """Whether the declared length alone is over the limit."""
    return _length(headers) > limit


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def spool(body: Iterator[bytes], path: Path) -> Spooled:
    digest = hashlib.sha256()
    size = 0
    with create(path) as stream:
        for piece in body:
            digest.update(piece)
            stream.write(piece)
            size += len(piece)
    return Spooled(path, size, digest.hexdigest())


def _counted(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        piece = stream.read(min(length, CHUNK))
        if not piece:
            raise Torn
        length -= len(piece)
        yield piece


def _chunked(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        head = stream.readline(1024).split(b";")[0].strip()
        try:
            length = int(head, 16)
        except ValueError:
            raise Torn from None
        if not length:
            while stream.readline(1024).strip():
                pass  # trailers
            return
        yield from _counted(stream, length)
        stream.readline(4)
