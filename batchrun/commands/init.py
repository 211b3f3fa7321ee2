"""`batchrun init`: a spec that runs, and the rows it runs over."""

from __future__ import annotations

from pathlib import Path

import click

from batchrun.commands import common
from batchrun.errors import CannotCreate

SPEC = """\
# A job: one request for each row of rows.csv. `batchrun schema job` describes every key.
version: 1
name: sentiment

input:
  path: rows.csv
  id: id

request:
  model: claude-haiku-5-5
  max_tokens: 100
  system: Say whether the review is positive, negative or mixed.
  messages:
    - role: user
      content: "{{ review }}"
  output_config:
    format:
      type: json_schema
      schema:
        type: object
        properties:
          sentiment: {type: string, enum: [positive, negative, mixed]}
        required: [sentiment]
        additionalProperties: false

output:
  path: answers.jsonl

limits:
  max_cost_usd: 1
"""

ROWS = """\
id,review
1,"Arrived a day early, and works as promised."
2,Stopped charging after a week.
3,"Lovely screen. The battery, though, is gone by noon."
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@common.json_option
def command(folder: Path, as_json: bool) -> None:
    """Write batch.yaml and rows.csv into FOLDER (default: here): a job that runs as it is.

    \b
    batchrun init                    then: batchrun run --sandbox
    batchrun init reviews            into a folder of its own

    Nothing is overwritten: files that are already there are left alone, and the exit code is 73.
    """
    written = init(folder)
    if as_json:
        from batchrun.render import jsonout

        click.echo(jsonout.text({"files": [str(path) for path in written]}), nl=False)
        return
    click.echo(f"wrote {written[0]} and {written[1]}")
    spec = "" if folder == Path() else f" {written[0]}"
    common.say(f"hint: try it without a key: batchrun run{spec} --sandbox")


def init(folder: Path) -> tuple[Path, Path]:
    """Write the spec and its rows; their paths. Raises CannotCreate, and writes nothing, if one is there."""
    contents = {folder / "batch.yaml": SPEC, folder / "rows.csv": ROWS}
    for path in contents:
        if path.is_symlink() or path.exists():
            raise CannotCreate(f"{path} is already there", hint="give another folder: batchrun init FOLDER")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in contents.items():
            # "x": should the file have come into being since, it is left alone all the same.
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except OSError as error:
        raise CannotCreate(f"cannot create {error.filename or folder}: {error.strerror}") from error
    spec, rows = contents
    return spec, rows
