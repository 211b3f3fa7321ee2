"""What becomes of a spec after a pass: put away, told about, or left where it is until it is due again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from batchrun.errors import BatchrunError, ExitCode
from batchrun.model import Signature
from batchrun.render.problems import error_lines
from batchrun.safetext import plain
from batchrun.units import DAY
from batchrun.watch import due, moves
from batchrun.watch.folder import Entry, Folder
from batchrun.watch.orders import Note, Passed, Standing

REMIND = DAY
"""Seconds after which what needs a person is told once more."""

_QUIET = (Standing.LOCKED, Standing.STOPPED, Standing.GONE)


def settle(folder: Folder, entry: Entry, began: Signature, passed: Passed, now: float) -> None:
    """Take note of a pass over the spec as it was when the pass began, and do what follows from it."""
    entry.running = False
    note = replace(_note(entry.note, began, passed, now), terms=folder.terms)
    if passed.standing is Standing.GONE:
        folder.all_fetched(entry.name)
    if passed.standing is Standing.GONE or entry.signature != began:
        entry.look_at = now  # the next scan finds out
        return
    entry.note = note
    entry.look_at = due.next_look(note, folder.settings)
    broken = passed.standing is Standing.BROKEN or _given_up(folder, entry, note)
    try:
        if passed.standing is Standing.DONE or broken:
            _through(folder, entry, note, broken=broken)
        else:
            _tell(folder, entry, note)
        if entry.note is not None:
            folder.notes.save(entry.name, entry.note)
    except BatchrunError as error:
        # A full disk, a folder that may not be written to: the spec stays, and is looked at again.
        note = entry.note or note  # which may have been told already
        trouble = passed if passed.standing is Standing.TROUBLE else _troubled(passed, error)
        entry.note = replace(note, passed=trouble, tries=note.tries + 1)
        entry.look_at = due.next_look(entry.note, folder.settings)
        _tell(folder, entry, entry.note)


def _troubled(passed: Passed, error: BatchrunError) -> Passed:
    """For a pass that could not be followed up: what stands in the way of that, and below it how it ended."""
    return replace(
        passed,
        standing=Standing.TROUBLE,
        code=error.exit_code,
        lines=(*error_lines(error), *(passed.lines or (passed.summary,))),
        summary=plain(str(error)),
    )


def _note(before: Note | None, began: Signature, passed: Passed, now: float) -> Note:
    note = Note(began, now, passed, since=now)
    if before is None:
        return note
    same = before.signature == began
    if same and before.passed.standing is Standing.WAITING:
        note = replace(note, since=before.since)
    if due.fruitless(passed.standing):
        note = replace(note, tries=1 + (before.tries if same else 0))
    told = (before.told, before.told_at) if same else ("", 0.0)
    return replace(
        note, told=told[0], told_at=told[1], error_file=before.error_file, error_text=before.error_text
    )


def _given_up(folder: Folder, entry: Entry, note: Note) -> bool:
    """A job whose answers are still to come is never put away for crashing."""
    return due.given_up(note) and not folder.under_way(entry.name, note.passed.job)


def _through(folder: Folder, entry: Entry, note: Note, *, broken: bool) -> None:
    """Nothing is left to do for the spec as it is."""
    if folder.settings.in_place:
        entry.note = _marked(folder, entry, note, broken=broken)
        _tell(folder, entry, entry.note)
        return
    name, began = entry.name, entry.signature
    if broken:
        text = moves.error_text(note.passed.lines)
        target = moves.move_failed(folder.path, name, began, folder.notes, text)
    else:
        target = moves.move_done(folder.path, name, began, folder.notes)
    if target is None:  # edited, or taken away, while it was run
        entry.note, entry.look_at = None, 0.0
        return
    _tell(folder, entry, note, moved_to=f"{target.parent.name}/{target.name}")
    folder.worst = due.worst(folder.worst, note.passed.code)
    folder.notes.forget(name)
    entry.note = None
    folder.entries.pop(name, None)


def _marked(folder: Folder, entry: Entry, note: Note, *, broken: bool) -> Note:
    """In place, what is wrong stands beside the spec for as long as it is wrong."""
    text = moves.error_text(note.passed.lines) if broken else ""
    if note.error_file and note.error_text == text:
        return note
    if note.error_file:
        moves.drop_error(folder.path / note.error_file, note.error_text)
    written = moves.write_error(folder.path / entry.name, text).name if broken else ""
    return replace(note, error_file=written, error_text=text)


# ---- telling -----------------------------------------------------------------------------------


def _tell(folder: Folder, entry: Entry, note: Note, *, moved_to: str = "") -> None:
    """Say how it stands, if that is news."""
    passed = note.passed
    running = passed.standing is Standing.RUNNING and not passed.lines
    if running or passed.standing in _QUIET:
        return
    digest = _digest(passed)
    reminding = passed.code == ExitCode.NEEDS_PERSON and note.at - note.told_at > REMIND
    if note.told == digest and not moved_to and not reminding:
        return
    entry.note = replace(note, told=digest, told_at=note.at)
    folder.tell(
        passed.standing,
        passed.summary,
        entry.name,
        job=passed.job,
        code=passed.code,
        lines=passed.lines,
        output=passed.output,
        moved_to=moved_to,
    )


def _digest(passed: Passed) -> str:
    words = "\n".join((passed.standing, str(passed.code), passed.summary, *passed.lines))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]
