"""`batchrun status`: how a job stands, or all jobs of folders."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from batchrun.commands import common
from batchrun.errors import UsageError


@click.command()
@click.argument("paths", nargs=-1, metavar="[SPEC | FOLDER...]", type=click.Path(path_type=Path))
@common.sandbox_option
@common.bare_root_option
@click.option("--all", "every", is_flag=True, help="Of a folder, list every job.")
@common.json_option
def command(
    paths: tuple[Path, ...], sandbox: bool, roots: tuple[Path, ...], every: bool, as_json: bool
) -> None:
    """Show how the job of SPEC stands: what runs until when, what it cost, what needs a person. Of FOLDERs,
    all jobs on one screen.

    \b
    batchrun status                     ./batch.yaml
    batchrun status labels.yaml --json  for programs
    batchrun status incoming            all jobs, what needs a person first

    Reads the saved state; asks nobody and changes nothing.
    """
    paths = paths or (Path("batch.yaml"),)
    if any(path.is_dir() for path in paths):
        _folders(paths, sandbox=sandbox, roots=roots, every=every, as_json=as_json)
    elif len(paths) > 1:
        raise UsageError("more than one spec", hint="name one spec, or folders")
    else:
        _job(paths[0], sandbox=sandbox, roots=roots, as_json=as_json)


def _job(spec: Path, *, sandbox: bool, roots: tuple[Path, ...], as_json: bool) -> None:
    from batchrun.config.find import load_config
    from batchrun.render import jsonout, text
    from batchrun.run.jobs import look

    config = load_config(spec.absolute().parent)
    roots = tuple(dict.fromkeys((*roots, *config.roots)))
    with common.progress() as observer:
        outcome = look(spec, sandbox=sandbox, roots=roots, config=config, observer=observer)
    report = outcome.report(str(spec), now=time.time(), sandbox=sandbox, roots=roots)
    if as_json:
        click.echo(jsonout.dumps(report), nl=False)
    else:
        report = common.for_people(report)
        click.echo(text.status(report, color=common.use_color(sys.stdout)), nl=False)


def _folders(
    paths: tuple[Path, ...], *, sandbox: bool, roots: tuple[Path, ...], every: bool, as_json: bool
) -> None:
    from batchrun.render import jsonout, overview
    from batchrun.watch.survey import survey_folder

    now = time.time()
    reports = [survey_folder(path, now=now, sandbox=sandbox, roots=roots) for path in paths]
    if as_json:
        click.echo(jsonout.dumps_folders(reports), nl=False)
        return
    color = common.use_color(sys.stdout)
    click.echo("\n".join(overview.folder(report, color=color, every=every) for report in reports), nl=False)
