"""A disk that is filled to its last byte before every effect of a run, and freed again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchrun.lifecycle.state import Phase
from tests.trials.forks import Strike
from tests.trials.forkserver import FILLER
from tests.trials.invariants import Broken
from tests.trials.remote import read_remote
from tests.trials.rig import Attempt, Rig, Staged, in_memory
from tests.trials.scenarios import SCENARIOS, Scenario
from tests.trials.tally import Tally

SAMPLED = 12
DISK = (73, 74)


def why_not(folder: Path) -> str:
    """Why no file system of our own can be mounted here, or ""."""
    mounted = subprocess.run(_mount(folder), capture_output=True, text=True, check=False)
    if mounted.returncode:
        return f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}"
    subprocess.run(["umount", folder], check=True)
    return ""


def _mount(folder: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", "size=512k", "small", str(folder)]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    if reason := why_not(tmp_path_factory.mktemp("small")):
        pytest.skip(f"{reason}; test_syscalls.py has disks that refuse by strace")
    with in_memory() as rig:
        yield rig


@contextmanager
def on_a_small_disk(attempt: Attempt) -> Iterator[None]:
    """The job's folder, on half a megabyte of its own."""
    kept = attempt.folder.with_name("kept")
    attempt.folder.rename(kept)
    attempt.folder.mkdir()
    subprocess.run(_mount(attempt.folder), check=True)
    try:
        shutil.copytree(kept, attempt.folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", attempt.folder], check=True)


def fill(rig: Rig, attempt: Attempt, staged: Staged, effect: int) -> None:
    with on_a_small_disk(attempt):
        ran, _ = rig.struck(attempt, *staged.scenario.struck, strike=Strike(effect, fill=True))
        attempt.check(ran)
        assert ran.code in (0, 3, *DISK), ran
        if ran.code in DISK:
            assert ran.stderr.count("error: ") == 1, ran
            assert "No space left on device\n" in ran.stderr, ran
        for found in attempt.states():
            intended = {shard.nonce for shard in found.shards if shard.phase is not Phase.PLANNED}
            assert read_remote(attempt.api).batches.keys() <= intended, "sent without an intent on disk"
        (attempt.folder / FILLER).unlink(missing_ok=True)
        rig.again(attempt)
        if any(len(batches) > 1 for batches in read_remote(attempt.api).batches.values()):
            raise Broken("paid twice")


@pytest.mark.parametrize("scenario", SCENARIOS[:1], ids=lambda s: s.name)
def test_full_at_some_moments(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    count = rig.effects(staged)
    with tally("a full disk before an effect, a sample") as campaign:
        for number in range(SAMPLED):
            effect = 1 + number * count // SAMPLED
            with campaign.trial(f"effect {effect}"), rig.trial(staged) as attempt:
                fill(rig, attempt, staged, effect)


@pytest.mark.campaign
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_full_at_every_moment(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    with tally("a full disk before every effect") as campaign:
        for effect in range(1, rig.effects(staged) + 1):
            with campaign.trial(f"{scenario.name}, effect {effect}"), rig.trial(staged) as attempt:
                fill(rig, attempt, staged, effect)
