"""`batchrun schema`: print a JSON Schema."""

from __future__ import annotations

import click


@click.command()
@click.argument(
    "name", type=click.Choice(["job", "config", "event", "state", "result", "folders"]), default="job"
)
def command(name: str) -> None:
    """Print the JSON Schema of a spec, of batchrun.toml, of what hooks get, of state.json, of an output record, or
    of `status FOLDER --json`.

    \b
    batchrun schema job > job.schema.json
    batchrun schema config
    batchrun schema event
    batchrun schema state
    batchrun schema result
    batchrun schema folders

    With the first line of a spec, editors check it while it is written:

    \b
    # yaml-language-server: $schema=job.schema.json
    """
    from batchrun.spec import schema_text

    click.echo(schema_text(name), nl=False)
