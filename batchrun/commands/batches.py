"""`batchrun batches`: every call of the Message Batches API, one command each."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchrun import units
from batchrun.commands import common
from batchrun.errors import DataError, Interrupted, NeedsPerson, UsageError
from batchrun.interrupts import Interrupts
from batchrun.model import Batch
from batchrun.render.batches import HEADER, details, row
from batchrun.safetext import escaped, plain

if TYPE_CHECKING:
    from batchrun.client.batches import BatchesClient

_id = click.argument("id")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def command() -> None:
    """Every call of the Message Batches API.

    \b
    batchrun batches list
    batchrun batches create requests.jsonl
    batchrun batches wait msgbatch_01ABC --poll-interval 1m
    batchrun batches results msgbatch_01ABC -o results.jsonl
    batchrun batches cancel msgbatch_01ABC

    The key comes from ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN, the address from ANTHROPIC_BASE_URL, the
    workspace from ANTHROPIC_WORKSPACE_ID; or all of them from batchrun.toml (see `batchrun config`).
    """


@command.command(short_help="submit a JSONL file of requests as a batch")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--beta", "betas", multiple=True, help="A beta for the whole batch; may be given again.")
@click.option("--api-version", default="2023-06-01", show_default=True, help="Governs every request in it.")
@_yes
@common.json_option
def create(file: Path, betas: tuple[str, ...], api_version: str, yes: bool, as_json: bool) -> None:
    """Submit a batch: a JSONL file of requests, or - for stdin. Costs money.

    \b
    batchrun batches create requests.jsonl
    generate | batchrun batches create - --yes
    id=$(batchrun batches create requests.jsonl --yes)

    A line is {"custom_id": "a-1", "params": {"model": …, "max_tokens": …, "messages": […]}}. Prints the id
    of the batch. Nothing is ever sent twice: when the answer is lost, look with `batchrun batches list`.
    """
    from batchrun.client.body import Body

    name = "stdin" if str(file) == "-" else str(file)
    with _client() as client, nothing_submitted(), _given(file) as path, Body(path, name).opened() as upload:
        count = f"{upload.check():,} requests ({units.format_size(upload.length)})"
        _agree(f"Submit {count} to {client.base_url}? They cost money.", yes, "nothing was submitted")
        batch = _submit(lambda: client.create(upload, betas=betas, api_version=api_version))
    if as_json:
        _print_json(batch.raw)
    else:
        click.echo(plain(batch.id))


@command.command(short_help="show one batch")
@_id
@common.json_option
def get(id: str, as_json: bool) -> None:
    """Show one batch.

    \b
    batchrun batches get msgbatch_01ABC
    batchrun batches get msgbatch_01ABC --json | jq .request_counts
    """
    with _client() as client:
        _show(client.get(id), as_json)


@command.command("list", short_help="list batches, newest first")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Batches a page.")
@click.option("--before-id", help="The page right before this batch: newer ones.")
@click.option("--after-id", help="The page right after this batch: older ones.")
@click.option("--all", "everything", is_flag=True, help="Every page, not just one.")
@common.json_option
def list_batches(
    limit: int, before_id: str | None, after_id: str | None, everything: bool, as_json: bool
) -> None:
    """List batches, newest first.

    \b
    batchrun batches list
    batchrun batches list --limit 100 --after-id msgbatch_01ABC
    batchrun batches list --all --json | jq -r 'select(.ended_at == null).id'

    --json prints the page; with --all, one batch a line. --all with --before-id goes from there to the
    newest.
    """
    with _client() as client:
        if everything:
            _print_all(client, limit, before_id, after_id, as_json)
            return
        page = client.list(limit, before_id, after_id)
    if as_json:
        data = [batch.raw for batch in page.data]
        cursors = {"has_more": page.has_more, "first_id": page.first_id, "last_id": page.last_id}
        _print_json({"data": data, **cursors})
        return
    for line in [HEADER, *map(row, page.data)] if page.data else []:
        click.echo(line)
    if not page.data:
        common.say("no batches")
    elif page.has_more:
        newer = before_id is not None
        common.say(
            f"more with {'--before-id' if newer else '--after-id'} {page.first_id if newer else page.last_id}"
        )


@command.command(short_help="print the results of an ended batch")
@_id
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A file, which appears only when complete."
)
def results(id: str, output: Path | None) -> None:
    """Print the results of an ended batch: JSON Lines as served, in no particular order.

    \b
    batchrun batches results msgbatch_01ABC -o results.jsonl
    batchrun batches results $id | jq -c 'select(.result.type == "errored")'

    Join by custom_id. Fails when they are not complete: what was printed until then is not all.
    """
    with _client() as client:
        if output is not None:
            client.download(id, output)
            common.say(f"wrote {output}")
            return
        terminal = sys.stdout.isatty()
        for line, _ in client.result_lines(id):
            sys.stdout.buffer.write((escaped(line) if terminal else line) + b"\n")
        sys.stdout.buffer.flush()


@command.command(short_help="cancel a batch that is under way")
@_id
@common.json_option
def cancel(id: str, as_json: bool) -> None:
    """Cancel a batch that is under way. What was already answered is kept, and paid for.

    \b
    batchrun batches cancel msgbatch_01ABC
    batchrun batches wait msgbatch_01ABC
    """
    with _client() as client:
        _show(client.cancel(id), as_json)


@command.command(short_help="delete an ended batch and its results")
@_id
@_yes
@common.json_option
def delete(id: str, yes: bool, as_json: bool) -> None:
    """Delete an ended batch and its results.

    \b
    batchrun batches results msgbatch_01ABC -o results.jsonl
    batchrun batches delete msgbatch_01ABC
    """
    with _client() as client:
        _agree(f"Delete batch {plain(id, 80)} and its results for good?", yes, "nothing was deleted")
        client.delete(id)
    if as_json:
        _print_json({"id": id, "type": "message_batch_deleted"})
    else:
        click.echo(f"{plain(id)} deleted")


@command.command(short_help="wait until a batch has ended, and show it")
@_id
@click.option(
    "--poll-interval", callback=common.seconds, default="30s", show_default=True, help="Between two polls."
)
@click.option(
    "--timeout",
    callback=common.seconds,
    default="24h",
    show_default=True,
    help="Then exit 75; the batch goes on.",
)
@common.json_option
def wait(id: str, poll_interval: float, timeout: float, as_json: bool) -> None:
    """Wait until a batch has ended, and show it.

    \b
    batchrun batches wait msgbatch_01ABC
    batchrun batches wait msgbatch_01ABC --poll-interval 1m --timeout 2h
    batchrun batches wait $id && batchrun batches results $id -o results.jsonl

    Exits 0 when it has ended, whatever became of its requests.
    """
    last = ""

    def tell(batch: Batch) -> None:
        nonlocal last
        now = f"{batch.id} {batch.processing_status}, {batch.request_counts.processing:,} of {_total(batch)} to go"
        if now != last:
            common.say(now)
        last = now

    try:
        with _client() as client, Interrupts():
            batch = client.wait_for_completion(id, poll_interval, timeout, tell)
    except Interrupted as error:
        hint = f"the batch goes on; stop it with `batchrun batches cancel {plain(id, 80)}`"
        raise Interrupted(str(error), signal=error.signal, hint=hint) from None
    _show(batch, as_json)


# ---- shared ------------------------------------------------------------------------------------


def _client() -> BatchesClient:
    from batchrun.client.batches import BatchesClient  # not above: `--help` needs no HTTP library
    from batchrun.config.find import environment_of, load_config

    found = load_config(Path.cwd())
    return BatchesClient(environ=environment_of(found, os.environ))


def _agree(question: str, yes: bool, otherwise: str) -> None:
    """Return once a person, or --yes, agreed. Raises NeedsPerson, saying `otherwise`."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NeedsPerson(f"{otherwise}: nobody to ask here", hint="add --yes")
    if not click.confirm(question, err=True):
        raise NeedsPerson(otherwise)


