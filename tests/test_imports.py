"""Imports point down, or sideways inside a ring, never up; rings 0 and 1 touch nothing outside (style: rings)."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchrun

ROOT = Path(batchrun.__file__).parent

RINGS: dict[int, set[str]] = {
    0: {"model", "errors"},
    1: {
        "actions", "codec", "config", "deepjson", "escape", "estimate", "events", "expand", "figures", "growth", "lifecycle", "models", "money", "notices", "outcome", "overview", "pace", "params", "phases", "planreport", "policy", "prices", "render", "report",
        "results", "safetext", "specnames", "state", "status", "straight", "template", "templatefilters", "units", "verdicts",
    },
    2: {
        "answers", "client", "clockwork", "configfiles", "crash", "files", "hooks", "inputs", "intact", "interrupts", "jail", "joblock", "keyedlines", "neighbours", "outputs", "ownership", "plainspec", "private", "proof",
        "providers", "sameness", "shards", "simulator", "spec", "store",
    },
    3: {"decisions", "depfile", "engine", "finished", "folders", "guards", "jobs", "orphans", "planning", "prepare", "reshard", "target", "telling", "watch"},
    4: {"cli", "commands", "quick", "__main__", "__init__"},
}  # fmt: skip
OUTSIDE = {"os", "time", "random", "requests", "secrets", "socket", "subprocess", "urllib", "yaml", "click"}
MODULES = sorted(p for p in ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def ring_of(module: str) -> int:
    return next(ring for ring, names in RINGS.items() if module in names)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every imported module with its line; imports that only type checkers see do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "batchrun":
                yield from ((node.lineno, f"batchrun.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def test_every_module_has_a_ring() -> None:
    known = set().union(*RINGS.values())
    assert {module_of(p) for p in MODULES} - known == set()
    assert known - {module_of(p) for p in MODULES} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    ring = ring_of(module_of(path))
    for line, name in imports_of(path):
        top, *rest = name.split(".")
        if top == "batchrun" and rest and rest[0] != "__version__":
            assert ring_of(rest[0]) <= ring, f"{path.name}:{line} imports {name} from a ring above"
        elif ring <= 1:
            assert top not in OUTSIDE, f"{path.name}:{line}: ring {ring} imports {name}"


def test_the_picture_has_every_module_in_its_ring() -> None:
    """ARCHITECTURE.md: a ring's number begins its rows; two blanks part names, and more part them from words."""
    page = (ROOT.parent / "ARCHITECTURE.md").read_text("utf-8")
    shown: dict[int, set[str]] = {}
    ring = -1
    for line in page.partition("```\n")[2].partition("└──")[2].splitlines():
        if line[1:2].isdigit():
            ring = int(line[1])
        elif line.startswith("   │ "):
            names = re.split(r" {3,}", line[5:].rstrip("│ "))[0].split()
            shown.setdefault(ring, set()).update(name.removesuffix("/") for name in names)
    assert shown == {ring: {name for name in names if "_" not in name} for ring, names in RINGS.items()}


def test_standard_library_is_known() -> None:
    assert OUTSIDE & sys.stdlib_module_names
