"""What must hold after every trial, whatever was done to the run: the three promises, checked from outside.

    trial = Trial(bench.folder, bench.api)
    trial.check(bench.run("run", driver=…))            after every process, killed or not
    trial.carry_on(lambda: bench.run("run"))           it comes to an end by itself, within three runs
    trial.check_done()                                 every answer stands on its row

All that is wrong is said at once, in one `Broken`.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from batchrun.errors import BatchrunError
from batchrun.lifecycle import state
from batchrun.lifecycle.state import Phase, RunState, Shard
from batchrun.results import lines
from batchrun.rundir.shards import HEAD, TAIL
from tests.trials.canary import CANARY, betrayed, files_with
from tests.trials.remote import Remote, json_lines, read_remote
from tests.workbench import Ran

DONE = (0, 3)
HELD = 4
RUNS = 3
"""So many runs, without anybody doing anything, bring a job to its end or to a documented hold."""

_ID = re.compile(rb'^\{"custom_id":"([^"]+)"', re.MULTILINE)

Questions = Callable[[], Sequence[tuple[str, str]]]
"""Today's rows: the id of each, and the text that is asked for it."""


class Broken(AssertionError):
    """A promise that was not kept."""


class Trial:
    """One job folder and the simulator's folder behind it. Remembers how far the state had come."""

    def __init__(
        self,
        folder: Path,
        api: Path,
        *,
        job: str = "batch",
        key: str = CANARY,
        output: str = "out/answers.jsonl",
        questions: Questions | None = None,
        paid_twice: int = 0,
    ) -> None:
        """`key`: the credential that must never be seen. `questions`: those of workbench.SPEC by default.
        `paid_twice`: how many more answers to one request a person has accepted to pay for."""
        self.folder, self.api, self.job, self.key = folder, api, job, key
        self.run_folder = folder / ".batchrun" / job
        self.output = folder / output
        self.paid_twice = paid_twice
        self._questions = questions or self._rows_csv
        self._revision = -1

    # ---- what is asked of it

    def check(self, ran: Ran | None = None, *, json: bool = False) -> None:
        """After any process, also one that was killed; `json`: its stdout was asked for as JSON."""
        remote = read_remote(self.api)
        _raise(
            [
                *(_streams(ran, self.key, json=json) if ran else ()),
                *(f"the key is in {path}" for path in files_with(self.key, self.folder, self.api)),
                *self._state_went_back(),
                *self._unfinished_files(),
                *(f"sent, and no state says so: {batch}" for batch in self._forgotten(remote)),
                *_paid_too_often(remote, self.paid_twice),
            ]
        )

    def check_done(self) -> None:
        """After a run that ended in 0 or 3."""
        remote = read_remote(self.api)
        left = [p for p in self.folder.rglob("*") if ".part" in p.name and p not in self._quarantined()]
        _raise(
            [
                *(f"left behind: {path}" for path in left),
                *self._wrong_records(remote),
            ]
        )

    def carry_on(self, run: Callable[[], Ran], *, json: bool = False, ends: Sequence[int] = DONE) -> Ran:
        """Run it again, up to three times, until it ends with one of `ends`, and check all of it."""
        codes = []
        for _ in range(RUNS):
            ran = run()
            self.check(ran, json=json)
            codes.append(ran.code)
            if ran.code in ends:
                if ran.code in DONE:
                    self.check_done()
                return ran
        raise Broken(f"not one of {list(ends)} within {RUNS} runs, but {codes}\n{ran.stderr}")

    # ---- the state

    def states(self) -> Iterator[RunState]:
        """Of every job of the folder, through the reader that every run uses."""
        for path in sorted((self.folder / ".batchrun").glob("*/state.json")):
            yield state.loads(path.read_bytes(), where=str(path))

    def _own_state(self) -> RunState | None:
        """None where there is none, and where it cannot be read: that is told of by itself."""
        with suppress(BatchrunError):
            return next((found for found in self.states() if found.job == self.job), None)
        return None

    def _state_went_back(self) -> Iterator[str]:
        try:
            revision = next((found.revision for found in self.states() if found.job == self.job), -1)
        except BatchrunError as error:
            yield f"a state file that cannot be read: {error}"
            return
        if revision < self._revision:
            yield f"the state went back from revision {self._revision} to {revision}"
        self._revision = max(revision, self._revision)

    # ---- files

    def _quarantined(self) -> set[Path]:
        """Results that never proved complete, of shards that were given up: kept for a person."""
        own = self._own_state()
        given_up = [s.id for s in own.shards if s.phase is not Phase.FETCHED] if own else []
        return {self.run_folder / "results" / f"{shard_id}.part" for shard_id in given_up}

    def _unfinished_files(self) -> Iterator[str]:
        """Whatever has its final name is whole."""
        for name in ("rows", "shards", "results"):
            for path in sorted((self.run_folder / name).glob("[0-9]*.jsonl")):
                yield from _torn(path)
        own = self._own_state()
        for shard in own.shards if own else ():
            yield from self._unlike_its_state(shard)
        if self.output.exists():
            yield from _torn(self.output)

    def _unlike_its_state(self, shard: Shard) -> Iterator[str]:
        path = self.run_folder / "shards" / f"{shard.id}.jsonl"
        if not path.exists() and shard.phase is Phase.PLANNED:
            return  # it is written again before it is sent
        if not path.exists():
            yield f"the state names a shard without a file: {shard.id}"
            return
        if _body_digest(path) != shard.sha256:
            yield f"shard {shard.id} is not the body that the state tells of"
        answers = self.run_folder / "results" / f"{shard.id}.jsonl"
        if answers.exists() and _ids(answers, once=True) != _ids(path):
            yield f"results/{shard.id}.jsonl has not the ids of its shard"
        if shard.phase is Phase.FETCHED and not answers.exists():
            yield f"shard {shard.id} is fetched, and its results are not there"

    # ---- money and answers

    def _forgotten(self, remote: Remote) -> Iterator[str]:
        """The intent is on disk before the first byte of a POST."""
        ours: set[str] = set()
        with suppress(BatchrunError):  # a state that cannot be read is told of by itself
            for found in self.states():
                ours |= {shard.nonce for shard in found.shards if shard.phase is not Phase.PLANNED}
        for nonce, batches in remote.batches.items():
            if nonce not in ours:
                yield from batches

    def _wrong_records(self, remote: Remote) -> Iterator[str]:
        """Every row once and in order; every answer on the row that asked for it."""
        found = self._own_state()
        if found is None or found.expansion is None:
            yield "there is no state of a run that is done"
            return
        rows = json_lines(self.run_folder / "rows" / found.expansion.rows_file)
        places = [(line, sample, key) for line in rows for sample, key in enumerate(line["keys"], 1)]
        questions, records = self._questions(), json_lines(self.output)
        if len(rows) != len(questions):
            yield f"{len(rows)} rows were expanded, not {len(questions)}"
        if len(records) != len(places):
            yield f"{len(records)} records, not {len(places)}"
            return
        for record, (line, sample, key) in zip(records, places, strict=True):
            row_id, question = questions[line["row"] - 1]
            if (record["row"], record["id"], record.get("sample", 1)) != (line["row"], row_id, sample):
                yield f"record {record['row']} ({record['id']}) stands where row {row_id} belongs"
            for asked in remote.asked.get(key, ()):
                if _last_text(asked.params) != question:
                    yield f"row {row_id} was asked {_last_text(asked.params)!r}, not {question!r}"
            if fault := _wrong_answer(record, key, remote):
                yield f"row {row_id}: {fault}"

    def _rows_csv(self) -> list[tuple[str, str]]:
        with (self.folder / "rows.csv").open(newline="") as stream:
            return [(row["id"], f"Say {row['text']}") for row in csv.DictReader(stream)]


