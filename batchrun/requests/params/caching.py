"""Cache breakpoints: how many, and in which order of lifetimes (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, ParamProblem, Steps
from batchrun.requests.params.walk import blocks_of, tools_of

MOST_BREAKPOINTS = 4


def breakpoints(call: Call) -> Iterator[ParamProblem]:
    """The model reads tools, then system, then messages; a breakpoint of the whole request is the last of all."""
    found, short = list(_breakpoints(call)), False
    for number, (path, control) in enumerate(found, 1):
        lifetime = control.get("ttl")
        if number == MOST_BREAKPOINTS + 1:
            message = f"{len(found)} cache breakpoints; the most is {MOST_BREAKPOINTS}"
            yield ParamProblem(path, message, "one at the end of what stays the same is enough")
        if lifetime == "1h" and short:
            message = "1h cannot come after 5m (tools, then system, then messages)"
            yield ParamProblem(path, message, "write ttl: 1h at the earlier breakpoints, too")
        short = short or lifetime == "5m" or lifetime is None


def _breakpoints(call: Call) -> Iterator[tuple[Steps, Mapping[str, object]]]:
    for places in (tools_of(call), blocks_of(call), iter([((), call.params)])):
        for path, holder in places:
            control = holder.get("cache_control")
            if isinstance(control, Mapping):
                yield (*path, "cache_control"), control
