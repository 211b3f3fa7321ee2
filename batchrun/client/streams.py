"""Bytes of a results download on their way to results: unpacked, cut into lines, proven complete. Pure."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

from batchrun.errors import IncompleteResults
from batchrun.model import RequestCounts, Result, ResultType
from batchrun.results.lines import parse

PIECE = 1 << 16
GZIP = 31  # zlib's wbits for a gzip wrapper
MAX_LINE = 256 * 1024 * 1024


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip in pieces, however well it is packed. Raises zlib.error when it is damaged and EOFError
    when it stops early, which a plain decoder lets pass as a shorter text."""
    decoder = zlib.decompressobj(wbits=GZIP)
    for chunk in chunks:
        rest = chunk
        while rest:
            if decoder.eof:  # the next member: gzip files may be concatenated
                decoder = zlib.decompressobj(wbits=GZIP)
            if data := decoder.decompress(rest, PIECE):
                yield data
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    while data := decoder.decompress(b"", PIECE):
        yield data
    if not decoder.eof:
        raise EOFError("the gzip stream stops early")


def split(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[bytes]:
    """Lines without their LF. LF bytes only: results carry CR, U+2028 and the like (api-facts §9, #1778).
    The service sends no LF after the last line (§2.6). Raises ValueError for a line over `limit` bytes."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            if size + len(piece) > limit:
                raise ValueError(f"a line is longer than {limit} bytes")
            yield b"".join([*held, piece]) if held else piece
            held, size = [], 0
        if rest:
            held.append(rest)
            size += len(rest)
        if size > limit:
            raise ValueError(f"a line is longer than {limit} bytes")
    if held:
        yield b"".join(held)


def complete(chunks: Iterable[bytes], counts: RequestCounts) -> Iterator[tuple[bytes, Result]]:
    """Every line and its result; raises IncompleteResults unless each line parses, no custom_id comes
    twice with another result, and the tally equals `counts`, the batch's own. Known only at the end: the lines come
    first. A line that comes again, byte for byte, is left out."""
    # Grows with the batch, which holds 100,000 requests at most.
    seen: dict[str, int] = {}
    tally: Counter[ResultType] = Counter()
    number = 1
    try:
        for line in split(chunks):
            result = parse(line)
            digest, before = hash(line), seen.get(result.custom_id)
            if before is None:
                seen[result.custom_id] = digest
                tally[result.type] += 1
                yield line, result
            elif before != digest:
                raise ValueError("its custom_id came before, with another result")
            number += 1
    except ValueError as error:
        raise IncompleteResults(f"line {number} of the results is not usable: {error}") from None
    _compare(tally, counts)


def _compare(tally: Counter[ResultType], counts: RequestCounts) -> None:
    said = {
        ResultType.SUCCEEDED: counts.succeeded,
        ResultType.ERRORED: counts.errored,
        ResultType.CANCELED: counts.canceled,
        ResultType.EXPIRED: counts.expired,
    }
    off = [f"{tally[kind]} of {count} {kind}" for kind, count in said.items() if tally[kind] != count]
    if off:
        raise IncompleteResults(f"the results hold {', '.join(off)}", hint="download them again")