def _submit(create: Callable[[], Batch]) -> Batch:
    """One POST that a signal interrupts only when it takes long, and then says what may have happened."""
    from batchrun.client.batches import UNKNOWN

    try:
        with Interrupts() as interrupts, interrupts.shielded():
            batch = create()
    except Interrupted as error:
        raise Interrupted(f"{error} while submitting", signal=error.signal, hint=UNKNOWN) from None
    return batch


@contextmanager
def _given(file: Path) -> Iterator[Path]:
    """The file; stdin as one, since a body's length must be known before it is sent."""
    if str(file) != "-":
        yield file
        return
    with tempfile.NamedTemporaryFile(prefix="batchrun-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


@contextmanager
def nothing_submitted() -> Iterator[None]:
    """Say so where the file, or the call, was at fault."""
    try:
        yield
    except (DataError, UsageError) as error:
        error.hint = f"nothing was submitted\n{error.hint}".strip()
        raise


def _print_all(
    client: BatchesClient, limit: int, before_id: str | None, after_id: str | None, as_json: bool
) -> None:
    if not as_json:
        click.echo(HEADER)
    for batch in client.iterate(before_id=before_id, after_id=after_id, limit=limit):
        click.echo(json.dumps(batch.raw) if as_json else row(batch))


def _show(batch: Batch, as_json: bool) -> None:
    if as_json:
        _print_json(batch.raw)
    else:
        click.echo(details(batch))


def _print_json(value: object) -> None:
    # ASCII only: JSON then escapes all that a terminal could act on.
    click.echo(json.dumps(value, indent=2))


def _total(batch: Batch) -> str:
    return f"{batch.request_counts.total:,}"
