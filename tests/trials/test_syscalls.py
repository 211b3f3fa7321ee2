"""SIGKILL at every system call that writes or talks; and disks that refuse, once or for good."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.trials import syscalls
from tests.trials.rig import Attempt, Rig, Staged, in_memory
from tests.trials.scenarios import SCENARIOS, Scenario
from tests.trials.syscalls import Syscall
from tests.trials.tally import Tally

pytestmark = pytest.mark.skipif(bool(syscalls.missing()), reason=syscalls.missing() or "strace is here")

SLICES = 2
SAMPLED = 3
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS")
FAILURES = [
    pytest.param(scenario, error, forever, id=f"{scenario.name}-{error}-{'for ever' if forever else 'once'}")
    for scenario in SCENARIOS
    for error in ERRORS
    for forever in (False, True)
    if scenario is SCENARIOS[0] or (error, forever) in (("ENOSPC", False), ("EIO", True))
]
"""All of them in the first scenario; in the others, a disk that is full for a moment and one that dies."""

DISK = (73, 74)
"""Exit codes that say that a file cannot be created, or that the disk failed."""
DATA = 65


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with in_memory() as rig:
        yield rig


def calls(rig: Rig, staged: Staged, *, reads: bool = False) -> list[Syscall]:
    log = rig.folder / "syscalls"
    with rig.trial(staged) as attempt:
        ran = rig.traced(attempt, *staged.scenario.struck, options=syscalls.listing(log))
        assert ran.code == 0, ran
    return syscalls.read(log, reads=reads)


def part_of(found: list[Syscall], part: int) -> list[Syscall]:
    return [call for call in found if zlib.crc32(f"{call.name} {call.number}".encode()) % SLICES == part]


def kill(rig: Rig, attempt: Attempt, staged: Staged, call: Syscall) -> bool:
    options = syscalls.striking(call, "signal=KILL")
    ran = rig.traced(attempt, *staged.scenario.struck, options=options)
    attempt.check(ran, json=True)
    rig.again(attempt)
    return ran.code == -9


@pytest.mark.parametrize("scenario", SCENARIOS[:2], ids=lambda s: s.name)
def test_killed_at_some_calls(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    found = calls(rig, staged)
    with tally(f"SIGKILL at a system call, a sample: {scenario.name}") as campaign:
        for call in found[:: len(found) // SAMPLED]:
            with campaign.trial(str(call)), rig.trial(staged) as attempt:
                kill(rig, attempt, staged, call)


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_killed_at_every_call(scenario: Scenario, part: int, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    missed = 0
    mine = part_of(calls(rig, staged), part)
    with tally(f"SIGKILL at every system call: {scenario.name}") as campaign:
        for call in mine:
            with campaign.trial(str(call)), rig.trial(staged) as attempt:
                missed += not kill(rig, attempt, staged, call)
    assert missed < len(mine) / 10, f"{missed} of {len(mine)} calls were not reached"


# ---- disks that refuse ---------------------------------------------------------------------------


def refuse(rig: Rig, attempt: Attempt, staged: Staged, call: Syscall, error: str, *, forever: bool) -> None:
    """It says so and leaves, or does without; nothing is sent that the state does not know of; and once the
    disk is well again, the job comes to its end."""
    options = syscalls.striking(call, f"error={error}", forever=forever)
    ran = rig.traced(attempt, *staged.scenario.struck, options=options)
    attempt.check(ran)
    if forever and call.name == "openat":  # then nothing can be read either
        assert ran.code in (0, 3, *DISK, *((DATA,) if error == "EACCES" else ())), ran
    else:
        assert ran.code in (0, 3, *DISK), ran
    if ran.code in DISK and not forever:  # else stderr, too, takes nothing
        assert ran.stderr.count("error: ") == 1, ran
    rig.again(attempt)


@pytest.mark.parametrize("scenario", SCENARIOS[:1], ids=lambda s: s.name)
def test_some_calls_fail(scenario: Scenario, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    found = [call for call in calls(rig, staged) if not call.network]
    with tally(f"a disk that refuses, a sample: {scenario.name}") as campaign:
        for number, error in enumerate(ERRORS):
            for forever in (False, True):
                call = found[len(found) * (2 * number + forever) // (2 * len(ERRORS))]
                with campaign.trial(f"{call} {error} {forever}"), rig.trial(staged) as attempt:
                    refuse(rig, attempt, staged, call, error, forever=forever)


def test_nothing_opens_any_more(rig: Rig, tally: Tally) -> None:
    """Not even the null device, nor the spec: told as the disk's fault, not as the spec's or as a bug."""
    staged = rig.stage(SCENARIOS[0])
    opening = [call for call in calls(rig, staged) if call.name == "openat"]
    with tally("EIO at every opening, a sample") as campaign:
        for call in opening[:4]:
            with campaign.trial(str(call)), rig.trial(staged) as attempt:
                refuse(rig, attempt, staged, call, "EIO", forever=True)


def test_a_folder_on_the_way_to_the_data_cannot_be_read(rig: Rig, tally: Tally) -> None:
    staged = rig.stage(SCENARIOS[0])
    walking = [call for call in calls(rig, staged, reads=True) if "O_PATH" in call.args]
    with tally("EIO at every opening, a sample") as campaign:
        for call in walking[-1:]:
            with campaign.trial(str(call)), rig.trial(staged) as attempt:
                refuse(rig, attempt, staged, call, "EIO", forever=False)


@pytest.mark.campaign
@pytest.mark.parametrize("scenario, error, forever", FAILURES)
def test_every_call_fails(scenario: Scenario, error: str, forever: bool, rig: Rig, tally: Tally) -> None:
    staged = rig.stage(scenario)
    found = [call for call in calls(rig, staged) if not call.network]
    with tally(f"{error} at every write, {'for ever' if forever else 'once'}") as campaign:
        for call in found:
            with campaign.trial(f"{scenario.name}: {call}"), rig.trial(staged) as attempt:
                refuse(rig, attempt, staged, call, error, forever=forever)
