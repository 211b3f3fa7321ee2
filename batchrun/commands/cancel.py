"""`batchrun cancel`: cancel what is under way."""

from __future__ import annotations

from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config
from batchrun.errors import ExitCode


@click.command()
@common.job_options
@common.json_option
def command(spec: Path, sandbox: bool, roots: tuple[Path, ...], config: Config, as_json: bool) -> ExitCode:
    """Cancel the batches of SPEC's job that are under way, and send nothing more.

    \b
    batchrun cancel labels.yaml
    batchrun run labels.yaml      then: fetch what was answered before
    batchrun retry labels.yaml    or:   ask for the rest after all

    Answers that exist are paid for, and kept. If a run is going on, that run cancels.
    """
    from batchrun.run.decisions import cancel_job
    from batchrun.run.jobs import look

    with common.leaving_safely(spec, sandbox=sandbox, roots=roots), common.progress() as observer:
        outcome = cancel_job(spec, sandbox=sandbox, roots=roots, config=config, observer=observer)
    if outcome is None:
        common.say("another process is running this job; it was asked to cancel it")
        common.show_outcome(
            look(spec, sandbox=sandbox, roots=roots, config=config),
            spec=spec,
            sandbox=sandbox,
            roots=roots,
            quiet=True,
            as_json=as_json,
        )
        return ExitCode.NOT_FINISHED
    common.show_outcome(outcome, spec=spec, sandbox=sandbox, roots=roots, as_json=as_json)
    return ExitCode.OK
