"""One call that a fault strikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from batchrun.simulator.replies import Reply
from batchrun.simulator.requests import Call

Proceed: TypeAlias = Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Turn:
    """`proceed` performs the call as if nothing were wrong; where the API itself says no, its reply says so.

    `told` is the action's argument as a mapping, whichever way it was written.
    """

    call: Call
    told: Mapping[str, Any]
    proceed: Proceed
