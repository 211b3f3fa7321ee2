"""docs/configuration.md shows what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from batchrun.config.layers import from_toml
from batchrun.config.values import KEYS, Config, Kind

PAGE = (Path(__file__).parent.parent.parent / "docs" / "configuration.md").read_text("utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_toml_block_loads(block: str) -> None:
    assert from_toml(block, Path("/srv/batchrun.toml"), {"HOME": "/home/o"})


def test_every_key_has_its_row_and_its_default() -> None:
    assert BLOCKS
    rows = re.findall(r"^\| (`[a-z_.`, ]+) \| ?(.*?) ?\|", PAGE.partition("\n## ")[0], re.MULTILINE)
    told = {name: default.strip("`") for names, default in rows for name in re.findall(r"`([^`]+)`", names)}
    assert told.keys() == {key.name for key in KEYS}
    for key in KEYS:
        if told[key.name]:
            value = tomllib.loads(f"x = {told[key.name]}")["x"]
            text = f"{key.name} = {told[key.name]}"
            loaded = from_toml(text, Path("/x"), {})[key.name].value
            assert loaded == Config().value(key), value
        else:
            assert Config().value(key) in (None, ""), key
    assert {key.kind for key in KEYS} == set(Kind)
