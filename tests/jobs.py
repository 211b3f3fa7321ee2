"""Jobs whose answers are there already, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from batchrun.model import InputSpec, Job, Node, OutputFormat, OutputSpec, Place, Template
from batchrun.results.answers import Source
from tests.resultlines import NONCE, key, write

PLACE = Place("job.yaml", 1, 1)


def node(value: Any) -> Node:
    """A value as the spec's loader gives it: every string a template."""
    if isinstance(value, dict):
        return {name: node(part) for name, part in value.items()}
    if isinstance(value, list):
        return tuple(node(part) for part in value)
    return Template(value, PLACE) if isinstance(value, str) else value


def asking_for(schema: Node) -> dict[str, Node]:
    """A request for structured output."""
    return {"output_config": {"format": {"type": Template("json_schema", PLACE), "schema": schema}}}


def job(
    root: Path,
    output: str = "out/o.jsonl",
    *,
    include_input: bool = False,
    columns: Mapping[str, str] | None = None,
    samples: int = 1,
    request: Mapping[str, Node] | None = None,
) -> Job:
    path = root / output
    return Job(
        name="job",
        spec=root / "job.yaml",
        root=root,
        roots=(),
        input=InputSpec(("rows.csv",), PLACE),
        request=request or {},
        output=OutputSpec(
            path,
            OutputFormat(path.suffix[1:]),
            include_input,
            {name: Template(source, PLACE) for name, source in (columns or {}).items()},
        ),
        samples=samples,
    )


def rows_file(path: Path, *rows: str | tuple[str, ...], inputs: list[dict[str, Any]] | None = None) -> Path:
    """The rows file of an expansion: each row is the name of its request, or of one request a sample."""
    lines = []
    for number, row in enumerate(rows, start=1):
        names = (row,) if isinstance(row, str) else row
        line: dict[str, Any] = {"row": number, "id": f"T-{number}", "keys": [key(name) for name in names]}
        if inputs is not None:
            line["input"] = inputs[number - 1]
        lines.append(orjson.dumps(line) + b"\n")
    path.write_bytes(b"".join(lines))
    return path


def source(path: Path, *lines: bytes, attempt: int = 1) -> Source:
    return Source(write(path, *lines), NONCE, f"msgbatch_{path.name}", attempt)
