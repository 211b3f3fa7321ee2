"""A scenario: what goes wrong, and when. In a file:

results:                                  # what becomes of requests; the first rule that matches decides
  - match: refund                         # a regular expression on the params as compact JSON
    type: errored                         # succeeded (default), errored, canceled, expired
    error: {type: overloaded_error, message: Overloaded}
    times: 1                              # only the first so many; counted in the state folder
  - match: '"max_tokens":64'
    stop_reason: refusal
    text: I cannot help with that.
faults:                                   # what happens to calls; all that match apply, first outermost
  - on: create                            # or a list of calls, or any
    accept_then: reset                    # exactly one of the actions of faults.py
    skip: 1                               # leave the first so many calls alone (default 0)
    times: 2                              # then strike so often (default 1; 0: for ever)
    per_batch: true                       # count the calls of each batch apart (default false)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from batchrun.model import Json, ResultType


@dataclass(frozen=True, slots=True)
class ResultRule:
    """What becomes of the requests whose params match. `times`: how many of them; None for all.

    `name` is what the rule is counted under: another rule, another count.
    """

    match: re.Pattern[str]
    type: ResultType = ResultType.SUCCEEDED
    error_type: str = "api_error"
    error_message: str = "Internal server error"
    stop_reason: str | None = None
    text: str | None = None
    times: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the calls in `on`: `action` is a key of faults.ACTIONS, `argument` what stands there.

    It leaves the first `skip` calls alone and strikes the next `times` (None: all); `per_batch` counts the
    calls of each batch apart.
    """

    on: frozenset[str]
    action: str
    argument: Json
    skip: int = 0
    times: int | None = 1
    per_batch: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    results: tuple[ResultRule, ...] = ()
    faults: tuple[Fault, ...] = ()

    @staticmethod
    def load(path: Path) -> Scenario:
        """Raises SpecError with every problem found, MissingInput when there is no such file."""
        from batchrun.simulator.scenario_file import load  # YAML is slow to import and rarely needed here

        return load(path)
