"""`batchrun config`: what the operator set, and where."""

from __future__ import annotations

import os
from pathlib import Path

import click

from batchrun.commands import common


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option(
    "--watched", is_flag=True, help="As `watch` sees it: what lies in FOLDER itself does not count."
)
@common.json_option
def command(folder: Path, watched: bool, as_json: bool) -> None:
    """Show the settings in force for the specs of FOLDER, and where each one was set.

    \b
    batchrun config                    for ./batch.yaml
    batchrun config /srv/drop --watched
    batchrun config --json

    Flags come first, then the environment, then the first batchrun.toml upward from FOLDER, then the one in
    the user's configuration folder. Keys and secrets are never shown.
    """
    from batchrun.config.find import find_config, secret_of
    from batchrun.config.layers import SECRETS, unknown_variables
    from batchrun.errors import ConfigError
    from batchrun.render import settings
    from batchrun.render.problems import error_lines
    from batchrun.render.settings import KeyIs

    folder = folder if folder.is_dir() else folder.absolute().parent
    found = find_config(folder, environ=os.environ, watched=[folder] if watched else [])
    for path in found.ignored:
        common.say(f"warning: {path} stands in a watched folder, and is not read")
    for name in unknown_variables(os.environ):
        common.say(f"warning: no setting is named {name}")
    key_is = KeyIs.SET if any(os.environ.get(name) for name in SECRETS) else KeyIs.MISSING
    if key_file := found.config.key_file:
        try:
            secret_of(key_file, "key_file", os.environ)
            key_is = KeyIs.SET
        except ConfigError as error:
            key_is = KeyIs.UNUSABLE
            for line in error_lines(error, "warning"):
                common.tell(f"{line}\n")
    if as_json:
        shown = settings.values(found.config, key_is=key_is, files=found.files)
        from batchrun.render import jsonout

        click.echo(jsonout.text(shown), nl=False)
    else:
        shown_from = Path.cwd()
        table = settings.table(found.config, key_is=key_is, files=found.files, relative_to=shown_from)
        click.echo(table, nl=False)
