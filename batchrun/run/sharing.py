"""A watched folder in which others could move the state away: no job begins there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from batchrun.errors import NeedsPerson
from batchrun.fs import STATE_FOLDER
from batchrun.fs.ownership import movers
from batchrun.run.preflight import is_first_spend

if TYPE_CHECKING:
    from batchrun.run.engine import Engine
    from batchrun.run.target import Target


def keep_state_in_place(engine: Engine, target: Target) -> None:
    """Raise NeedsPerson before the first spend of a job whose run directory others could rename: the next pass
    would know of nothing that was sent, and send it again. Whoever may write to a folder may rename what is in it,
    unless it has the sticky bit. A job that has begun goes on: to stop would not put its state back."""
    if not target.watched or target.settings.watch_shared or not is_first_spend(engine):
        return
    folder = engine.job.root
    if who := movers(folder):
        raise NeedsPerson(
            f"{folder} can be written by {who}, who could move {STATE_FOLDER} away; nothing was submitted",
            hint=f"`chmod +t {shlex.quote(str(folder))}` lets them move only files of their own; or set watch.shared = true"
            " in batchrun.toml where all of them may be trusted with what was paid for",
        )
