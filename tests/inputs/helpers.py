"""Real files in, rows or the one problem out."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import BatchrunError, Problem
from batchrun.inputs.rows import open_rows
from batchrun.model import InputFormat, InputSpec, Json, Place, Row

PLACE = Place("job.yaml", 4, 9)


def spec(
    *paths: str, format: str | None = None, id: str | None = None, delimiter: str | None = None
) -> InputSpec:
    return InputSpec(paths, PLACE, InputFormat(format) if format else None, id, delimiter)


def read(
    root: Path, *paths: str, format: str | None = None, id: str | None = None, delimiter: str | None = None
) -> list[Row]:
    return list(open_rows(spec(*paths, format=format, id=id, delimiter=delimiter), root=root))


def values(root: Path, *paths: str, format: str | None = None, delimiter: str | None = None) -> list[object]:
    return [dict(row.values) for row in read(root, *paths, format=format, delimiter=delimiter)]


def problem(
    root: Path,
    *paths: str,
    error: type[BatchrunError],
    format: str | None = None,
    id: str | None = None,
    delimiter: str | None = None,
) -> Problem:
    """The one problem that reading raises."""
    with pytest.raises(error) as caught:
        read(root, *paths, format=format, id=id, delimiter=delimiter)
    assert type(caught.value) is error
    (found,) = caught.value.problems
    return found


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


JsonObject = dict[str, Json]
