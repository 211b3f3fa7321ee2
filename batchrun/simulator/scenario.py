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
    accept_then: reset                    # exactly one action: see docs/simulator.md
    skip: 1                               # leave the first so many calls alone (default 0)
    every: 2                              # then strike one call of so many (default 1)
    times: 2                              # and so often (default 1; 0: for ever)
    per_batch: true                       # count the calls of each batch apart (default false)
  - retrieve: {status: 529}               # the same with the call as its key
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    It leaves the first `skip` calls alone, then strikes one of `every` so many, `times` in all (None: for
    ever); `per_batch` counts the calls of each batch apart.
    """

    on: frozenset[str]
    action: str
    argument: Json
    skip: int = 0
    every: int = 1
    times: int | None = 1
    per_batch: bool = False
    name: str = ""

    def strikes(self, nth: int) -> bool:
        """Whether it strikes the call before which there were `nth`."""
        turn, off = divmod(nth - self.skip, self.every)
        return turn >= 0 and not off and (self.times is None or turn < self.times)

    def settled(self, nth: int) -> bool:
        """Whether it does with every call from here on what it does with this one."""
        if self.times is None:
            return self.every == 1 and nth >= self.skip
        return nth >= self.skip + self.every * self.times


@dataclass(frozen=True, slots=True)
class Scenario:
    results: tuple[ResultRule, ...] = ()
    faults: tuple[Fault, ...] = ()

    @staticmethod
    def load(path: Path) -> Scenario:
        """Raises SpecError with every problem found, MissingInput when there is no such file."""
        from batchrun.simulator.scenario_file import load  # YAML is slow to import and rarely needed here

        return load(path)

    def with_faults(self, texts: Sequence[str], *, source: str) -> Scenario:
        """Followed by faults from a command line, each one entry of `faults` in YAML. Raises SpecError;
        `source` names them in it."""
        from batchrun.simulator.scenario_file import load_fault

        more = (load_fault(text, f"{source} {n}") for n, text in enumerate(texts, start=1))
        return replace(self, faults=self.faults + tuple(more))
