"""The answers we hold, and which of several to one request counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeAlias

from batchrun.model import Result, ResultType
from batchrun.results.lineindex import KEY_LENGTH, KeyedLines, not_ours
from batchrun.results.lines import Usual, loads, parse, usual


@dataclass(frozen=True, slots=True)
class Source:
    """The proven results of one shard. `requests` is the shard's own file of request lines."""

    results: Path
    nonce: str
    batch_id: str
    attempt: int = 1
    canceled_by_user: bool = False
    requests: Path | None = None


class Answer(NamedTuple):
    """What the API said to a request, and where it said so. `entry` counts the lines of all sources from 0:
    two rows with one entry share one answer."""

    result: Result
    source: Source
    entry: int = 0


UsualAnswer: TypeAlias = tuple[int, Source, Usual]
"""An answer that is as nearly all are: its entry, where it was said, and its parts."""


class Answers:
    """All answers of a job; a context manager that holds the files open."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """`sources` in shard order: of two answers to one key, the later source has the later attempt."""
        self._sources = tuple(sources)
        self._lines = KeyedLines([source.results for source in self._sources])

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()

    def __len__(self) -> int:
        return len(self._lines)

    def usual(self, keys: Sequence[str]) -> list[UsualAnswer | None]:
        """For each key the entry of its answer, its source and its parts, where it is the only one and as nearly
        all are; None for all else, which `get` tells. Some dozens of keys at once are the fastest."""
        entries = self._lines.only(keys)
        lines = [b"null" if entry < 0 else self._lines.line(entry) for entry in entries]
        found = zip(keys, entries, map(_usual, lines), strict=True)
        return [
            (entry, self._sources[self._lines.file_of(entry)], parts)
            if parts is not None and parts[0][:KEY_LENGTH] == key
            else None
            for key, entry, parts in found
        ]

    def get(self, key: str) -> Answer | None:
        """The answer that counts: one that succeeded, else the latest; None when there is none at all."""
        latest: Answer | None = None
        for entry in self._lines.find(key):
            source = self._sources[self._lines.file_of(entry)]
            try:
                result = parse(self._lines.line(entry))
            except ValueError as error:
                raise not_ours(source.results, str(error)) from None
            if result.custom_id[:KEY_LENGTH] != key:  # another key with the same first half
                continue
            answer = Answer(result, source, entry)
            if result.type is ResultType.SUCCEEDED:
                return answer
            latest = latest or answer
        return latest


def _usual(line: bytes) -> Usual | None:
    try:
        return usual(loads(line))
    except ValueError:
        return None
