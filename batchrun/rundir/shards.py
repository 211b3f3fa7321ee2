"""Requests → shards: cut by count and by the exact bytes of the body, written once, immutable.

A line is `{"custom_id":"<key>-<nonce>","params":…}` with LF at its end. The body of a create is the file
itself between `{"requests":[` and `]}`, each LF but the last become a comma.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import orjson

from batchrun.cost.estimate import Estimator
from batchrun.cost.prices import PriceLookup
from batchrun.errors import DataError
from batchrun.fs import files
from batchrun.lifecycle.state import Shard
from batchrun.model import Job
from batchrun.requests.expand import KEY_BYTES, Bulk, Request, facts_of

HEAD, TAIL = b'{"requests":[', b"]}"
MOST_MODELS = 50
"""Models of a shard that its state names: rows may say any names, and the state stays small."""
_ID_START = len(b'{"custom_id":"')
_ID_END = _ID_START + 2 * KEY_BYTES
NONCE_CHARS = 16
_EMPTY = len(HEAD) + len(TAIL) - 1
"""Bytes of a body before its first request, less the comma that the last one goes without."""
_PARAMS = _ID_END + 1 + NONCE_CHARS + len(b'","params":')
_AROUND = _PARAMS + len(b"}\n")
"""Bytes of a line beside its `params`."""


_MARKS = 1000
"""So many sizes a full shard may have, within one percent of the limit."""
UNMARKED = "0" * NONCE_CHARS
"""A nonce for measuring: a shard under it is cut at the very limit."""


class Cutter:
    """Takes requests in order and cuts them into shards. With `path_of` None it only measures (`plan`).

    A full shard is up to a hundredth smaller than it may be, by its nonce: until its results are there, a batch is
    told by the number of its requests alone (design §16), and full ones must not all be alike.
    """

    def __init__(
        self,
        job: Job,
        *,
        first: int,
        nonce: Callable[[], str],
        price_of: PriceLookup,
        path_of: Callable[[str], Path] | None,
        attempt: int = 1,
        marked: bool = True,
    ) -> None:
        """`marked`: false where the limits are to be met exactly."""
        self._marked = marked
        self._job, self._nonce, self._price_of = job, nonce, price_of
        self._path_of, self._attempt = path_of, attempt
        self._number = first
        self._stack = ExitStack()
        self._done: list[Shard] = []
        self._count, self._bytes = 0, _EMPTY
        self._nonce_now = b""
        self._most_requests = self._most_bytes = 0
        self._estimator = Estimator(price_of)
        self._models: dict[str, None] = {}
        """Whom the shard under way asks, in order of appearance."""

    def __enter__(self) -> Cutter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._stack.__exit__(kind, *rest)  # type: ignore[arg-type]

    def add(self, request: Request, where: str = "") -> None:
        """Raises DataError, naming `where`, when the request is too large for any batch."""
        size = len(request.params) + _AROUND
        limits = self._job.limits
        if size - 1 + len(HEAD) + len(TAIL) > limits.batch_bytes:
            raise DataError(
                f"{where or 'a row'}: the request takes {size:,} bytes; a whole batch may take {limits.batch_bytes:,}",
                hint="shorten the row, or put large files into the Files API and name them by file_id",
            )
        if self._count and (self._count >= self._most_requests or self._bytes + size > self._most_bytes):
            self._finish()
        if not self._count:
            self._start()
        self._write(self._line % (request.key.hex().encode(), request.params))
        self._count += 1
        self._bytes += size
        self._models[request.model] = None
        self._estimator.add(
            request.params, model=request.model, max_tokens=request.max_tokens, media=request.media
        )

    def add_all(self, bulk: Bulk) -> bool:
        """Add many requests; or none, and False, when the shard under way has no room for all of them."""
        number = len(bulk.params)
        size = self._bytes + sum(map(len, bulk.params)) + number * _AROUND
        if not self._nonce_now:
            self._draw()
        if self._count + number > self._most_requests or size > self._most_bytes:
            return False
        if not self._count:
            self._start()
        if self._stream is not None:
            self._write(b"\n".join(map(self._line.__mod__, zip(bulk.names, bulk.params, strict=True))))
        self._count, self._bytes = self._count + number, size
        self._models[bulk.model] = None
        self._estimator.add_all(
            bulk.params, same=bulk.same, text=bulk.text, model=bulk.model, max_tokens=bulk.max_tokens
        )
        return True

    def close(self) -> tuple[Shard, ...]:
        """The shards, whole and durable."""
        if self._count:
            self._finish()
        return tuple(self._done)

    def _draw(self) -> None:
        """The nonce of the next shard, and with it how large that may get."""
        nonce, limits = self._nonce(), self._job.limits
        share = int(nonce, 16) % _MARKS if self._marked else 0
        self._nonce_now = nonce.encode()
        self._most_requests = _less(limits.batch_requests, share)
        self._most_bytes = _less(limits.batch_bytes, share)

    def _start(self) -> None:
        self._id = f"{self._number:04d}"
        if not self._nonce_now:
            self._draw()
        self._line = b'{"custom_id":"%%b-%b","params":%%b}' % self._nonce_now
        self._sha = hashlib.sha256(HEAD)
        self._estimator = Estimator(self._price_of)
        self._models.clear()
        self._stream: BinaryIO | None = None
        if self._path_of is not None:
            self._stream = self._stack.enter_context(files.replacing(self._path_of(self._id)))

    def _write(self, lines: bytes) -> None:
        """Lines without the last LF; JSON has no other LF in it."""
        if self._stream is not None:
            if self._count:
                self._sha.update(b",")
            self._sha.update(lines.replace(b"\n", b","))
            self._stream.write(lines)
            self._stream.write(b"\n")

    def _finish(self) -> None:
        self._stack.close()
        self._sha.update(TAIL)
        self._done.append(
            Shard(
                id=self._id,
                nonce=self._nonce_now.decode(),
                requests=self._count,
                bytes=self._bytes,
                sha256=self._sha.hexdigest() if self._stream is not None else "",
                estimate=self._estimator.total(),
                attempt=self._attempt,
                api_version=self._job.api_version,
                betas=self._job.betas,
                models=tuple(model[:100] for model in islice(self._models, MOST_MODELS)),
            )
        )
        self._number += 1
        self._count, self._bytes = 0, _EMPTY
        self._nonce_now = b""


def _less(limit: int, share: int) -> int:
    """`limit` less so many thousandths of a hundredth of it: of 100,000 so many."""
    return limit - limit * share // (100 * _MARKS)


def params_bytes(shard: Shard) -> int:
    """Bytes of all `params` of a shard: its body without what we put around them."""
    return shard.bytes - _EMPTY - shard.requests * _AROUND


def body_digest(path: Path) -> str:
    """The sha256 of the body that a shard's file makes. Raises DiskError when it cannot be read."""
    digest, held = hashlib.sha256(HEAD), b""
    try:
        with path.open("rb", buffering=0) as stream:
            while piece := stream.read(files.CHUNK):
                piece = held + piece
                held = piece[-1:]  # the last LF of all is no separator
                digest.update(piece[:-1].replace(b"\n", b","))
    except OSError as error:
        raise files.disk_error(error, path, "read") from error
    digest.update(held.removesuffix(b"\n") + TAIL)
    return digest.hexdigest()


def keys_in(paths: Iterable[Path]) -> set[bytes]:
    """The keys asked for in these shards: 16 bytes a request in memory, as any row may need any of them."""
    return {bytes.fromhex(line[_ID_START:_ID_END].decode()) for path in paths for line in files.lines(path)}


def custom_ids(path: Path) -> Iterator[str]:
    """The custom_ids of a shard, in order."""
    end = _ID_END + 1 + NONCE_CHARS
    return (line[_ID_START:end].decode() for line in files.lines(path))


def requests_in(path: Path) -> Iterator[Request]:
    """The requests of a shard, in order, as they were before they had a nonce."""
    for line in files.lines(path):
        params = line[_PARAMS:-1]
        body = orjson.loads(params)
        key = bytes.fromhex(line[_ID_START:_ID_END].decode())
        yield Request(key, params, *facts_of(body))


def keys_needed(rows: Path) -> set[bytes]:
    """The keys of today's rows: 16 bytes a request in memory, to be looked up in any order."""
    return {bytes.fromhex(key) for line in files.lines(rows) for key in orjson.loads(line)["keys"]}
