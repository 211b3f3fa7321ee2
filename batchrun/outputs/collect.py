"""Rows and answers → the output file, and a summary of it. Memory: the index of the answers, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from batchrun.answers import Answers, Source
from batchrun.files import disk_error, lines
from batchrun.model import FileFact, Job
from batchrun.outputs.asked import Asked
from batchrun.outputs.records import Record, record_of, usual_record
from batchrun.outputs.summing import Summing
from batchrun.outputs.writers import write_file, writer_for
from batchrun.prices import PriceLookup
from batchrun.report import Summary


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
        _join(job, _rows(rows), answers, asked, price_of, writer.write, summing)
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


def _join(
    job: Job,
    rows: Iterator[dict[str, Any]],
    answers: Answers,
    asked: Asked,
    price_of: PriceLookup,
    take: Callable[[Record], None],
    summing: Summing,
) -> None:
    """Let `take` have each record, and count it. An answer that an earlier record has, too, is a repeated one."""
    used = bytearray(len(answers))
    for row in rows:
        for number, key in enumerate(row["keys"], start=1):
            sample, check = number if job.samples > 1 else None, asked.check(key)
            if found := answers.usual(key):
                parts, source, entry = found
                repeated = used[entry] > 0
                quick = usual_record(row, sample, parts, source.batch_id, check, price_of, repeated=repeated)
                if quick is not None:
                    used[entry] = 1
                    take(quick)
                    summing.add_usual(quick, parts, repeated=repeated)
                    continue
            answer = answers.get(key)
            result = batch_id = None
            repeated = False
            if answer is not None:
                result, batch_id = answer.result, answer.source.batch_id
                repeated, used[answer.entry] = used[answer.entry] > 0, 1
            record = record_of(row, sample, result, batch_id, check, price_of, repeated=repeated)
            take(record)
            summing.add(record, answer, repeated=repeated)
