"""The corpus of bad input: its files, and the readers that they go through (see tests/corpus/README.md)."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import orjson
import yaml

from batchrun.client.batches import BatchesClient
from batchrun.client.body import Body
from batchrun.commands.batches import nothing_submitted
from batchrun.commands.validate import check_rows
from batchrun.cost.prices import price_of
from batchrun.errors import BatchrunError, ExitCode, SpecError
from batchrun.model import RequestCounts
from batchrun.outputs.collect import collect
from batchrun.render.problems import problem_lines
from batchrun.results.answers import Source
from batchrun.results.proof import prove
from batchrun.spec import load
from tests.jobs import asking_for, job, node, rows_file
from tests.rawserver import FakeTime, RawServer, http
from tests.resultlines import NONCE, custom_id

CORPUS = Path(__file__).parent / "corpus"
TODAY = date(2026, 11, 22)
SPEC = "job.yaml"
SECRET = "sk-secret"

COMPANIONS: Mapping[str, bytes | None] = {
    "rows.csv": b"body,text\nhello,world\n",
    "latin1.txt": b"a\nb\xe9",
    "folder.csv": None,
}
"""What stands beside a spec; None is a folder."""

_MARK = re.compile(
    rb"\A(?:===|(?P<body>.*)\n===) (?P<code>\d+)(?: (?P<options>\{[^\n]*\}))?\n?(?P<said>.*)", re.DOTALL
)
_BASE: dict[str, Any] = {
    "version": 1,
    "input": {},
    "request": {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": []},
    "output": {"path": "out.jsonl"},
}


@dataclass(frozen=True)
class Case:
    """One file of the corpus. `code` is the exit code, `said` what stands on the terminal with it."""

    path: Path
    body: bytes
    code: int
    said: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.path.parent.name

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.path.name}"


def read_case(path: Path) -> Case:
    found = _MARK.fullmatch(path.read_bytes())
    assert found, f"{path}: no line '=== <exit code>'"
    options = yaml.safe_load(found["options"] or b"{}")
    body = found["body"] or b""
    if "bytes" in options:
        made = eval(options["bytes"], {"gzip": gzip, "json": json})
        body = made.encode("utf-8", "surrogatepass") if isinstance(made, str) else made
    return Case(path, body, int(found["code"]), found["said"].decode().rstrip("\n"), options)


def all_cases(*kinds: str) -> Iterator[Case]:
    for kind in kinds or READERS:
        yield from map(read_case, sorted((CORPUS / kind).iterdir()))


# ---- what is said of a case --------------------------------------------------------------------


def outcome(case: Case, folder: Path) -> tuple[int, str]:
    """The exit code and the words for a case, read in `folder`."""
    with chdir(folder):
        try:
            code, lines = READERS[case.kind](case, folder)
        except BatchrunError as error:
            code, lines = error.exit_code, [line for p in error.problems for line in problem_lines(p)]
    return int(code), told(lines, folder)


_IDS = {custom_id(letter): f"ID_{letter}" for letter in ascii_uppercase}
_VARYING: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"http://127\.0\.0\.1:\d+"), "API"),
    # A parser's own words, which are not the same in all its versions.
    (re.compile(r"not JSON: (?:[^;()\n]|\([^()]*\))*"), "not JSON: …"),
    (re.compile(r"maximum recursion depth[^\"\n]*"), "maximum recursion depth …"),
    (re.compile("|".join(_IDS)), lambda found: _IDS[found[0]]),
]


def told(lines: list[str], folder: Path) -> str:
    """The lines, without what differs from machine to machine."""
    text = "\n".join(lines).replace(str(folder.resolve()), "FOLDER")
    for varying, instead in _VARYING:
        text = varying.sub(instead, text)
    return text


def lay_out(case: Case, folder: Path) -> list[str]:
    """Write the files of a case; the arguments of the command that reads them, [] where none does."""
    match case.kind:
        case "spec":
            for name, data in COMPANIONS.items():
                (folder / name).mkdir() if data is None else (folder / name).write_bytes(data)
            (folder / SPEC).write_bytes(case.body)
            return ["validate", "--spec-only", SPEC]
        case "data" | "requests":
            name = case.path.name
            (folder / name).write_bytes(case.body)
            (folder / SPEC).write_bytes(orjson.dumps(_spec_for(case, name)))
            return ["validate", SPEC]
        case "create":
            (folder / case.path.name).write_bytes(case.body)
            return ["batches", "create", case.path.name, "--yes"]
        case "api" if (call := case.options.get("call", "get")) != "count_tokens":
            return ["batches", call, *(["msgbatch_1"] if call != "list" else [])]
    return []


def _spec_for(case: Case, name: str) -> dict[str, Any]:
    spec = {**_BASE, "input": {"path": name, **case.options.get("input", {})}}
    if case.kind == "requests":
        del spec["request"]
        spec["input"]["format"] = "requests"
        return spec
    content = case.options.get("content", "Classify this.")
    return {**spec, "request": {**spec["request"], "messages": [{"role": "user", "content": content}]}}


Outcome = tuple[int, list[str]]


def _spec(case: Case, folder: Path) -> Outcome:
    lay_out(case, folder)
    loaded = load(Path(SPEC), today=TODAY)
    if loaded.retired:
        raise SpecError(loaded.retired)
    return ExitCode.OK, [line for p in loaded.warnings for line in problem_lines(p, "warning")]


def _data(case: Case, folder: Path) -> Outcome:
    lay_out(case, folder)
    _, warnings = check_rows(load(Path(SPEC), today=TODAY).job, TODAY)
    return ExitCode.OK, [line for p in warnings for line in problem_lines(p, "warning")]


def _create(case: Case, folder: Path) -> Outcome:
    lay_out(case, folder)
    with nothing_submitted(), Body(Path(case.path.name)).opened() as upload:
        upload.check()
    return ExitCode.OK, []


def reply(case: Case) -> bytes:
    """A case of the API as the bytes of an HTTP answer."""
    return http(case.body, case.options.get("status", 200), more=case.options.get("headers", {}))


def _api(case: Case, _folder: Path) -> Outcome:
    time = FakeTime()
    with (
        RawServer(reply(case)) as server,
        BatchesClient(
            SECRET, base_url=server.url, max_retries=0, sleep=time.sleep, clock=time.clock, environ={}
        ) as client,
    ):
        match case.options.get("call", "get"):
            case "get":
                client.get("msgbatch_1")
            case "list":
                list(client.iterate())
            case "cancel":
                client.cancel("msgbatch_1")
            case "delete":
                client.delete("msgbatch_1")
    return ExitCode.OK, []


_SHOWN = ("status", "text", "json", "stop_reason", "error", "problem", "tool_calls")


def _results(case: Case, folder: Path) -> Outcome:
    names = case.options.get("ids", ["A"])
    part = folder / "results.jsonl"
    part.write_bytes(re.sub(rb"ID_([A-Z])", lambda m: custom_id(m[1].decode()).encode(), case.body))
    counts = RequestCounts(**case.options.get("counts", {"succeeded": len(names)}))
    prove(part, [custom_id(name) for name in names], counts, price_of)
    schema = case.options.get("schema")
    request = None if schema is None else asking_for(node(schema))
    asked = job(folder, case.options.get("output", "out.jsonl"), request=request)
    rows = rows_file(folder / "rows.jsonl", *names)
    collected = collect(asked, rows, [Source(part, NONCE, "msgbatch_1")], price_of)
    written = asked.output.path.read_text()
    code = ExitCode.OK if collected.summary.all_succeeded else ExitCode.ROWS_FAILED
    if asked.output.path.suffix != ".jsonl":
        return code, written.split("\n")[:-1]
    return code, [_record(line) for line in written.split("\n")[:-1]]


def _record(line: str) -> str:
    record = json.loads(line)
    return json.dumps({k: record[k] for k in _SHOWN if record.get(k) is not None}, ensure_ascii=False)


READERS: Mapping[str, Callable[[Case, Path], Outcome]] = {
    "spec": _spec,
    "data": _data,
    "requests": _data,
    "create": _create,
    "api": _api,
    "results": _results,
}
