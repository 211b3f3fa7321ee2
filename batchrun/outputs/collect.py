"""Rows and answers → the output file, and a summary of it. Memory: the index of the answers, nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from batchrun.answers import Answer, Answers, Source, money_error
from batchrun.files import disk_error, lines
from batchrun.model import FileFact, Job, Usage
from batchrun.outputs.asked import Asked
from batchrun.outputs.records import Record, record_of
from batchrun.outputs.writers import write_file, writer_for
from batchrun.prices import TICKS, PriceLookup
from batchrun.report import Cause, Summary
from batchrun.results import searches_of
from batchrun.safetext import plain


@dataclass(frozen=True, slots=True)
class Collected:
    """The output as it stands, and whether this changed it."""

    output: FileFact
    summary: Summary
    changed: bool


def collect(
    job: Job,
    rows: Path,
    sources: Sequence[Source],
    price_of: PriceLookup,
    about_to_replace: Callable[[FileFact], None] | None = None,
) -> Collected:
    """Write the job's output: one record per row and sample, in input order, whatever happened to it.

    `rows` is the rows file of the expansion, `sources` the shards' results in shard order. The same answers
    give the same bytes, and the same bytes leave the file untouched.
    Raises CannotCreate, DiskError; DataError for a column that cannot be rendered.
    """
    summing = Summing()

    def fill(stream: BinaryIO) -> None:
        writer = writer_for(job, stream, lambda: (row["input"] for row in _rows(rows)))
        for record, answer, repeated in _joined(job, _rows(rows), answers, asked, price_of):
            writer.write(record)
            summing.add(record, answer, repeated=repeated)
        writer.close()

    with Answers(sources) as answers, closing(Asked(job.request, sources)) as asked:
        fact, changed = write_file(job.output.path, fill, about_to_replace)
    return Collected(fact, summing.summary(job.name, fact.path), changed)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for line in lines(path):
            yield orjson.loads(line)
    except OSError as error:
        raise disk_error(error, path, "read") from error


def _joined(
    job: Job, rows: Iterator[dict[str, Any]], answers: Answers, asked: Asked, price_of: PriceLookup
) -> Iterator[tuple[Record, Answer | None, bool]]:
    """Each record with its answer, and whether an earlier record has the very same one."""
    used = bytearray(len(answers))
    for row in rows:
        for number, key in enumerate(row["keys"], start=1):
            answer = answers.get(key)
            result = batch_id = None
            repeated = False
            if answer is not None:
                result, batch_id = answer.result, answer.source.batch_id
                repeated, used[answer.entry] = bool(used[answer.entry]), 1
            sample = number if job.samples > 1 else None
            check = asked.check(key)
            record = record_of(row, sample, result, batch_id, check, price_of, repeated=repeated)
            yield record, answer, repeated


# ---- the summary -------------------------------------------------------------------------------

MAX_CAUSES = 200
"""Causes told apart; messages that name something of each row would otherwise be as many as the rows."""


class Causes:
    """Groups messages that differ only in their numbers and quoted words."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Any]] = {}

    def add(self, kind: str, message: str, example: str, *, money: bool = False) -> None:
        group = (kind, _VARYING.sub("_", message[:200]))
        if group not in self._found:
            if len(self._found) >= MAX_CAUSES:
                group = (kind, "…")
            self._found.setdefault(group, [0, plain(message) if group[1] != "…" else "…", example, money])
        self._found[group][0] += 1

    def sorted(self) -> tuple[Cause, ...]:
        """The most frequent first."""
        causes = [
            Cause(plain(kind, 60), message, count, example, money)
            for (kind, _), (count, message, example, money) in self._found.items()
        ]
        return tuple(sorted(causes, key=lambda cause: -cause.count))


_VARYING = re.compile(r"\d+|'[^']*'|\"[^\"]*\"|`[^`]*`")


class Summing:
    """Adds records up to a Summary."""

    def __init__(self) -> None:
        self._records = self._ticks = self._unpriced = self._searches = self._repeated = self._rows = 0
        self._statuses: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._usage: Counter[str] = Counter()
        self._errors, self._problems = Causes(), Causes()

    def add(self, record: Record, answer: Answer | None, *, repeated: bool) -> None:
        self._records += 1
        self._rows += record.get("sample", 1) == 1
        self._repeated += repeated
        self._statuses[record["status"]] += 1
        if answer is None:
            return
        result = answer.result
        if result.error is not None:
            error = result.error
            self._errors.add(error.type, error.message, record["id"], money=money_error(result))
        if result.message is None:
            return
        self._stops[str(record["stop_reason"])] += 1
        if record["problem"]:
            kind, _, detail = record["problem"].partition(": ")
            self._problems.add(kind, detail, record["id"])
        if repeated:
            return
        self._searches += searches_of(result.message)
        for name, tokens in record["usage"].items():
            if tokens:
                self._usage[name] += tokens
        if record["cost_usd"] is None:
            self._unpriced += 1
        else:
            self._ticks += round(record["cost_usd"] * TICKS)

    def summary(self, job: str, output: str) -> Summary:
        return Summary(
            job=job,
            output=output,
            rows=self._rows,
            records=self._records,
            statuses=_largest_first(self._statuses),
            stop_reasons=_largest_first(self._stops),
            problems=self._problems.sorted(),
            errors=self._errors.sorted(),
            usage=Usage(**self._usage),
            cost_usd=self._ticks / TICKS,
            unpriced=self._unpriced,
            searches=self._searches,
            repeated=self._repeated,
        )


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return {plain(word, 40): counts[word] for word in sorted(counts, key=lambda word: (-counts[word], word))}
