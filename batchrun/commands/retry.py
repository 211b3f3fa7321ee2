"""`batchrun retry`: try failed, canceled and refused work again."""

from __future__ import annotations

from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config
from batchrun.errors import ExitCode


@click.command()
@common.job_options
@common.wait_option
@common.json_option
def command(
    spec: Path, sandbox: bool, roots: tuple[Path, ...], config: Config, no_wait: bool, as_json: bool
) -> ExitCode:
    """Try again what did not succeed in SPEC's job, then carry on as run does.

    \b
    batchrun retry labels.yaml

    Rows that failed, expired or were canceled go into new batches, within the budget, but for those that the
    API called invalid: the same request fails again. Shards that the API refused are sent again; results that never came complete are fetched again. Rows that succeeded are not
    asked again.
    """
    from batchrun.run.decisions import retry_job

    with (
        common.leaving_safely(spec, sandbox=sandbox, roots=roots) as interrupts,
        common.progress() as observer,
    ):
        outcome = retry_job(
            spec,
            sandbox=sandbox,
            wait=not no_wait,
            roots=roots,
            config=config,
            observer=observer,
            shield=interrupts.shielded,
        )
    common.show_outcome(outcome, spec=spec, sandbox=sandbox, roots=roots, as_json=as_json)
    return outcome.exit_code
