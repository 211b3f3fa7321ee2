"""What an answer is made from, as make reads it: `run --depfile` (as `gcc -MMD -MP -MF` does for C).

    out/labels.jsonl: labels.yaml \\
      tickets.csv
    labels.yaml:
    tickets.csv:

The empty rules keep make going when a file is gone: the target is out of date then, and batchrun says what
is missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchrun.errors import CannotCreate
from batchrun.fs import files
from batchrun.fs.confine import without_links
from batchrun.inputs.find import looked_in
from batchrun.lifecycle.state import Expansion
from batchrun.model import InputSpec, Place
from batchrun.outputs.writers import plain_file

_ESCAPED = re.compile(r"(\\*)([ #:*?\[])")
"""What make wants a backslash before; backslashes that stand right before one are doubled."""

_EQUALS = "batchrun_equals"
"""Make takes `a=b:` for a variable, with whatever backslashes; not so where the sign comes out of one."""

_DIRECTIVE = re.compile("-?[a-z]+")

_UNREADABLE = re.compile(r"[\t\n\v\f\r;|]|^~|[ \\]$|.\(.*\)$")
"""What no escape carries past make: line ends, tabs, `;`, `|`, a home's `~`, `archive(member)`, and a blank or
a backslash at the end."""


@dataclass(frozen=True, slots=True)
class Depfile:
    """Where to tell what an answer is made from. `target` is what make calls it, where that is not the
    answer's own name: a stamp, say."""

    path: Path
    target: str = ""


def write(
    wanted: Depfile,
    *,
    spec: Path,
    output: Path,
    expansion: Expansion,
    media: Iterable[str] = (),
    roots: Sequence[Path] = (),
) -> None:
    """Make the dependency file name the files that `output` is made from: those of `expansion`, what its rows name
    (`media`), and the folders in which a new file would be input.

    Files below the spec's folder are named as `spec` was by the caller, seen from the current folder; others
    too, or absolutely where the spec was. Touches nothing when the file says so already. Raises CannotCreate.
    """
    path = wanted.path
    root = without_links(spec.absolute().parent)
    source = InputSpec(expansion.input_paths, Place(str(spec)))
    # The folder of the output changes with every answer.
    folders = looked_in(source, root=root, roots=roots) - {output.parent}
    read = [root / fact.path for fact in (*expansion.spec_files, *expansion.inputs)]
    sources = [*read, *sorted(map(Path, media)), *sorted(folders)]
    if without_links(path) in {*sources, output}:
        raise CannotCreate(
            f"{path} is a file of the job itself; a dependency file would replace it",
            hint="name another file with --depfile",
        )
    target, *prerequisites = (_seen(file, spec, root) for file in (output, *sources))
    data = os.fsencode(text(wanted.target or target, prerequisites))
    if plain_file(path) is not None and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreate(f"cannot create {path}: {error.strerror}") from error
    with files.replacing(path, mode=None) as stream:
        stream.write(data)


def _seen(path: Path, spec: Path, root: Path) -> str:
    """The name by which a Makefile that knows `spec` by this name knows `path`."""
    if path.is_relative_to(root):
        return str(spec.parent / path.relative_to(root))
    return str(path) if spec.is_absolute() else os.path.relpath(path)


def text(target: str, prerequisites: Iterable[str]) -> str:
    """The rules, one file a line. Raises CannotCreate for a name that make cannot read."""
    names = list(dict.fromkeys(prerequisites))
    for name in (target, *names):
        if _UNREADABLE.search(name):
            raise CannotCreate(
                f"make cannot read the file name {name!r} in a dependency file",
                hint="rename the file, or run without --depfile",
            )
    return "".join(f"{line}\n" for line in _lines(target, names))


def _lines(target: str, names: list[str]) -> Iterator[str]:
    if any("=" in name for name in (target, *names)):
        yield f"{_EQUALS} := ="
    yield " \\\n  ".join((f"{_as_target(target)}:", *map(_escaped, names)))
    yield from (f"{_as_target(name)}:" for name in names)


def _escaped(name: str) -> str:
    name = _ESCAPED.sub(r"\1\1\\\2", name).replace("$", "$$")
    return name.replace("=", f"$({_EQUALS})")


def _as_target(name: str) -> str:
    """A `%` makes a pattern of a target, and is nothing special in what it needs. A `&` before the colon
    would say that targets belong together, and a word alone may be a directive."""
    name = re.sub(r"(\\*)%", r"\1\1\\%", _escaped(name))
    if _DIRECTIVE.fullmatch(name):
        name = f"./{name}"
    return f"{name} " if name.endswith("&") else name
