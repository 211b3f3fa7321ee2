"""`batchrun simulate`: the Message Batches API on this machine, for clients under test."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from datetime import datetime
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
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="One fault more, as in a scenario: 'create: {accept_then: reset}'. May be given again.",
)
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="The day by which models retire, such as 2027-01-31; default that of the table of models. Not the clock's.",
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
    faults: tuple[str, ...],
    today: datetime | None,
    as_json: bool,
) -> None:
    """Serve the Message Batches API on this machine, until interrupted.

    \b
    batchrun simulate --port 8787
    batchrun simulate --process-seconds 60 --partial-counts
    batchrun simulate --scenario faults.yaml --state /tmp/simulator
    batchrun simulate --fault 'create: {accept_then: reset}'
    batchrun simulate --today 2027-01-31
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
      faults:  # by call: create, retrieve, list, cancel, delete, results, any
        - create: {accept_then: reset, skip: 1}  # the reply is lost
        - create: {status: {code: 429, headers: {retry-after: 5}}, times: 2}
        - create: {queue: {limit: 200000, retry_after: 30}}
        - create: {strangers: {requests: 3, before: 1, after: 1}}
        - create: {skew: -5}  # a server whose clock is behind
        - list: {lag: 5}  # seconds
        - list: {newest: 2}  # the list ends after so many
        - list: {refuse: 2}  # then the port is closed for so long
        - any: {reset: {reply: half}, every: 3, times: 0}  # every third call
        - any: {stall: {seconds: 90, at: body}}
        - retrieve: {drip: {seconds: 1, bytes: 10}}
        - retrieve: {redirect: loop}
        - retrieve: {garble: truncated}  # or html, empty, list, huge, bomb, …
        - retrieve: {headers: {date: null, x-should-retry: 'false'}}
        - retrieve: {not_found: true, times: 3, per_batch: true}
        - retrieve: {stale: true, skip: 2}  # as it was when created
        - retrieve: {fields: {processing_status: paused}}
        - retrieve: {counts: 1}  # one more than there are
        - any: {archived: true}
        - results: {cut: {bytes: -5, end: torn}}  # or short, closed, clean, …
        - results: {lines: duplicated}  # or missing, foreign, unparsable, …

    Each with all it takes: docs/simulator.md.
    """
    from batchrun.cost.models import as_of
    from batchrun.simulator import Options, Scenario

    options = Options(
        process_seconds=process_seconds,
        cancel_seconds=cancel_seconds,
        retry_after=retry_after,
        partial_counts=partial_counts,
        foreign_results_url=foreign_results_url,
        scenario=(Scenario.load(scenario) if scenario else Scenario()).with_faults(faults, source="--fault"),
        today=today.date() if today else as_of(),
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
