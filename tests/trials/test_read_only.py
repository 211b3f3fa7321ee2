"""A folder that becomes read-only before every effect of a run, and writable again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from batchrun.lifecycle.state import Phase
from tests.trials.forks import Strike
from tests.trials.remote import read_remote
from tests.trials.rig import Attempt, Rig, Staged, in_memory
from tests.trials.scenarios import SCENARIOS, Scenario
from tests.trials.tally import Tally

SAMPLED = 4
FOLDERS = (".batchrun", "out")
DISK = (73, 74)
TOLD = ("Read-only file system", "may not be written to; nothing was submitted\n")
TRIED = """
from tests.trials.forkserver import _freeze, _own_mounts
_own_mounts()
_freeze({folder!r})
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = str(tmp_path_factory.mktemp("frozen"))
    tried = subprocess.run(
        [sys.executable, "-c", TRIED.format(folder=folder)], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        why = tried.stderr.strip().splitlines()[-1]
        pytest.skip(f"no folder can be mounted read-only here: {why}; test_syscalls.py has EROFS by strace")
    with in_memory() as rig:
        yield rig


def freeze(rig: Rig, attempt: Attempt, staged: Staged, effect: int, folder: str) -> None:
    """It says so and leaves; nothing is sent that the state does not know of; and once the folder is writable
    again, the job comes to its end."""
    path = attempt.folder / folder
    path.mkdir(mode=0o700, exist_ok=True)
    ran, _ = rig.struck(attempt, *staged.scenario.struck, strike=Strike(effect, freeze=str(path)))
    attempt.check(ran)
    assert ran.code in (0, 3, *DISK), ran
    if ran.code in DISK:
        assert ran.stderr.count("error: ") == 1, ran
        assert any(words in ran.stderr for words in TOLD), ran
    intended = {s.nonce for found in attempt.states() for s in found.shards if s.phase is not Phase.PLANNED}
    assert read_remote(attempt.api).batches.keys() <= intended, "sent without an intent on disk"
    rig.again(attempt)


@pytest.mark.parametrize("folder", FOLDERS)
def test_read_only_at_some_moments(folder: str, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(SCENARIOS[0])
    count = rig.effects(staged)
    with tally(f"{folder} becomes read-only, a sample") as campaign:
        for number in range(SAMPLED):
            effect = 1 + number * count // SAMPLED
            with campaign.trial(f"effect {effect}"), rig.trial(staged) as attempt:
                freeze(rig, attempt, staged, effect, folder)


@pytest.mark.campaign
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_read_only_at_every_moment(scenario: Scenario, folder: str, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    with tally(f"{folder} becomes read-only before every effect") as campaign:
        for effect in range(1, rig.effects(staged) + 1):
            with campaign.trial(f"{scenario.name}, effect {effect}"), rig.trial(staged) as attempt:
                freeze(rig, attempt, staged, effect, folder)
