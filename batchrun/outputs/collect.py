"""Rows and answers → the output file, and a summary of it. Memory: the index of the answers, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from batchrun.cost.amounts import Summary
from batchrun.cost.prices import PriceLookup
from batchrun.fs.files import disk_error, lines
from batchrun.model import FileFact, Job
from batchrun.outputs.asked import Asked
from batchrun.outputs.records import Record, record_of, usual_record
from batchrun.outputs.structured import Check
from batchrun.outputs.summing import Summing
from batchrun.outputs.writers import write_file, writer_for
from batchrun.results.answers import Answers, Source, UsualAnswer

SLICE = 32
"""Rows that are joined at a time: what they need stays in the processor's cache, which takes a quarter less time than
one at a time or a thousand."""


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

    def fill(stream: BinaryIO) -> None:
        writer = writer_for(job, stream, lambda: (row["input"] for row in _rows(rows)))
        left = _rows(rows)
        while some := list(islice(left, SLICE)):
            writer.write(joining.records(some))
        writer.close()

    with Answers(sources) as answers, closing(Asked(job.request, sources)) as asked:
        joining = _Joining(job, answers, asked, price_of)
        fact, changed = write_file(job.output.path, fill, about_to_replace)
    return Collected(fact, joining.summing.summary(job.name, fact.path), changed)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for line in lines(path):
            yield orjson.loads(line)
    except OSError as error:
        raise disk_error(error, path, "read") from error


class _Joining:
    """Rows with their answers: records, which are counted."""

    def __init__(self, job: Job, answers: Answers, asked: Asked, price_of: PriceLookup) -> None:
        self._samples, self._answers, self._asked, self._price_of = job.samples, answers, asked, price_of
        self._used = bytearray(len(answers))
        """Whose answer an earlier record has, too."""
        self.summing = Summing()

    def records(self, rows: Sequence[dict[str, Any]]) -> list[Record]:
        """In the order of the rows, one for each sample."""
        usual = iter(self._answers.usual([key for row in rows for key in row["keys"]]))
        return [
            self._record(row, number, key, next(usual))
            for row in rows
            for number, key in enumerate(row["keys"], start=1)
        ]

    def _record(self, row: dict[str, Any], number: int, key: str, found: UsualAnswer | None) -> Record:
        sample, check = number if self._samples > 1 else None, self._asked.check(key)
        if found is not None:
            entry, source, parts = found
            repeated = self._used[entry] > 0
            record = usual_record(
                row, sample, parts, source.batch_id, check, self._price_of, repeated=repeated
            )
            if record is not None:
                self._used[entry] = 1
                self.summing.add_usual(record, parts, repeated=repeated)
                return record
        return self._any_record(row, sample, key, check)

    def _any_record(self, row: dict[str, Any], sample: int | None, key: str, check: Check | None) -> Record:
        answer = self._answers.get(key)
        result = batch_id = None
        repeated = False
        if answer is not None:
            result, batch_id = answer.result, answer.source.batch_id
            repeated, self._used[answer.entry] = self._used[answer.entry] > 0, 1
        record = record_of(row, sample, result, batch_id, check, self._price_of, repeated=repeated)
        self.summing.add(record, answer, repeated=repeated)
        return record
