"""The body of create, streamed from a JSONL file of request lines and never held in memory.

`{"requests":[l1,l2,…]}` is the file with every LF turned into a comma: same length, so Content-Length is
known before the first byte is read.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from batchrun.errors import DataError, UsageError
from batchrun.fs.confine import open_regular, without_links
from batchrun.fs.files import disk_error

MAX_REQUESTS = 100_000
MAX_BYTES = 256_000_000  # the smaller reading of the API's "256 MB" (api-facts §5)
_PREFIX, _SUFFIX = b'{"requests":[', b"]}"
# A socket write must end within the connect timeout, so one write must be small enough for a slow line.
_PIECE = 1 << 16
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ONE_A_LINE = (
    'write one request a line, {"custom_id": …, "params": {…}}; `jq -c \'.requests[]\'` unpacks a whole body'
)


class Body:
    """The requests of one create. `name` stands for the file in messages."""

    def __init__(self, path: Path, name: str = "") -> None:
        self.path, self.name = path, name or str(path)

    @contextmanager
    def opened(self) -> Iterator[Upload]:
        """The file, open for one sending. Raises MissingInput, DataError or DiskError."""
        with open_regular(without_links(self.path)) as handle:
            yield Upload(handle, self.name)


class Upload:
    """One sending of a body. `begun` turns True when the first byte of it leaves for the socket."""

    def __init__(self, handle: BinaryIO, name: str, *, label: str = "") -> None:
        self._handle, self._name, self._label = handle, name, label
        self._size, self._mtime = self._stat()
        self._last = _last_byte(handle, self._size)
        self.begun = False
        self.length = len(_PREFIX) + self._size - self._last + len(_SUFFIX)

    def __iter__(self) -> Iterator[bytes]:
        """The body's bytes. Raises DataError, before the last of them, when the file changed meanwhile: a
        body that stays short of its Content-Length creates nothing."""
        self.begun = True
        head, left = _PREFIX, self._size - self._last
        self._handle.seek(0)
        while left:
            piece = self._read(min(_PIECE, left))
            left -= len(piece)
            yield head + piece.replace(b"\n", b",")
            head = b""
        if (self._size, self._mtime) != self._stat():
            raise self._changed()
        yield head + _SUFFIX

    def check(self) -> int:
        """Hold the lines against the rules of the envelope (api-facts §2.1, §3.1) and return their number.

        Raises DataError for the first line that breaks one.
        """
        if self.length > MAX_BYTES:
            raise DataError(
                f"the body would be {self.length:,} bytes, more than the {MAX_BYTES:,} of one batch",
                where=self._name,
                hint="split it into several batches",
            )
        # Grows with the requests of one batch: 100,000 at most.
        seen: dict[str, int] = {}
        number = 0
        self._handle.seek(0)
        for number, line in enumerate(self._handle, start=1):
            if number > MAX_REQUESTS:
                raise DataError(
                    f"more than {MAX_REQUESTS:,} requests, the most of one batch", where=self._name
                )
            try:
                custom_id = _custom_id(line)
                if (first := seen.setdefault(custom_id, number)) != number:
                    raise ValueError(f"custom_id {custom_id!r} is also in {self._at(first)}")
            except ValueError as error:
                raise DataError(str(error), where=self._at(number), hint=self._advice(line)) from None
        if not number:
            raise DataError("no requests", where=self._name, hint="a batch holds at least one")
        return number

    def _at(self, number: int) -> str:
        return f"{self._label}[{number - 1}]" if self._label else f"{self._name}:{number}"

    def _advice(self, line: bytes) -> str:
        return "" if self._label or not _other_shape(line) else _ONE_A_LINE

    def _read(self, size: int) -> bytes:
        try:
            piece = self._handle.read(size)
        except OSError as error:
            # Said here: below us an OSError would pass for a broken connection.
            raise disk_error(error, Path(self._name), "read") from error
        if not piece:
            raise self._changed()
        return piece

    def _changed(self) -> DataError:
        return DataError(
            f"{self._name} changed while it was sent", hint="leave the file alone while it is sent"
        )

    def _stat(self) -> tuple[int, int]:
        stat = os.fstat(self._handle.fileno())
        return stat.st_size, stat.st_mtime_ns


@contextmanager
def uploading(requests: Iterable[Mapping[str, object]] | Path | Body | Upload) -> Iterator[Upload]:
    """What create was given, ready to send: checked, unless it is a Body or an open Upload, for which the
    caller vouches."""
    match requests:
        case Upload():
            yield requests
        case Body():
            with requests.opened() as upload:
                yield upload
        case Path():
            with Body(requests).opened() as upload:
                upload.check()
                yield upload
        case str() | bytes() | Mapping():
            raise UsageError("create takes a list of requests, or a Path to a JSONL file of them")
        case _:
            with _spooled(requests) as upload:
                upload.check()
                yield upload


@contextmanager
def _spooled(requests: Iterable[Mapping[str, object]]) -> Iterator[Upload]:
    """Requests from memory as an upload: through a nameless temporary file, so that an iterator of 100,000
    costs no memory. Raises DataError for what JSON cannot say."""
    with tempfile.TemporaryFile() as handle:
        for index, request in enumerate(requests):
            if index >= MAX_REQUESTS:
                raise DataError(
                    f"more than {MAX_REQUESTS:,} requests, the most of one batch", where="requests"
                )
            handle.write(_encode(request, index) + b"\n")
        handle.flush()
        yield Upload(handle, "requests", label="requests")


def _encode(request: Mapping[str, object], index: int) -> bytes:
    try:
        # Not orjson: it writes NaN as null without a word.
        return json.dumps(dict(request), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", where=f"requests[{index}]") from None


def _custom_id(line: bytes) -> str:
    """The custom_id of a request line whose envelope is right; ValueError says what is not."""
    if line.startswith(b"\xef\xbb\xbf"):
        raise ValueError("the line begins with a byte order mark")
    if not line.strip():
        raise ValueError("the line is empty")
    try:
        request = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(request, dict):
        raise ValueError("a request is a JSON object")
    custom_id = request.get("custom_id")
    if custom_id is None:
        raise ValueError("custom_id is missing")
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        raise ValueError("custom_id is not 1 to 64 letters, digits, '-' or '_'")
    if not isinstance(request.get("params"), dict):
        raise ValueError("params is missing" if "params" not in request else "params is not an object")
    return custom_id


def _other_shape(line: bytes) -> bool:
    start = line.lstrip()
    return start.startswith((b"[", b'{"requests"')) or start.rstrip() == b"{"


def _last_byte(handle: BinaryIO, size: int) -> int:
    """1 when the file ends in LF, which is then no separator."""
    if not size:
        return 0
    handle.seek(size - 1)
    return int(handle.read(1) == b"\n")
