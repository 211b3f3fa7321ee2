"""Imports point down a layer, or sideways, never up, and no two folders import each other; what decides touches
nothing outside (ARCHITECTURE.md has the picture)."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchrun

ROOT = Path(batchrun.__file__).parent

LAYERS: tuple[set[str], ...] = (
    {
        "model",
        "errors",
        "units",
        "safetext",
        "codec",
        "jsonbytes",
        "clockwork",
        "interrupts",
        "crash",
        "specnames",
    },
    {"templates", "cost", "media", "fs"},
    {"lifecycle", "results", "requests", "inputs", "config"},
    {"reports"},
    {"spec", "rundir", "outputs", "render"},
    {"providers", "client", "simulator"},
    {"hooks", "fastpath"},
    {"run"},
    {"commands", "watch"},
    {"cli", "__main__", "__init__"},
)
"""What stands in the package's root, from the bottom up."""

PURE = ("model", "errors", "codec", "jsonbytes", "safetext", "specnames", "units", "cost", "hooks/event", "lifecycle", "media", "render",
        "reports", "requests", "results/deepjson", "results/lines", "templates", "watch/pace")  # fmt: skip
"""Values in, values out: folders, and modules of others."""

OUTSIDE = {"os", "time", "random", "requests", "secrets", "socket", "subprocess", "urllib", "yaml", "click"}
MODULES = sorted(p for p in ROOT.rglob("*.py"))


def top_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def layer_of(top: str) -> int:
    return next(n for n, names in enumerate(LAYERS) if top in names)


def is_pure(path: Path) -> bool:
    name = path.relative_to(ROOT).as_posix().removesuffix(".py")
    return any(name == pure or name.startswith(f"{pure}/") for pure in PURE)


def imports_of(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Every imported module with its line, and whether only type checkers see it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, node in unseen) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "batchrun":
            yield from ((node.lineno, f"batchrun.{alias.name}", node in unseen) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module, node in unseen


def ours(name: str) -> str | None:
    """The root's part of a module of batchrun; None for any other, and for the package's own facts."""
    top, *rest = name.split(".")
    return rest[0] if top == "batchrun" and rest and rest[0] != "__version__" else None


def test_every_module_has_a_layer() -> None:
    assert {top_of(p) for p in MODULES} == set().union(*LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    layer = layer_of(top_of(path))
    for line, name, _ in imports_of(path):
        if (top := ours(name)) is not None:
            assert layer_of(top) <= layer, f"{path.name}:{line} imports {name} from a layer above"
        elif is_pure(path):
            assert name.split(".")[0] not in OUTSIDE, f"{path.name}:{line}: what is pure imports {name}"


def test_no_two_folders_import_each_other() -> None:
    """Not for types either."""
    arrows = {
        (top_of(path), top)
        for path in MODULES
        for _, name, _ in imports_of(path)
        if (top := ours(name)) not in (None, top_of(path))
    }
    assert {pair for pair in arrows if pair[::-1] in arrows} == set()


def test_pure_modules_exist() -> None:
    assert [name for name in PURE if not ((ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file())] == []


def test_the_picture_has_every_folder_on_its_layer() -> None:
    """ARCHITECTURE.md: a layer's number begins its row; two blanks part names, and more part them from words."""
    page = (ROOT.parent / "ARCHITECTURE.md").read_text("utf-8")
    shown: dict[int, set[str]] = {}
    layer = -1
    for line in page.partition("```\n")[2].partition("```")[0].splitlines():
        if not (row := re.match(r" ([0-9 ]) │ (.+)", line)):
            continue
        layer = int(row[1]) if row[1] != " " else layer
        names = re.split(r" {3,}", row[2].rstrip("│ "))[0].split()
        shown.setdefault(layer, set()).update(name.removesuffix("/") for name in names)
    assert shown == {
        n: {name for name in names if not name.startswith("_")} for n, names in enumerate(LAYERS)
    }


def test_standard_library_is_known() -> None:
    assert OUTSIDE & sys.stdlib_module_names
