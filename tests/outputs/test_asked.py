from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from batchrun.model import FromRow, Node
from batchrun.outputs.asked import Asked
from batchrun.outputs.structured import Check
from batchrun.results.answers import Source
from tests.jobs import PLACE, asking_for, node
from tests.resultlines import custom_id, key


def check_of(request: Mapping[str, Node] | None, *sources: Source, name: str = "a") -> Check | None:
    with closing(Asked(request, sources)) as asked:
        return asked.check(key(name))


def test_nothing_is_checked_where_nothing_was_asked() -> None:
    assert check_of({}) is None
    assert check_of(None) is None


def test_a_schema_of_the_spec_holds_for_every_row() -> None:
    check = check_of(asking_for(node({"const": 1})))
    assert check is not None
    assert (check(1), check(2)) == (None, "schema: $: 1 was expected")


def shard(path: Path, *schemas: tuple[str, Any]) -> Source:
    lines = []
    for name, schema in schemas:
        params = {"output_config": {"format": {"schema": schema, "type": "json_schema"}}} if schema else {}
        lines.append(orjson.dumps({"custom_id": custom_id(name), "params": params}) + b"\n")
    path.write_bytes(b"".join(lines))
    return Source(path, "n", "b", requests=path)


@pytest.mark.parametrize(
    "asked", [None, asking_for(FromRow("schema", PLACE)), asking_for(node({"const": "{{ x }}"}))]
)
def test_a_schema_of_the_row_is_found_in_its_request_line(
    tmp_path: Path, asked: Mapping[str, Node] | None
) -> None:
    first = shard(tmp_path / "1", ("a", {"const": 1}), ("b", None))
    second = shard(tmp_path / "2", ("c", {"const": 3}))
    a, b, c, nobody = (check_of(asked, first, second, name=name) for name in ("a", "b", "c", "nobody"))
    assert a and c
    assert (a(1), a(3)) == (None, "schema: $: 1 was expected")
    assert c(3) is None
    assert b is None and nobody is None
