from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.hooks.record import Record, load, save


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "hooks.json"
    assert load(path) is None
    for record in (Record(), Record("ab", {"h": 2})):
        save(path, record)
        assert load(path) == record
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": "x"}', b"\xff"])
def test_a_damaged_one_counts_as_new(tmp_path: Path, data: bytes) -> None:
    """Rather twice than never."""
    path = tmp_path / "hooks.json"
    path.write_bytes(data)
    assert load(path) == Record()
