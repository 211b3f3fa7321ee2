"""Lines of JSONL files found by the key in their `custom_id`, without being read into memory.

Lines are read by offset, not mapped: pages of a mapped file count as memory of the process, and a million
answers are gigabytes.
"""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from batchrun.errors import DiskError
from batchrun.fs.files import CHUNK, disk_error
from batchrun.results.lines import loads

KEY_LENGTH = 32
"""A key is a 128-bit hash in hexadecimal; a custom_id is `<key>-<nonce>` (design §3)."""

_ID = re.compile(rb'\s*\{\s*"custom_id"\s*:\s*"([0-9a-f]{32})-')
_FILE_BITS, _OFFSET_BITS, _LENGTH_BITS = 20, 44, 32
_OFFSET = (1 << _OFFSET_BITS) - 1
_OPEN_FILES = 200


class KeyedLines:
    """Lines of several JSONL files, found by the key in their `custom_id`. Later files come later.

    Grows with the number of lines, by 20 bytes each (about 60 while it is built): an output in input order
    needs answers that come in any order. Half of the key is held; who asks compares the whole of it.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises DiskError when a file cannot be read, or holds a line without a key."""
        self._paths = tuple(paths)
        self._handles: dict[int, int] = {}
        packed = [entry for number in range(len(self._paths)) for entry in self._scan(number)]
        packed.sort()
        place = _FILE_BITS + _OFFSET_BITS
        self._keys = array("Q", (entry >> place + _LENGTH_BITS for entry in packed))
        self._places = array("Q", (entry >> _LENGTH_BITS & (1 << place) - 1 for entry in packed))
        self._lengths = array("I", (entry & (1 << _LENGTH_BITS) - 1 for entry in packed))

    def _scan(self, number: int) -> Iterator[int]:
        """Each line as one integer that sorts by key, then file, then offset."""
        path, offset = self._paths[number], 0
        try:
            with path.open("rb", buffering=CHUNK) as stream:
                for line in stream:
                    if (key := _key_of(line, path)) is not None:
                        place = (key << _FILE_BITS | number) << _OFFSET_BITS | offset
                        yield place << _LENGTH_BITS | len(line)
                    offset += len(line)
        except OSError as error:
            raise disk_error(error, path, "read") from error

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, key: str) -> range:
        """The entries whose lines may be of this key, the latest first."""
        half = int(key[:16], 16)
        end = bisect_right(self._keys, half)
        first = end
        while first and self._keys[first - 1] == half:
            first -= 1
        return range(end - 1, first - 1, -1)

    def only(self, keys: Sequence[str]) -> list[int]:
        """For each key the entry whose line may be of it, where there is one and no more; else -1."""
        known = self._keys
        if len(known) < 2:  # the first one has none before it, and is held against the last
            return [-1] * len(keys)
        halves = [int(key[:16], 16) for key in keys]
        entries = [bisect_right(known, half) - 1 for half in halves]
        return [
            entry if known[entry] == half != known[entry - 1] else -1
            for half, entry in zip(halves, entries, strict=True)
        ]

    def line(self, entry: int) -> bytes:
        """The line of an entry, as it stands in its file."""
        place, length = self._places[entry], self._lengths[entry]
        number = place >> _OFFSET_BITS
        handle = self._handles.get(number)
        try:
            data = os.pread(self._open(number) if handle is None else handle, length, place & _OFFSET)
        except OSError as error:
            raise disk_error(error, self._paths[number], "read") from error
        if len(data) != length:
            raise DiskError(f"{self._paths[number]} became shorter while it was read")
        return data

    def file_of(self, entry: int) -> int:
        """The number of the file that an entry stands in."""
        return self._places[entry] >> _OFFSET_BITS

    def _open(self, number: int) -> int:
        """The file, opened; the one opened first makes room, so that no job runs out of descriptors."""
        if len(self._handles) >= _OPEN_FILES:
            os.close(self._handles.pop(next(iter(self._handles))))
        handle = self._handles[number] = os.open(self._paths[number], os.O_RDONLY | os.O_CLOEXEC)
        return handle

    def close(self) -> None:
        while self._handles:
            os.close(self._handles.popitem()[1])


def _key_of(line: bytes, path: Path) -> int | None:
    """The first half of the key, as an integer; None for a blank line."""
    if found := _ID.match(line):
        return int(found[1][:16], 16)
    if not line.strip():
        return None
    try:
        custom_id = loads(line)["custom_id"]
        return int(custom_id[:16], 16)
    except (ValueError, TypeError, KeyError):
        raise not_ours(path, "it has no key") from None


def not_ours(path: Path, reason: str) -> DiskError:
    """The error for a line in one of our own files that cannot be ours."""
    return DiskError(
        f"{path} holds a line that batchrun did not write: {reason}",
        hint="the disk or somebody changed it; restore the file from a backup",
    )
