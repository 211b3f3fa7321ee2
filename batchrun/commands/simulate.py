"""`batchrun simulate`: the Message Batches API on this machine, for clients under test."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchrun.commands import common
from batchrun.errors import CannotCreate, Interrupted
from batchrun.interrupts import Interrupts

if TYPE_CHECKING:
    from batchrun.simulator import Options


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen here; 0 picks a free port.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".batchrun/@simulator"),
    show_default=True,
    help="Keep the batches in this folder.",
)
@click.option(
    "--process-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="How long a batch runs; over 86400 a part of it expires.",
)
@click.option(
    "--cancel-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="How long a batch stays canceling.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="The polling hint on a batch in progress, in seconds.",
)
@click.option("--partial-counts", is_flag=True, help="Let the counts move while a batch runs.")
@click.option(
    "--foreign-results-url", metavar="ORIGIN", help="Put this origin into results_url instead of our own."
)
@click.option(
    "--scenario", type=click.Path(path_type=Path), help="Faults and scripted results, from a YAML file."
)
@common.json_option
def command(
    port: int,
    state: Path,
    process_seconds: float,
    cancel_seconds: float,
    retry_after: int,
    partial_counts: bool,
    foreign_results_url: str | None,
    scenario: Path | None,
    as_json: bool,
) -> None:
    """Serve the Message Batches API on this machine, until interrupted.

    \b
    batchrun simulate --port 8787
    batchrun simulate --process-seconds 60 --partial-counts
    batchrun simulate --scenario faults.yaml --state /tmp/simulator
    batchrun simulate --json | jq -r .url

    Any key is accepted and none is kept. Answers are made up, the same for the same request. The batches
    stay in the state folder: ledger.jsonl has a line for each that was accepted, calls.jsonl one for each
    call. Nothing leaves the machine.

    \b
    A scenario:
      results:  # the first rule that matches a request's params decides
        - {match: refund, error: {type: api_error, message: Busy}, times: 1}
        - {match: '"max_tokens":64', stop_reason: refusal, text: I cannot.}
        - {match: late, type: expired}
      faults:  # calls: create, retrieve, list, cancel, delete, results, any
        - {on: create, status: {code: 429, headers: {retry-after: 5}}, times: 2}
        - {on: create, accept_then: reset}  # or a status: the reply is lost
        - {on: create, reset: before_body, skip: 1}  # or after_body: not accepted
        - {on: create, queue: {limit: 200000, retry_after: 30}}
        - {on: list, lag: 5}  # seconds
        - {on: retrieve, not_found: true, times: 3, per_batch: true}
        - {on: results, cut: {bytes: -5, end: torn}}  # or clean
    """
    from batchrun.simulator import Options, Scenario

    options = Options(
        process_seconds=process_seconds,
        cancel_seconds=cancel_seconds,
        retry_after=retry_after,
        partial_counts=partial_counts,
        foreign_results_url=foreign_results_url,
        scenario=Scenario.load(scenario) if scenario else None,
    )
    # A signal is the way to end it, not a failure.
    with suppress(Interrupted), Interrupts():
        serve(state, port, options, as_json=as_json)


def serve(state: Path, port: int, options: Options, *, as_json: bool) -> None:
    """Announce the address and wait for a signal. Raises Interrupted, CannotCreate."""
    from batchrun.simulator import Simulator

    try:
        simulator = Simulator(state, port=port, options=options)
    except OSError as error:
        raise CannotCreate(
            f"cannot listen on port {port}: {error.strerror}", hint="take another --port, or 0 for a free one"
        ) from error
    with simulator:
        click.echo(f"listening on {simulator.url}", err=True)
        click.echo(f"export ANTHROPIC_BASE_URL={simulator.url} ANTHROPIC_API_KEY=simulated", err=True)
        if as_json:
            click.echo(json.dumps({"url": simulator.url}))
        threading.Event().wait()
