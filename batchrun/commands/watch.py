"""`batchrun watch`: run the specs that stand in folders, and those that come."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from batchrun.commands import common, watching


@click.command()
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="FOLDER...",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@watching.options
@click.option(
    "--once", is_flag=True, help="Make one pass, settling included, and exit; 75 if it is unfinished."
)
@click.option(
    "--polling", "events", flag_value="polling", help="Notice changes by polling: for network folders."
)
@click.option("--no-events", "events", flag_value="none", help="Notice changes by scanning alone.")
@watching.duration_option("--rescan", default="10s", help="Scan at least so often.")
@click.option("--quiet", "-q", is_flag=True, help="Only say what needs a person.")
@common.json_option
def command(
    folders: tuple[Path, ...],
    once: bool,
    events: str | None,
    quiet: bool,
    as_json: bool,
    **how: Any,
) -> int:
    """Run every spec that stands in FOLDER, and every one that comes, until stopped.

    \b
    batchrun watch incoming                  finished specs go to incoming/done
    batchrun watch incoming --sandbox        no key, no cost, invented answers
    batchrun watch a b --in-place --polling  leave specs alone; network folders

    A spec is run once it holds still, and waits for its data. The answer appears at its output.path. Then it
    moves to done/, or, when something is wrong with it, to failed/ with NAME.error.txt beside it. A spec that
    needs a person stays. The same content again, under any name, is recognised, and paid for once.

    SIGTERM and Ctrl-C leave within five seconds with 143 or 130; batches go on, and the next watch carries on.
    With --once the exit code is that of tick. --json prints one object a line.
    """
    from batchrun.watch.folder import Folder
    from batchrun.watch.loop import Loop
    from batchrun.watch.nudges import Nudges

    events = "none" if once else events or "native"
    tell = watching.teller(len(folders), quiet=quiet, as_json=as_json)
    unique = list(dict.fromkeys(folders))
    each = [watching.for_folder(how, folder, unique, events=events) for folder in unique]
    settings = watching.for_all(each)
    with ExitStack() as open_:
        watched = [Folder(folder, own, tell) for folder, own in zip(unique, each, strict=True)]
        for folder in watched:
            open_.enter_context(folder.notes.among_others())
        nudges = Nudges(
            settings.events,
            [folder.path for folder in watched],
            watching.without_events(tell, settings.rescan),
        )
        open_.callback(nudges.close)
        leaving = open_.enter_context(watching.signals(nudges.writer))
        loop = Loop(watched, settings, nudges=nudges, leaving=leaving)
        open_.callback(loop.leave)
        if once:
            code = loop.once()
            return 128 + leaving() if leaving() else code
        for folder in watched:
            folder.tell("watching", "watching")
        loop.forever()
        loop.leave()
        common.say("left; the state is saved, and submitted batches go on")
        return 128 + leaving()
