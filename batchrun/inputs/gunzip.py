"""gzip, undone in bounded pieces: a bomb costs time, not memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

MAGIC = b"\x1f\x8b"


def gunzip(chunks: Iterable[bytes], *, piece: int) -> Iterator[bytes]:
    """The decompressed bytes in pieces of at most `piece`; several members are read as one.

    Raises zlib.error for damaged data and EOFError when it stops in the middle.
    """
    inflater = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        full = False  # the last piece was cut by its size: more may wait inside, without any new input
        while chunk or full:
            if inflater.eof:
                chunk = chunk.lstrip(b"\0")  # tapes and block devices pad with zeros
                if not chunk:
                    break
                inflater = zlib.decompressobj(wbits=31)
            data = inflater.decompress(chunk, piece)
            if data:
                yield data
            full = len(data) == piece and not inflater.eof
            chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise EOFError
