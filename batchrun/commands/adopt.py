"""`batchrun adopt`: name the batch that belongs to a held shard."""

from __future__ import annotations

from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("shard")
@click.argument("batch_id")
@common.sandbox_option
@common.root_option
@common.json_option
def command(
    spec: Path,
    shard: str,
    batch_id: str,
    sandbox: bool,
    roots: tuple[Path, ...],
    config: Config,
    as_json: bool,
) -> None:
    """Say that BATCH_ID is what became of the held SHARD of SPEC's job.

    \b
    batchrun status labels.yaml    first: what is held, and what could fit
    batchrun adopt labels.yaml 0002 msgbatch_01EXAMPLE
    batchrun run labels.yaml       then:  carry on

    The batch must have as many requests as the shard. Its results still have to prove that it is ours;
    a wrong guess costs nothing.
    """
    from batchrun.run.decisions import adopt_batch

    with common.leaving_safely(spec, sandbox=sandbox, roots=roots), common.progress() as observer:
        outcome = adopt_batch(
            spec, shard, batch_id, sandbox=sandbox, roots=roots, config=config, observer=observer
        )
    common.show_outcome(outcome, spec=spec, sandbox=sandbox, roots=roots, as_json=as_json)
