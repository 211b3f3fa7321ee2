"""The `on` of a spec: who may have one, and what stands in it.

A hook runs as whoever runs the job, so a spec may only have one where nobody else can have written it; a spec
that was dropped into a watched folder has none. The operator can allow more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from batchrun.config.layers import read_hook
from batchrun.config.values import SpecHooks
from batchrun.fs.ownership import fault_of_file
from batchrun.model import Hook, Json, Moment
from batchrun.spec.faults import Faults, Steps


def read_hooks(
    value: Mapping[str, Json], spec: Path, faults: Faults, rule: SpecHooks
) -> dict[Moment, tuple[Hook, ...]]:
    """The hooks of the spec's `on`, as far as they are right; what is wrong goes to `faults`."""
    if value and (fault := _fault_of_having(spec, rule)):
        hint = "they can stand in the operator's batchrun.toml; allow_commands = true there allows these, too"
        faults.at_key(("on",), fault, hint)
        return {}
    return {
        moment: tuple(_list(items, spec, faults, ("on", moment.value)))
        for moment in Moment
        if isinstance(items := value.get(moment.value), list)
    }


def _fault_of_having(spec: Path, rule: SpecHooks) -> str:
    if rule is SpecHooks.NONE:
        return "a spec in a watched folder may not have hooks"
    if rule is SpecHooks.OWN and (fault := fault_of_file(spec)):
        return f"a spec that others may have written may not have hooks: {fault}"
    return ""


def _list(items: list[Json], spec: Path, faults: Faults, steps: Steps) -> Iterator[Hook]:
    for index, item in enumerate(items):
        here = (*steps, index)
        words = item.get("run") if isinstance(item, dict) else None
        inside = [(*here, "run", n) for n in range(len(words))] if isinstance(words, list) else []
        if faults.told_keys(here) or any(map(faults.is_told, (here, *inside))):
            continue
        try:
            run, post = read_hook(item)
        except ValueError as error:
            faults.at_value(here, str(error))
        else:
            yield Hook(run, post, str(faults.place(faults.mark_of(here))), spec.parent)
