"""`batchrun run`: whatever is left to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from batchrun.commands import common
from batchrun.config.values import Config
from batchrun.errors import ExitCode, Locked


@click.command()
@common.job_options
@common.wait_option
@click.option("--yes", is_flag=True, help="Allow a first spend although the spec sets no budget.")
@click.option("--overwrite", is_flag=True, help="Replace an output file that batchrun did not write.")
@click.option(
    "--depfile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write for make what the answer is made from: spec, data, prompts.",
)
@click.option(
    "--depfile-target",
    default="",
    metavar="NAME",
    help="What make calls that which is made, where it is not the answer itself.",
)
@click.option(
    "--lock-wait",
    default="0s",
    callback=common.seconds,
    metavar="DURATION",
    help="Wait for another process that works on the job, such as 25h; without it, exit 75 at once.",
)
@click.option("--quiet", "-q", is_flag=True, help="Only say what needs a person. For cron.")
@common.json_option
def command(
    spec: Path,
    sandbox: bool,
    roots: tuple[Path, ...],
    config: Config,
    no_wait: bool,
    yes: bool,
    overwrite: bool,
    depfile: Path | None,
    depfile_target: str,
    lock_wait: float,
    quiet: bool,
    as_json: bool,
) -> ExitCode:
    """Submit, wait, download: whatever is left to do for the job of SPEC (default batch.yaml).

    \b
    batchrun run                         ./batch.yaml
    batchrun run labels.yaml             again, after anything: carries on
    batchrun run labels.yaml --no-wait   from cron; 75 until it is done
    batchrun run labels.yaml --sandbox   no key, no cost, invented answers
    batchrun run labels.yaml --depfile out/labels.d   from make

    The answer appears at the spec's output.path when it is complete. Ctrl-C leaves the batches running:
    the same command carries on.
    """
    from batchrun.fastpath.uptodate import finished

    outcome = None if depfile else finished(spec, sandbox=sandbox, roots=roots)
    if outcome is None:
        from batchrun.run.depfile import Depfile
        from batchrun.run.jobs import run_job

        try:
            with (
                common.leaving_safely(spec, sandbox=sandbox, roots=roots) as interrupts,
                common.progress(quiet=quiet) as observer,
            ):
                outcome = run_job(
                    spec,
                    sandbox=sandbox,
                    wait=not no_wait,
                    consent=lambda state: yes or _ask(observer, common.planned_cost(state)),
                    overwrite=overwrite,
                    roots=roots,
                    config=config,
                    observer=observer,
                    shield=interrupts.shielded,
                    lock_wait=lock_wait,
                    depfile=Depfile(depfile, depfile_target) if depfile else None,
                )
        except Locked:
            if quiet:  # two runs of cron that meet: nobody needs to know
                return ExitCode.NOT_FINISHED
            raise
    common.show_outcome(outcome, spec=spec, sandbox=sandbox, roots=roots, quiet=quiet, as_json=as_json)
    return outcome.exit_code


def _ask(observer: common.Eye, cost: str) -> bool:
    """Ask on a terminal; elsewhere the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    observer.close()
    return click.confirm(f"This may cost up to {cost}, and the spec sets no budget. Submit?", err=True)
