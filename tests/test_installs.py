"""What is installed is named: constraints.txt holds every version, and nothing about where it came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINE = re.compile(r"([a-z0-9-]+)==([0-9][0-9A-Za-z.]*)( ; .+)?")


def locked() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = [LINE.fullmatch(line) for line in lines if not line.startswith("#")]
    assert all(found), "a line that is no name==version"
    return {match[1]: match[2] for match in found if match}


def test_it_names_no_place() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert not re.search(r"https?:|file:|find-links|index|/", text)


@pytest.mark.parametrize("name", ["requests", "minijinja", "orjson", "pyarrow", "pytest", "hatchling"])
def test_it_names_what_is_asked_for(name: str) -> None:
    assert name in locked()
