"""A scenario's YAML → Scenario. Every problem in one pass, each with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from batchrun.errors import MissingInput
from batchrun.model import Json, ResultType
from batchrun.simulator.faults import ACTIONS
from batchrun.simulator.requests import CALLS
from batchrun.simulator.scenario import Fault, ResultRule, Scenario
from batchrun.spec.faults import Faults, Steps
from batchrun.spec.yamldoc import read

_RULE_KEYS = ("match", "type", "error", "stop_reason", "text", "times")
_FAULT_KEYS = ("on", "skip", "times", "per_batch")
_STOP_REASONS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)


def load(path: Path) -> Scenario:
    """Raises SpecError with every problem found, MissingInput when there is no such file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingInput(f"cannot read the scenario {path}: {error.strerror}") from error
    document = read(data, str(path))
    scenario = _Reader(document.faults).scenario(document.value)
    document.faults.raise_errors()
    return scenario


class _Reader:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def scenario(self, value: Json) -> Scenario:
        if not isinstance(value, dict):
            place = self.faults.mark_of(())
            self.faults.at_mark(place, "a scenario must hold 'results', 'faults' or both", "", ())
            return Scenario()
        self._known(value, (), ("results", "faults"))
        rules = [self._rule(rule, ("results", n)) for n, rule in enumerate(self._list(value, "results"))]
        faults = [self._fault(fault, ("faults", n)) for n, fault in enumerate(self._list(value, "faults"))]
        return Scenario(tuple(r for r in rules if r), tuple(f for f in faults if f))

    def _list(self, value: Mapping[str, Json], name: str) -> list[Json]:
        entries = value.get(name, [])
        if isinstance(entries, list):
            return entries
        self.faults.at_value((name,), "must be a list")
        return []

    def _known(self, value: Mapping[str, Json], steps: Steps, names: tuple[str, ...]) -> None:
        for key in value:
            if key not in names:
                self.faults.at_key((*steps, key), f"unknown key '{key}'", f"known here: {', '.join(names)}")

    def _rule(self, value: Json, steps: Steps) -> ResultRule | None:
        if not isinstance(value, dict):
            self.faults.at_value(steps, "must be a mapping with 'match'")
            return None
        self._known(value, steps, _RULE_KEYS)
        pattern = self._pattern(value, steps)
        self._one_of(value, steps, "type", tuple(ResultType))
        self._one_of(value, steps, "stop_reason", _STOP_REASONS)
        error = value.get("error", {})
        if not isinstance(error, dict) or not all(isinstance(text, str) for text in error.values()):
            self.faults.at_value((*steps, "error"), "must be a mapping of 'type' and 'message'")
            error = {}
        self._known(error, (*steps, "error"), ("type", "message"))
        if not isinstance(value.get("text", ""), str):
            self.faults.at_value((*steps, "text"), "must be a text")
        times = self._count(value, steps, "times")
        if self.faults.errors or pattern is None:
            return None
        told: dict[str, Any] = {name: value[name] for name in ("stop_reason", "text") if name in value}
        told |= {f"error_{name}": text for name, text in error.items()}
        kind = ResultType(str(value.get("type", "errored" if error else "succeeded")))
        return ResultRule(pattern, kind, times=times or None, name=_name(steps, value), **told)

    def _fault(self, value: Json, steps: Steps) -> Fault | None:
        if not isinstance(value, dict):
            self.faults.at_value(steps, "must be a mapping with 'on' and an action")
            return None
        self._known(value, steps, (*_FAULT_KEYS, *ACTIONS))
        actions = [key for key in value if key in ACTIONS]
        if len(actions) != 1:
            self.faults.at_value(steps, f"must have exactly one action: {', '.join(ACTIONS)}")
            return None
        name = actions[0]
        action, argument = ACTIONS[name], value[name]
        if not action.fits(argument):
            self.faults.at_value((*steps, name), f"must be {action.takes}")
        on = self._calls(value, steps, action.on)
        skip, times = self._count(value, steps, "skip"), self._count(value, steps, "times")
        if not isinstance(value.get("per_batch", False), bool):
            self.faults.at_value((*steps, "per_batch"), "must be true or false")
        if times is None:
            times = 0 if action.standing else 1
        per_batch = value.get("per_batch") is True
        return Fault(on, name, argument, skip or 0, times or None, per_batch, _name(steps, value))

    def _calls(self, value: Mapping[str, Json], steps: Steps, sensible: frozenset[str]) -> frozenset[str]:
        told = value.get("on", sorted(sensible) if len(sensible) == 1 else None)
        if told is None:
            self.faults.missing((*steps, "on"), f"one or more of {', '.join(CALLS)}, or any")
            return frozenset()
        if told == "any":
            return sensible or frozenset(CALLS)
        names = told if isinstance(told, list) else [told]
        known = sensible or frozenset(CALLS)
        for name in names:
            if name not in known:
                self.faults.at_value((*steps, "on"), f"must be of {', '.join(sorted(known))}")
                break
        return frozenset(str(name) for name in names)

    def _pattern(self, value: Mapping[str, Json], steps: Steps) -> re.Pattern[str] | None:
        if "match" not in value:
            self.faults.missing((*steps, "match"), "a regular expression on the params; '' matches all")
            return None
        try:
            return re.compile(str(value["match"]))
        except re.error as error:
            self.faults.at_value((*steps, "match"), f"must be a regular expression: {error}")
            return None

    def _one_of(self, value: Mapping[str, Json], steps: Steps, name: str, allowed: tuple[str, ...]) -> None:
        if name in value and value[name] not in allowed:
            self.faults.at_value((*steps, name), f"must be one of {', '.join(allowed)}")

    def _count(self, value: Mapping[str, Json], steps: Steps, name: str) -> int | None:
        number = value.get(name)
        if number is None:
            return None
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            self.faults.at_value((*steps, name), "must be a whole number, 0 or more")
            return None
        return number


def _name(steps: Steps, value: Json) -> str:
    """What an entry is counted under: its place, and a digest so that a changed entry begins anew."""
    digest = hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return f"{steps[0]}[{steps[1]}] {digest}"
