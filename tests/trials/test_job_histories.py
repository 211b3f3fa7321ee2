"""Random histories of a whole job: real files, the API over HTTP, everything that may happen to both.

`tests/lifecycle/test_histories.py` plays the decisions alone; here the engine, the store, the client and the simulator
play along. No step waits: the clocks are the world's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from batchrun.lifecycle.state import Phase, Reason
from tests.simulator.helpers import Client, entry
from tests.trials.invariants import RUNS, Trial
from tests.trials.remote import Asked, json_lines, read_remote
from tests.trials.tally import Tally
from tests.trials.world import World
from tests.workbench import Ran

YEARS = 10 * 365 * 86_400.0
WORDS = st.sampled_from(
    ["one", "two", "three", "four", "five", "overload 1", "overload 2", "invalid", "expire"]
)
HELD = frozenset({4, 65})
"""Documented ends that a person has to do something about: held, over budget; refused by the API."""


TROUBLE = (
    "create: {status: {code: 429, headers: {retry-after: 5}}}",
    "create: {status: {code: 429, headers: {retry-after: 1e9}}}",
    "create: {status: 529}",
    "create: {status: 500}",
    "create: {status: 400}",
    "create: {status: 413}",
    "create: {status: {code: 402, error: {type: billing_error, message: No credit}}}",
    "create: {garble: html}",
    "create: {status: {code: 200, form: html}}",
    "create: {accept_then: reset}",
    "create: {accept_then: 500}",
    "create: {reset: {request: half}}",
    "create: {reset: {reply: half}}",
    "create: {counts: 1}",
    "create: {queue: {limit: 3, retry_after: 60}}",
    "create: {strangers: {requests: 2, before: 1, after: 1}}",
    "create: {skew: -20}",
    "list: {lag: 120}",
    "list: {status: 503}",
    "list: {garble: truncated}",
    "list: {headers: {date: null}}",
    "retrieve: {not_found: true}",
    "retrieve: {stale: true}",
    "retrieve: {fields: {processing_status: paused}}",
    "retrieve: {counts: 1}",
    "retrieve: {garble: html}",
    "cancel: {not_found: true}",
    "cancel: {reset: {reply: 0}}",
    "results: {not_found: true}",
    "results: {cut: {bytes: -40, end: clean}}",
    "results: {cut: {bytes: half, end: torn}}",
    "results: {lines: shuffled}",
    "results: {lines: duplicated}",
    "results: {lines: missing}",
    "results: {lines: foreign}",
    "{on: [retrieve, list, results], archived: true}",
    "any: {status: 529}",
    "any: {status: 401}",
    "any: {redirect: self}",
    "any: {reset: {request: 0}}",
)
"""Faults of the API (docs/simulator.md)."""


class JobHistories(RuleBasedStateMachine):
    folder: Path
    """Where every history gets a folder of its own; set before they are run."""
    steps = 0
    """How many were really executed, of all histories."""
    _histories = 0

    def __init__(self) -> None:
        super().__init__()
        type(self)._histories += 1
        self.home = self.folder / f"history-{self._histories}"
        self.world = World(self.home)
        self.trial = self._trial()
        self.backup: bytes | None = None
        self.deleted: set[str] = set()
        self.unpaid_before = 0

    def _trial(self, paid_twice: int = 0) -> Trial:
        world = self.world
        return Trial(world.folder, world.api, questions=world.questions, paid_twice=paid_twice)

    @initialize(
        texts=st.lists(WORDS, min_size=1, max_size=6),
        seconds=st.sampled_from([0.0, 600.0, 3600.0]),
        in_flight=st.none() | st.integers(2, 4),
    )
    def begin(self, texts: list[str], seconds: float, in_flight: int | None) -> None:
        self.next_id = 0
        for text in texts:
            self._add(text)
        if in_flight:
            self.world.limits["max_in_flight"] = in_flight
        self.world.process_seconds = seconds
        self.world.recover()
        self.world.write()

    def _add(self, text: str) -> None:
        self.next_id += 1
        self.world.rows.append((f"r{self.next_id}", text))

    # ---- runs

    def _judge(self, ran: Ran, *, read_rows: bool = True) -> Ran:
        """After every process: the promises. `read_rows`: it looked at today's rows."""
        event(f"exit code {ran.code}")
        self.trial.check(ran)
        self._no_request_is_asked_beside_its_answer()
        if ran.code in (0, 3) and read_rows:
            # A job that is done is recognised without its lock: what a kill left in its own folder stays.
            for part in self.world.state_file.parent.glob(".state.json.*.part"):
                part.unlink()
            self.trial.check_done()
        return ran

    def _no_request_is_asked_beside_its_answer(self) -> None:
        """A request is accepted again only once its last batch has ended without an answer to it."""
        current = self.world.state()
        given_up = {s.nonce for s in current.shards if s.reason is Reason.ABANDONED} if current else set()
        for key, asked in read_remote(self.world.api).asked.items():
            for earlier in asked[:-1]:
                assert self._unanswered(earlier, given_up), f"{key} was asked again beside {earlier}"

    def _unanswered(self, asked: Asked, given_up: set[str]) -> bool:
        if asked.custom_id.rpartition("-")[2] in given_up:
            return True
        return asked.type not in (None, "succeeded")

    @rule(wait=st.booleans(), jump=st.sampled_from([0.0, 0.0, 0.0, -YEARS, -600.0, 600.0, YEARS]))
    def run(self, wait: bool, jump: float) -> None:
        self.world.jump = jump if wait else 0.0
        before = self.world.state()
        asked = len(self._ledger())
        ran = self._judge(self.world.run(wait=wait))
        after = self.world.state()
        if before and after and before.canceled and after.canceled:
            assert len(self._ledger()) == asked, "a canceled job sends nothing"
        if ran.code in (0, 3):
            calls = self._calls()
            again = self._judge(self.world.run(wait=wait))
            assert again.code == ran.code
            assert self._calls() == calls, "a finished job asks nobody"

    @rule(effect=st.integers(1, 90), wait=st.booleans())
    def die_in_a_run(self, effect: int, wait: bool) -> None:
        self._judge(self.world.run(wait=wait, dying_before=effect))

    @rule(effect=st.just(0) | st.integers(1, 40))
    def cancel(self, effect: int) -> None:
        self._judge(self.world.cancel(dying_before=effect), read_rows=False)

    @rule(effect=st.just(0) | st.integers(1, 60))
    def retry(self, effect: int) -> None:
        self._judge(self.world.retry(dying_before=effect))

    @precondition(lambda self: self._held())
    @rule(data=st.data())
    def decide(self, data: Any) -> None:
        """A person names a batch, or accepts to pay twice."""
        shard, candidates = data.draw(st.sampled_from(self._held()))
        if candidates and data.draw(st.booleans()):
            candidate = data.draw(st.sampled_from(candidates))
            self._judge(self.world.adopt(shard, candidate), read_rows=False)
        else:
            self.trial.paid_twice += 1
            self._judge(self.world.resubmit(shard))

    def _held(self) -> list[tuple[str, tuple[str, ...]]]:
        found = self.world.state()
        shards = found.shards if found else ()
        return [(s.id, s.candidates) for s in shards if s.phase is Phase.HELD]

    # ---- time

    @rule(seconds=st.sampled_from([1.0, 60.0, 900.0, 3600.0, 90_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([-YEARS, -7200.0, -5.0, 5.0, 7200.0, YEARS]))
    def our_clock_is_set(self, seconds: float) -> None:
        self.world.ours += seconds

    @rule(seconds=st.sampled_from([-20.0, -1.0, 1.0, 20.0]))
    def the_clock_of_the_server_is_set(self, seconds: float) -> None:
        self.world.server += seconds

    # ---- the API and others who use it

    @rule(trouble=st.sampled_from(TROUBLE), times=st.none() | st.integers(1, 3), skip=st.integers(0, 2))
    def the_api_misbehaves(self, trouble: str, times: int | None, skip: int) -> None:
        self.world.misbehave(trouble, times=times, skip=skip)

    @precondition(lambda self: self.world.faults)
    @rule()
    def the_api_recovers(self) -> None:
        self.world.recover()

    @rule(seconds=st.sampled_from([0.0, 600.0, 3600.0, 200_000.0]))
    def batches_take(self, seconds: float) -> None:
        """200,000 seconds are more than a batch is given: half of it expires."""
        self.world.take(seconds)

    @precondition(lambda self: self._ledger())
    @rule(data=st.data(), delete=st.booleans())
    def somebody_cancels_or_deletes(self, data: Any, delete: bool) -> None:
        batch = data.draw(st.sampled_from(self._ledger()))
        faults, self.world.faults = self.world.faults, []
        self.world.recover()
        with Client(self.world.simulator) as client:
            if delete and self._known(batch):
                self._keep(batch)
                if client.delete(batch).status_code == 200:
                    self.deleted.add(batch)
            else:
                client.cancel(batch)
        self.world.faults = faults

    def _known(self, batch: str) -> bool:
        """Whether the job has seen its batch. One that is deleted before cannot be told from one that never was:
        the list does not show it, and it is paid for again (docs/reliability.md)."""
        nonces = [nonce for nonce, ids in read_remote(self.world.api).batches.items() if batch in ids]
        found = self.world.state()
        seen = [s.batch.id for s in found.shards if s.batch] if found else []
        return not nonces or batch in seen

    def _keep(self, batch: str) -> None:
        """What was asked and answered, for those who check: it was paid for."""
        kept = self.world.api / "deleted" / batch
        home = self.world.api / "batches" / batch
        if (home / "requests.jsonl").exists():
            shutil.copytree(
                home, kept, dirs_exist_ok=True
            )  # an earlier copy may be of a batch that still ran

    @rule(requests=st.integers(1, 3))
    def somebody_else_submits(self, requests: int) -> None:
        self.world.recover()
        with Client(self.world.simulator) as client:
            client.create(*(entry(f"theirs-{n}") for n in range(requests)))

    def _ledger(self) -> list[str]:
        return [line["id"] for line in json_lines(self.world.api / "ledger.jsonl")]

    def _calls(self) -> int:
        return len(json_lines(self.world.api / "calls.jsonl"))

    # ---- the person

    @rule(text=WORDS)
    def add_a_row(self, text: str) -> None:
        if len(self.world.rows) < 10:
            self._add(text)
            self.world.write()

    @precondition(lambda self: len(self.world.rows) > 1)
    @rule(data=st.data())
    def remove_a_row(self, data: Any) -> None:
        del self.world.rows[data.draw(st.integers(0, len(self.world.rows) - 1))]
        self.world.write()

    @rule(data=st.data(), text=WORDS)
    def change_a_row(self, data: Any, text: str) -> None:
        place = data.draw(st.integers(0, len(self.world.rows) - 1))
        self.world.rows[place] = (self.world.rows[place][0], text)
        self.world.write()

    @rule()
    def reorder_the_rows(self) -> None:
        self.world.rows.reverse()
        self.world.write()

    @rule(prompt=st.sampled_from(["Say", "Spell"]))
    def edit_the_prompt(self, prompt: str) -> None:
        self.world.prompt = prompt
        self.world.write()

    @rule(requests=st.integers(1, 4))
    def edit_the_limits(self, requests: int) -> None:
        self.world.limits["batch_requests"] = requests
        self.world.write()

    @rule()
    def remove_the_output(self) -> None:
        self.world.output.unlink(missing_ok=True)

    @rule()
    def back_the_state_up(self) -> None:
        if self.world.state_file.exists():
            self.backup = self.world.state_file.read_bytes()

    @precondition(lambda self: self.backup)
    @rule()
    def restore_an_old_state(self) -> None:
        """It is refused where more was sent since; else the job goes on from there."""
        assert self.backup is not None
        newest, asked = self.world.state_file.read_bytes(), len(self._ledger())
        self.world.state_file.write_bytes(self.backup)
        self.trial = self._trial(self.trial.paid_twice)
        ran = self.world.run()
        if ran.code == 73:
            assert "batchrun did not write it" in ran.stderr or "was changed since" in ran.stderr, ran.stderr
            self.world.output.unlink()  # as the hint says
            ran = self.world.run()
        if ran.code == 78:
            assert "the state is older than what was submitted" in ran.stderr, ran.stderr
            assert len(self._ledger()) == asked
            self.world.state_file.write_bytes(newest)
        self._judge(ran)

    # ---- what always holds

    @invariant()
    def a_step_is_a_step(self) -> None:
        type(self).steps += 1

    def teardown(self) -> None:
        try:
            if self.world.rows:
                self._it_comes_to_an_end()
        finally:
            self.world.close()
            shutil.rmtree(self.home)

    def _it_comes_to_an_end(self) -> None:
        """Nothing goes wrong any more and nobody does anything: three runs will do."""
        found = self.world.state()
        for shard in found.shards if found else ():
            event(f"{shard.phase} {shard.reason or ''}")
        self.world.recover()
        self.world.pass_time(2 * 86_400.0)
        codes = []
        for _ in range(RUNS):
            ran = self._judge(self.world.run(wait=True))
            codes.append(ran.code)
            if ran.code in (0, 3) or ran.code in HELD or self._waits_for_a_deleted_batch():
                return
        found = self.world.state()
        shards = [(s.id, s.phase, s.reason, s.detail, s.batch) for s in found.shards] if found else []
        raise AssertionError(f"neither done nor held within {RUNS} runs: {codes}; {shards}")

    def _waits_for_a_deleted_batch(self) -> bool:
        found = self.world.state()
        unseen = [s for s in found.shards if s.reason is Reason.NOT_FOUND] if found else []
        return any(s.batch is not None and s.batch.id in self.deleted for s in unseen)


def histories(folder: Path, tally: Tally, *, examples: int, steps: int, same: bool = False) -> int:
    """Run so many, of up to so many steps each; how many steps were executed. A failure is shrunk and printed
    as a program. `same`: the same histories each time."""
    JobHistories.folder, JobHistories.steps = folder, 0
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=same,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with tally("steps of random histories of a job") as campaign:
        try:
            run_state_machine_as_test(JobHistories, settings=profile)
        finally:
            campaign.trials = JobHistories.steps
    return JobHistories.steps


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that is synced in no time, where the system has one: a history syncs at every step."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK | os.X_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_a_few_histories(memory: Path, tally: Tally) -> None:
    assert histories(memory, tally, examples=15, steps=25, same=True) > 100


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(4))
def test_many_histories(part: int, memory: Path, tally: Tally) -> None:
    """Ten thousand steps and more, in parts for the worker processes to share."""
    assert histories(memory, tally, examples=180, steps=40) > 2500
