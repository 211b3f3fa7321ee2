"""`batchrun plan`: what a run would submit and cost."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config


@click.command()
@common.job_options
@click.option(
    "--exact",
    type=click.IntRange(min=1),
    metavar="N",
    help="Have the API count the tokens of N requests (free).",
)
@common.json_option
def command(
    spec: Path, sandbox: bool, roots: tuple[Path, ...], config: Config, exact: int | None, as_json: bool
) -> None:
    """Show what `batchrun run` would submit, and what it may cost. Submits nothing, writes nothing.

    \b
    batchrun plan                     ./batch.yaml
    batchrun plan labels.yaml --json  for programs
    batchrun plan --exact 20          count the tokens of 20 requests (free)

    Tokens and cost are estimates; the high end is what limits.max_cost_usd is held against.
    """
    from batchrun.render import jsonout, text
    from batchrun.run.planning import plan, told_in_a_line
    from batchrun.run.retired import refuse_retired
    from batchrun.run.target import Target, connection
    from batchrun.rundir.store import Store

    target = Target(sandbox, config=config)
    loaded = target.load(spec, roots)
    job = target.job(loaded.job)
    store = Store(job.root, job.name, sandbox=sandbox)
    warnings = list(map(told_in_a_line, (*loaded.warnings, *loaded.retired)))
    with connection(job, target) as connect:
        count_tokens = connect().count_tokens if exact else None
        report = plan(
            job,
            store,
            warnings=warnings,
            exact=exact or 0,
            count_tokens=count_tokens,
            refuse=lambda shards, state: refuse_retired(
                shards, loaded.retired, state, target.today(), where=str(job.spec)
            ),
        )
    if as_json:
        click.echo(jsonout.dumps(report), nl=False)
    else:
        click.echo(text.plan(report, color=common.use_color(sys.stdout)), nl=False)
