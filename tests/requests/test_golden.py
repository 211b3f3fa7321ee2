"""Keys are for ever: a row that was asked under one version of a library is not asked again under the next.

Should one of these fail after an upgrade, it is the spelling that has to be mended, not the file of keys."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.requests.golden import KEYS, NUMBERS, Golden, goldens, keys_of

ALL = list(goldens())
KNOWN: dict[str, list[str]] = orjson.loads(KEYS.read_bytes())


@pytest.mark.parametrize("golden", ALL, ids=lambda golden: golden.name)
def test_the_key_is_what_it_was(golden: Golden, tmp_path: Path) -> None:
    assert keys_of(golden, tmp_path) == KNOWN[golden.name]


def test_every_case_has_its_keys() -> None:
    assert [golden.name for golden in ALL] == list(KNOWN)
    assert len(ALL) >= 40
    assert sum(map(len, KNOWN.values())) > 4 * len(NUMBERS)
