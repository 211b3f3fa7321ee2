"""What somebody may have meant who named a spec that is not there."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from batchrun.specnames import is_spec

SHOWN = 5


def instead(folder: Path, name: str = "") -> str:
    """A hint: the spec of `folder` whose name is near `name`, or those that there are. An unreadable folder
    counts as empty."""
    there = sorted(path.name for path in folder.glob("*") if is_spec(path.name) and path.is_file())
    near = get_close_matches(name, [n.removesuffix(".yaml") for n in there] + there, n=1) if name else []
    if near:
        found = near[0] if near[0] in there else f"{near[0]}.yaml"
        return f"did you mean {folder / found}?"
    if not there:
        return "`batchrun init` writes one to start from"
    more = f", and {len(there) - SHOWN:,} more" if len(there) > SHOWN else ""
    return f"name the spec: {', '.join(str(folder / name) for name in there[:SHOWN])}{more}"
