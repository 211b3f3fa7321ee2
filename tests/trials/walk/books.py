"""What must hold after each step of a walk: by the API's books, the files, and what the commands said."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.trials.canary import files_with
from tests.trials.remote import Asked, json_lines, read_remote
from tests.trials.walk.place import Place
from tests.workbench import Ran

CONTRACT = {0, 3, 4, 65, 66, 69, 73, 74, 75, 77, 78, -9, 130, 143}
"""The exit codes of the README, and a kill."""
USAGE = ("adopt", "resubmit")
"""Commands that may say that what they were asked makes no sense (2): something else came between."""


def faults(place: Place, api: Path, accepted: int) -> Iterator[str]:
    """`accepted`: how often a person has agreed to pay twice."""
    for content, asked in contents(api).items():
        paid = [a for a in asked if a.type in ("succeeded", None)]  # None: it may yet succeed
        if len(paid) > 1 + accepted:
            yield f"paid {len(paid)} times, in {[a.batch_id for a in paid]}: {content}"
    yield from (f"the key is in {path}" for path in files_with(place.key, place.folder))


def contents(api: Path) -> dict[str, list[Asked]]:
    """What was accepted, by what was asked."""
    found: dict[str, list[Asked]] = {}
    for asked in (a for several in read_remote(api).asked.values() for a in several):
        found.setdefault(question(asked.params), []).append(asked)
    return found


def question(params: Mapping[str, Any]) -> str:
    return str(params["messages"][-1]["content"])


def faults_of(command: str, ran: Ran) -> Iterator[str]:
    if ran.code not in CONTRACT and not (ran.code == 2 and command in USAGE):
        yield f"exit code {ran.code} is none of the contract: {ran.stderr}"
    if "a bug in batchrun" in ran.stderr or "Traceback" in ran.stderr:
        yield f"a bug: {ran.stderr}"


def accepted(api: Path) -> list[str]:
    """The batches that the API took, from whomever."""
    return [line["id"] for line in json_lines(api / "ledger.jsonl")]


def faults_of_answer(place: Place, api: Path, output: Path, elsewhere: Collection[str] = ()) -> Iterator[str]:
    """Of a job that says that it is done: every row in its place, with the answer that was paid for; but not in a
    batch of `elsewhere`."""
    records, rows, asked = json_lines(output), place.questions(), contents(api)
    if [r["id"] for r in records] != [id for id, _ in rows]:
        yield f"the output has the rows {[r['id'] for r in records]}, not {[id for id, _ in rows]}"
        return
    for record, (id, text) in zip(records, rows, strict=True):
        good = {a.text for a in asked.get(text, ()) if a.type == "succeeded" and a.batch_id not in elsewhere}
        if good and record["text"] not in good:
            yield f"row {id}: {orjson.dumps(record).decode()[:200]} is not what was paid for: {good}"
        if not good and record["status"] == "succeeded":
            yield f"row {id} has an answer that nobody gave: {record['text']}"
