"""When a spec should be looked at next, by how its last pass left it. Nothing here touches the world."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from batchrun.errors import ExitCode
from batchrun.watch.orders import Note, Settings, Standing
from batchrun.watch.pace import due_with_spread

CRASHES = 3
"""So often a job may take its process with it before its spec counts as broken."""
SOON, OFTEN = 2.0, 300.0
"""The first pause after trouble, and the longest."""
RECHECK = 600.0
"""What waits for a person may be mended where no file shows it: a bill that was paid, a prompt that was written."""
NEVER = float("inf")

SEVERITY = (1, 4, 77, 78, 74, 73, 69, 66, 65, 3, 75, 0)
"""Exit codes, the one that says most first: of several jobs, a command tells this one."""


def worst(*codes: int) -> int:
    """The exit code for all of them together."""
    return min(codes, key=lambda code: SEVERITY.index(code) if code in SEVERITY else 0, default=ExitCode.OK)


_PUT_OFF = (Standing.NEEDS_PERSON, Standing.BROKEN, Standing.TROUBLE)
"""How a pass may end under one `terms` and otherwise under another."""


def terms(settings: Settings, movers: str = "") -> str:
    """A digest of what the operator allows a job: budgets, roots, memory, first spends; `movers` could move the
    state away."""
    config = settings.config and replace(settings.config, origins={})
    allowed = (settings.yes, settings.roots, settings.memory, config, movers)
    return hashlib.sha256(repr(allowed).encode("utf-8", "replace")).hexdigest()[:16]


def overtaken(note: Note, now_in_force: str) -> bool:
    """Whether a spec was put off on other terms than those that are in force."""
    return note.passed.standing in _PUT_OFF and note.terms != now_in_force


def next_look(note: Note, settings: Settings) -> float:
    """In seconds since the epoch, as long as nothing changes: a change of spec, data or state is due at once."""
    passed, job = note.passed, note.passed.job
    match passed.standing:
        case Standing.DONE | Standing.GONE:
            return NEVER
        case Standing.UNSETTLED:
            return note.at + settings.settle
        case Standing.WAITING:
            over = note.since + settings.data_wait
            return over if passed.due is None else min(over, max(passed.due, note.at + SOON))
        case Standing.STOPPED:
            return note.at + SOON
        case Standing.RUNNING | Standing.NEEDS_PERSON if passed.due is not None and not note.tries:
            return due_with_spread(passed.due, note.at, job)
        case Standing.RUNNING | Standing.TROUBLE | Standing.CRASHED | Standing.LOCKED | Standing.DUPLICATE:
            return due_with_spread(note.at + pause(note.tries), note.at, job)
        case Standing.NEEDS_PERSON | Standing.BROKEN:
            return due_with_spread(note.at + RECHECK, note.at, job)


def pause(tries: int) -> float:
    """Seconds between passes that come to nothing, the `tries`th time in a row."""
    return min(SOON * 2.0 ** max(tries - 1, 0), OFTEN)


def polls(note: Note | None) -> bool:
    """Whether the next pass only asks the API how things are: those are bounded."""
    return note is not None and note.passed.standing in (Standing.RUNNING, Standing.NEEDS_PERSON)


def fruitless(standing: Standing) -> bool:
    """Whether a pass came to nothing for no fault of the spec."""
    return standing in (Standing.TROUBLE, Standing.CRASHED, Standing.LOCKED, Standing.DUPLICATE)


def given_up(note: Note) -> bool:
    """Whether a job that takes its process with it counts as broken by now."""
    return note.passed.standing is Standing.CRASHED and note.tries >= CRASHES
