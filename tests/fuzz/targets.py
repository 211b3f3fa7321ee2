"""What is fuzzed: each target takes bytes through a reader as a run would, and raises what the reader raises."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson

from batchrun.client import apierrors, wire
from batchrun.commands.validate import check_rows
from batchrun.cost.prices import price_of
from batchrun.errors import BatchrunError
from batchrun.model import RequestCounts, Result
from batchrun.outputs.collect import collect
from batchrun.render.batches import details, row
from batchrun.render.problems import problem_lines
from batchrun.results.answers import Source
from batchrun.results.lines import parse
from batchrun.results.proof import prove
from batchrun.spec import load
from tests.cases import SPEC, TODAY, Case, all_cases, lay_out
from tests.fuzz.mutate import MAX_SIZE, mutated
from tests.jobs import asking_for, job, node
from tests.resultlines import NONCE, custom_id


@dataclass(frozen=True)
class Target:
    """`kinds` are the folders of the corpus to begin with; `read` takes a case that lies in a folder."""

    kinds: tuple[str, ...]
    read: Callable[[Case, Path], None]


def _job(case: Case, folder: Path) -> None:
    """A spec, and the data it names, up to the requests."""
    lay_out(case, folder)
    check_rows(load(folder / SPEC, today=TODAY).job)


def _results(case: Case, folder: Path) -> None:
    part = folder / "results.jsonl"
    data = re.sub(rb"ID_([A-Z])", lambda m: custom_id(m[1].decode()).encode(), case.body)
    taken: dict[str, Result] = {}
    for line in data.split(b"\n"):
        with suppress(ValueError):  # documented: the line is no result
            result = parse(line)
            if re.fullmatch(rf"[0-9a-f]{{32}}-{NONCE}", result.custom_id):
                taken[result.custom_id] = result
    part.write_bytes(data)
    counts = RequestCounts(**Counter(result.type.value for result in taken.values()))
    with suppress(BatchrunError):
        prove(part, taken, counts, price_of)
    part.write_bytes(b"\n".join(_line_of(data, name) for name in taken))
    rows = folder / "rows.jsonl"
    keys = [name.partition("-")[0] for name in taken]
    rows.write_bytes(
        b"".join(orjson.dumps({"row": n, "id": str(n), "keys": [k]}) + b"\n" for n, k in enumerate(keys, 1))
    )
    for output in ("out.jsonl", "out.csv"):
        schema = case.options.get("schema", {"type": "object"})
        collect(
            job(folder, output, request=asking_for(node(schema))),
            rows,
            [Source(part, NONCE, "msgbatch_1")],
            price_of,
        )


def _line_of(data: bytes, name: str) -> bytes:
    """The last line that is a result of that id."""
    for line in reversed(data.split(b"\n")):
        with suppress(ValueError):
            if parse(line).custom_id == name:
                return line
    raise AssertionError(name)


def _schema(case: Case, folder: Path) -> None:
    """The bytes as the schema of an answer, and as the answer to another."""
    from batchrun.outputs.structured import check_for, read

    answer = case.body.decode("utf-8", "replace")
    with suppress(ValueError):
        schema = orjson.loads(case.body)
        if check := check_for(schema):
            for text in ("1", '{"a": [1, "x", null]}', answer):
                read(text, check)
    check = check_for({"type": "object", "uniqueItems": True})
    assert check is not None
    read(answer, check)


def _api(case: Case, _folder: Path) -> None:
    headers = {
        "retry-after": case.body[:40].decode("latin-1"),
        "request-id": case.body[-40:].decode("latin-1"),
    }
    error = apierrors.from_answer(400, headers, case.body, now=0.0, secret="sk-secret")
    assert [line for problem in error.problems for line in problem_lines(problem)]
    with suppress(ValueError):  # documented: it is no such object
        value = orjson.loads(case.body)
        with suppress(ValueError):
            wire.page(value)
        batch = wire.batch(value)
        row(batch)
        details(batch)


TARGETS: Mapping[str, Target] = {
    "spec": Target(("spec",), _job),
    "data": Target(("data", "requests"), _job),
    "results": Target(("results",), _results),
    "schema": Target(("results",), _schema),
    "api": Target(("api",), _api),
}


def case_number(target: str, seed: int, number: int) -> Case:
    """The case of that number: the same each time."""
    seeds = _seeds(target)
    random = Random(f"{target} {seed} {number}")
    case = random.choice(seeds)
    body = mutated(case.body, [other.body for other in seeds], random)
    return Case(case.path, body, 0, "", case.options)


def _seeds(target: str) -> list[Case]:
    if target not in _known:
        cases = all_cases(*TARGETS[target].kinds)
        _known[target] = [case for case in cases if len(case.body) <= MAX_SIZE] + _more(target)
    return _known[target]


_known: dict[str, list[Case]] = {}


def _more(target: str) -> list[Case]:
    """For the schemas: those of the corpus, as bytes."""
    if target != "schema":
        return []
    with_schema = [case for case in all_cases("results") if "schema" in case.options]
    return [Case(c.path, orjson.dumps(c.options["schema"]), 0, "") for c in with_schema] * 5
