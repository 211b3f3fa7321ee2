"""`batchrun resubmit`: submit a held shard again."""

from __future__ import annotations

from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config
from batchrun.errors import ExitCode, UsageError


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("shard")
@click.option("--accept-duplicate-cost", is_flag=True, help="Accept that the shard may be paid for twice.")
@common.sandbox_option
@common.root_option
@common.wait_option
@common.json_option
def command(
    spec: Path,
    shard: str,
    accept_duplicate_cost: bool,
    sandbox: bool,
    roots: tuple[Path, ...],
    config: Config,
    no_wait: bool,
    as_json: bool,
) -> ExitCode:
    """Submit the held SHARD of SPEC's job again, although a batch of it may exist.

    \b
    batchrun resubmit labels.yaml 0002 --accept-duplicate-cost

    If the first submission did create a batch, its requests are paid for twice. Prefer `batchrun adopt`
    when you can tell which batch it is.
    """
    if not accept_duplicate_cost:
        raise UsageError(
            "a batch of this shard may exist already; nothing was submitted",
            hint="look for it with `batchrun batches list`, or add --accept-duplicate-cost",
        )
    from batchrun.run.decisions import resubmit_shard

    with (
        common.leaving_safely(spec, sandbox=sandbox, roots=roots) as interrupts,
        common.progress() as observer,
    ):
        outcome = resubmit_shard(
            spec,
            shard,
            sandbox=sandbox,
            wait=not no_wait,
            roots=roots,
            config=config,
            observer=observer,
            shield=interrupts.shielded,
        )
    common.show_outcome(outcome, spec=spec, sandbox=sandbox, roots=roots, as_json=as_json)
    return outcome.exit_code