def _raise(faults: list[str]) -> None:
    if faults:
        raise Broken("\n".join(faults))


# ---- one thing each ----------------------------------------------------------------------------


def _streams(ran: Ran, key: str, *, json: bool) -> Iterator[str]:
    for name, text in (("stdout", ran.stdout), ("stderr", ran.stderr)):
        if betrayed(text.encode(errors="surrogateescape"), key):
            yield f"the key is in {name}"
    if ran.code == 1 or "Traceback" in ran.stderr:
        yield f"a bug, exit code {ran.code}:\n{ran.stderr}"
    if json and ran.stdout:
        try:
            orjson.loads(ran.stdout)
        except orjson.JSONDecodeError as error:
            yield f"stdout is no JSON: {error}"


def _torn(path: Path) -> Iterator[str]:
    """Why a file of JSON lines is not whole; the API itself sends no LF after the last result."""
    data = path.read_bytes()
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else (), 1):
        try:
            lines.parse(line) if path.parent.name == "results" else orjson.loads(line)
        except ValueError as error:
            yield f"{path}:{number} is not whole: {error}"
    if data and not data.endswith(b"\n") and path.parent.name != "results":
        yield f"{path} does not end with its last line"


def _ids(path: Path, *, once: bool = False) -> list[bytes]:
    """The custom_ids in a file of lines, whole or not; `once`: of a line that stands there twice one."""
    data = path.read_bytes()
    return sorted(_ID.findall(b"\n".join(set(data.split(b"\n"))) if once else data))


def _body_digest(path: Path) -> str:
    body = HEAD + path.read_bytes().removesuffix(b"\n").replace(b"\n", b",") + TAIL
    return hashlib.sha256(body).hexdigest()


def _paid_too_often(remote: Remote, allowed: int) -> Iterator[str]:
    for nonce, batches in remote.batches.items():
        if len(batches) > 1:
            yield f"the shard attempt {nonce} was accepted {len(batches)} times: {batches}"
    for key, asked in remote.asked.items():
        paid = [a.batch_id for a in asked if a.type in ("succeeded", None)]  # None: it may yet succeed
        if len(paid) > 1 + allowed:
            yield f"the request {key} is paid for {len(paid)} times, in {paid}"


def _wrong_answer(record: Mapping[str, Any], key: str, remote: Remote) -> str:
    """Why the record is not what the API said to this key: what succeeded, else what it said last."""
    said = [asked for asked in remote.asked.get(key, ()) if asked.result is not None]
    good = [asked for asked in said if asked.type == "succeeded"]
    fitting = good or said[-1:]
    if not fitting:
        return "" if record["custom_id"] is None else f"an answer that nobody gave: {record['custom_id']}"
    shown = (record["custom_id"], record["batch_id"], record["status"], record["text"])
    if shown in [(a.custom_id, a.batch_id, a.type, a.text) for a in fitting]:
        return ""
    return f"{shown} is not the answer that was paid for: {fitting[0].custom_id}, {fitting[0].type}"


def _last_text(params: Mapping[str, Any]) -> str:
    content = params["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
