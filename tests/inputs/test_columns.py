from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import DataError
from batchrun.inputs.columns import Columns, listing
from batchrun.inputs.source import Source
from tests.inputs.helpers import write


def test_columns_may_change_their_order_between_files(tmp_path: Path) -> None:
    write(tmp_path, {"t": b""})
    columns = Columns("b")
    with Source(tmp_path / "t", "t") as source:
        columns.check(["a", "b"], source, 1)
        columns.check(["b", "a"], source, 1)
        with pytest.raises(DataError, match="it lacks 'b'"):
            columns.check(["a"], source, 1)
        with pytest.raises(DataError, match="it adds 'c'"):
            columns.check(["a", "b", "c"], source, 1)


def test_listing() -> None:
    assert listing(["a", "b c"]) == "'a', 'b c'"
