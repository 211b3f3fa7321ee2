"""`batchrun tick`: one pass over many jobs that waits for nothing. For cron."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from batchrun.commands import common, watching
from batchrun.errors import ExitCode, Locked, MissingInput


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER|SPEC...", type=click.Path(path_type=Path))
@watching.options
@click.option("--quiet", "-q", is_flag=True, help="Only say what needs a person, once. For cron.")
@common.json_option
def command(paths: tuple[Path, ...], quiet: bool, as_json: bool, **how: Any) -> int:
    """Advance every job of FOLDER, or of SPEC, as far as that needs no waiting.

    \b
    batchrun tick incoming                 finished specs go to incoming/done
    batchrun tick labels.yaml other.yaml   these alone, left where they are
    */5 * * * *  batchrun tick /srv/incoming --quiet || [ $? -eq 75 ]

    Asks of a batch no more often than its spec's poll.interval; asks nothing where nothing is due.

    \b
    The exit code is that of the job that says most, in this order:
      1 a bug · 4 a person must decide · 77, 78, 74, 73, 69 key, configuration,
      disk, output, API · 66, 65 data, spec · 3 rows failed · 75 unfinished,
      or another tick or a watcher has the folder · 0 all is done
    """
    from batchrun.watch.folder import Folder
    from batchrun.watch.loop import Loop
    from batchrun.watch.nudges import Nudges

    tell = watching.teller(len(paths), quiet=quiet, as_json=as_json)
    named = _folders(paths)
    watched = [path for path, only in named if only is None]
    each = [watching.for_folder(how, path, watched, events="none") for path, _ in named]
    settings = watching.for_all(each)
    with ExitStack() as open_:
        folders = [Folder(path, own, tell, only) for (path, only), own in zip(named, each, strict=True)]
        for folder in folders:
            try:
                open_.enter_context(folder.notes.alone(str(folder.shown)))
            except Locked:
                if quiet:  # two runs of cron that meet: nobody needs to know
                    return ExitCode.NOT_FINISHED
                raise
        nudges = Nudges(settings.events, [])
        open_.callback(nudges.close)
        leaving = open_.enter_context(watching.signals(nudges.writer))
        loop = Loop(folders, settings, nudges=nudges, leaving=leaving)
        open_.callback(loop.leave)
        code = loop.once()
        return 128 + leaving() if leaving() else code


def _folders(paths: tuple[Path, ...]) -> list[tuple[Path, frozenset[str] | None]]:
    """The folders, and the specs by their folder. Raises MissingInput for what is not there."""
    whole: dict[Path, None] = {}
    single: dict[Path, list[str]] = {}
    for path in paths:
        if path.is_dir():
            whole[path] = None
        elif path.exists():
            single.setdefault(path.parent, []).append(path.name)
        else:
            raise MissingInput(f"there is no folder or spec {path}")
    return [*((path, None) for path in whole), *((path, frozenset(names)) for path, names in single.items())]
