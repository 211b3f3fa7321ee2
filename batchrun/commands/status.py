"""`batchrun status`: how a job stands."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config


@click.command()
@common.job_options
@common.json_option
def command(spec: Path, sandbox: bool, roots: tuple[Path, ...], config: Config, as_json: bool) -> None:
    """Show how the job of SPEC stands: what runs until when, what it cost, what needs a person.

    \b
    batchrun status                     ./batch.yaml
    batchrun status labels.yaml --json  for programs

    Reads the saved state; asks nobody and changes nothing.
    """
    from batchrun.jobs import look
    from batchrun.render import jsonout, text

    outcome = look(spec, sandbox=sandbox, roots=roots, config=config)
    report = outcome.report(str(spec), now=time.time(), sandbox=sandbox, roots=roots)
    if as_json:
        click.echo(jsonout.dumps(report), nl=False)
    else:
        report = common.for_people(report)
        click.echo(text.status(report, color=common.use_color(sys.stdout)), nl=False)
