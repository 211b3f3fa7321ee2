"""Files of ours that say something else than what was written: the state, shards, results and rows.

A disk, a backup or a hand may do that. What cannot be read is refused, or made again from what is whole; it is
never taken for less than it was, which would pay again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from batchrun.errors import ConfigError
from batchrun.rundir.store import Store
from tests.trials.invariants import RUNS
from tests.trials.rig import Attempt, Rig, in_memory
from tests.trials.scenarios import NO_WAIT, OVERLOADED, RUN, SCENARIOS, SHARDS, Scenario, before
from tests.trials.tally import Tally

pytestmark = pytest.mark.trials

DONE = Scenario("done, rows added", rows=4, before=[(RUN, None), 6], spec=SHARDS)
PLANNED = Scenario("planned", before=[(RUN, before("run/engine.py", "yield events.SubmitStarted("))])
RUNNING = Scenario("running", before=[(NO_WAIT, None)], seconds=40)
UNCOLLECTED = Scenario("fetched", before=[(RUN, before("run/engine.py", "refuse_foreign(job, self.state"))])
FAILED = Scenario(
    "a row failed",
    before=[(RUN, None)],
    results=[{"match": "word 2", "type": "errored", "error": OVERLOADED, "times": 3}],
)
FLIPS = (0x01, 0x20, 0xFF)
SAMPLED = 19
"""In `make test`, every so many bytes."""

REFUSED = 78
DISK = 74


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with in_memory() as rig:
        yield rig


def damages(data: bytes, places: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """The file cut off at each place, and with that byte changed."""
    for place in places:
        yield f"cut at {place}", data[:place]
        for flip in FLIPS:
            changed = bytes([data[place] ^ flip])
            yield f"byte {place} ^ {flip:#x}", data[:place] + changed + data[place + 1 :]


# ---- the state -----------------------------------------------------------------------------------


def load_all(attempt: Attempt, tally: Tally, name: str, step: int) -> None:
    """Through the real store: the state as it was, or a refusal; never none, and never another one."""
    store = Store(attempt.folder, "batch")
    whole, data = store.load(), store.state_file.read_bytes()
    assert whole is not None
    with tally(name) as campaign:
        for what, damaged in damages(data, range(0, len(data), step)):
            with campaign.trial(what):
                store.state_file.write_bytes(damaged)
                try:
                    found = store.load()
                except ConfigError as error:
                    assert error.hint, error
                else:
                    assert found == whole, "another state than was saved"
    store.state_file.write_bytes(data)


def test_some_bytes_of_the_state(rig: Rig, tally: Tally) -> None:
    with rig.trial(rig.stage(DONE)) as attempt:
        load_all(attempt, tally, "state file damaged, a sample", SAMPLED)


@pytest.mark.campaign
@pytest.mark.parametrize("scenario", (*SCENARIOS[2:], DONE), ids=lambda s: s.name)
def test_every_byte_of_the_state(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    with rig.trial(rig.stage(scenario)) as attempt:
        load_all(attempt, tally, "state file cut and flipped at every byte", 1)


@pytest.mark.parametrize("scenario", (RUNNING, DONE), ids=lambda s: s.name)
def test_runs_on_a_damaged_state(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    """Refused by the command line, nothing sent; with the file put back, it goes on."""
    staged = rig.stage(scenario)
    with tally("runs on a damaged state file") as campaign, rig.trial(staged) as attempt:
        file = attempt.run_folder / "state.json"
        data, calls = file.read_bytes(), (attempt.api / "calls.jsonl").read_bytes()
        for what, damaged in damages(data, range(7, len(data), len(data) // 4)):
            with campaign.trial(what):
                file.write_bytes(damaged)
                ran = rig.run(attempt, *RUN)
                assert ran.code == REFUSED and ran.stderr.startswith("error: the state file is damaged"), ran
                assert (attempt.api / "calls.jsonl").read_bytes() == calls
                assert file.read_bytes() == damaged
        file.write_bytes(data)
        with campaign.trial("put back"):
            rig.again(attempt)


# ---- shards, results, rows -----------------------------------------------------------------------


def flip(path: Path) -> None:
    """Change one letter of the last line: it still parses."""
    data = path.read_bytes()
    place = data.rindex(b"word") + 2
    path.write_bytes(data[:place] + b"R" + data[place + 1 :])


def flip_key(path: Path) -> None:
    """Change one digit of the first key of the file."""
    data = path.read_bytes()
    place = data.index(b'keys":["' if path.parent.name == "rows" else b'custom_id":"') + 12
    path.write_bytes(data[:place] + (b"0" if data[place : place + 1] != b"0" else b"1") + data[place + 1 :])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def cut_lines(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


Harm = Callable[[Path], Any]
HARMS: tuple[Harm, ...] = (flip, flip_key, cut, cut_lines, Path.unlink)


def all_of(
    rig: Rig,
    scenario: Scenario,
    tally: Tally,
    trial: Callable[[Attempt, Harm], None],
    harms: Sequence[Harm] = HARMS,
) -> None:
    staged = rig.stage(scenario)
    with tally("shards, results and rows damaged") as campaign:
        for harm in harms:
            with campaign.trial(f"{scenario.name}: {harm.__name__}"), rig.trial(staged) as attempt:
                trial(attempt, harm)


def again(rig: Rig, attempt: Attempt) -> None:
    """To its end; files that are still damaged on the way there are no news."""
    for _ in range(RUNS):
        ran = rig.run(attempt, *RUN)
        if ran.code in (0, 3):
            break
        assert ran.code == DISK, ran
    attempt.check(ran, json=True)
    attempt.check_done()


def harmed(attempt: Attempt, name: str, harm: Harm) -> None:
    [path, *_] = sorted((attempt.run_folder / name).glob("[0-9]*.jsonl"))
    harm(path)


def test_a_shard_that_is_not_sent_is_made_again(rig: Rig, tally: Tally) -> None:
    def trial(attempt: Attempt, harm: Harm) -> None:
        harmed(attempt, "shards", harm)
        again(rig, attempt)

    all_of(rig, PLANNED, tally, trial)


@pytest.mark.parametrize("scenario", (RUNNING, DONE), ids=lambda s: s.name)
def test_a_shard_that_was_sent_is_refused(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    """Which keys were asked is told nowhere else: to read fewer would be to pay again."""

    def trial(attempt: Attempt, harm: Harm) -> None:
        path = attempt.run_folder / "shards" / "0001.jsonl"
        data, ledger = path.read_bytes(), (attempt.api / "ledger.jsonl").read_bytes()
        harm(path)
        ran = rig.run(attempt, *RUN)
        assert ran.code == DISK and "0001.jsonl" in ran.stderr, ran
        assert (attempt.api / "ledger.jsonl").read_bytes() == ledger
        path.write_bytes(data)
        rig.again(attempt)

    all_of(rig, scenario, tally, trial)


def test_results_are_fetched_again(rig: Rig, tally: Tally) -> None:
    def trial(attempt: Attempt, harm: Harm) -> None:
        harmed(attempt, "results", harm)
        again(rig, attempt)

    all_of(rig, UNCOLLECTED, tally, trial)


def test_retry_fetches_results_again_first(rig: Rig, tally: Tally) -> None:
    def trial(attempt: Attempt, harm: Harm) -> None:
        harmed(attempt, "results", harm)
        ran = rig.run(attempt, "retry", "--json")
        assert ran.code == 0, ran  # the row that had failed was asked once more, and no other
        attempt.check(ran, json=True)
        attempt.check_done()

    all_of(rig, FAILED, tally, trial)


def test_rows_are_read_again(rig: Rig, tally: Tally) -> None:
    def trial(attempt: Attempt, harm: Harm) -> None:
        harmed(attempt, "rows", harm)
        again(rig, attempt)

    all_of(rig, RUNNING, tally, trial, harms=(flip_key, cut, cut_lines, Path.unlink))
