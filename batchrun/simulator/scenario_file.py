"""A scenario's YAML → Scenario. Every problem in one pass, each with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.errors import MissingInput
from batchrun.model import Json, ResultType
from batchrun.requests.params import dotted
from batchrun.simulator.faults import ACTIONS, Action
from batchrun.simulator.requests import CALLS
from batchrun.simulator.scenario import Fault, ResultRule, Scenario
from batchrun.spec.faults import Faults, Steps
from batchrun.spec.yamldoc import read

_RULE_KEYS = ("match", "type", "error", "stop_reason", "text", "times")
_FAULT_KEYS = ("on", "skip", "every", "times", "per_batch")
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


def load_fault(text: str, name: str) -> Fault:
    """One entry of `faults`, as it may stand on a command line. Raises SpecError; `name` is its place."""
    document = read(text.encode(), name)
    fault = _Reader(document.faults).fault(document.value, ())
    document.faults.raise_errors()
    assert fault is not None
    return replace(fault, name=f"{name} {fault.name}")


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
        faults = [self.fault(fault, ("faults", n)) for n, fault in enumerate(self._list(value, "faults"))]
        return Scenario(tuple(r for r in rules if r), tuple(f for f in faults if f))

    def _list(self, value: Mapping[str, Json], name: str) -> list[Json]:
        entries = value.get(name, [])
        if isinstance(entries, list):
            return entries
        self.faults.at_value((name,), "must be a list")
        return []

    def _known(self, value: Mapping[str, Json], steps: Steps, names: tuple[str, ...]) -> bool:
        unknown = [key for key in value if key not in names]
        for key in unknown:
            self.faults.at_key((*steps, key), f"unknown key '{key}'", f"known here: {', '.join(names)}")
        return not unknown

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

    def fault(self, value: Json, steps: Steps) -> Fault | None:
        if not isinstance(value, dict):
            self.faults.at_mark(
                self.faults.mark_of(steps), "must be a mapping with a call and an action", "", steps
            )
            return None
        name = _name(steps, value)
        if len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
            call = next(iter(value))
            if call == "any" or call in CALLS:  # {create: {accept_then: reset}}
                value, steps = {"on": call, **inner}, (*steps, call)
            elif call not in (*_FAULT_KEYS, *ACTIONS):
                hint = f"known calls: {', '.join(CALLS)}, any"
                self.faults.at_key((*steps, call), f"unknown call '{call}'", hint)
                return None
        known = self._known(value, steps, (*_FAULT_KEYS, *ACTIONS))
        actions = [key for key in value if key in ACTIONS]
        if not actions and not known:
            return None
        if len(actions) != 1:
            self.faults.at_mark(
                self.faults.mark_of(steps),
                f"must have exactly one action: {', '.join(ACTIONS)}",
                "",
                steps,
            )
            return None
        action = ACTIONS[actions[0]]
        for inside, words in action.takes.problems(value[actions[0]]):
            self.faults.at_value((*steps, actions[0], *inside), words)
        on = self._calls(value, steps, action)
        skip, times = self._count(value, steps, "skip"), self._count(value, steps, "times")
        every = self._count(value, steps, "every", least=1)
        if not isinstance(value.get("per_batch", False), bool):
            self.faults.at_value((*steps, "per_batch"), "must be true or false")
        if times is None:
            times = 0 if action.standing else 1
        return Fault(
            on,
            actions[0],
            value[actions[0]],
            skip or 0,
            every or 1,
            times or None,
            value.get("per_batch") is True,
            name,
        )

    def _calls(self, value: Mapping[str, Json], steps: Steps, action: Action) -> frozenset[str]:
        known = action.on or frozenset(CALLS)
        told = value.get("on", sorted(action.usual) or None)
        if told is None:
            self.faults.missing((*steps, "on"), f"one or more of {', '.join(sorted(known))}, or any")
            return frozenset()
        if told == "any":
            return known
        names = told if isinstance(told, list) else [told]
        if not all(isinstance(name, str) and name in known for name in names):
            # Where the call is the key, there is no `on` to point at.
            place = (*steps, "on") if (*steps, "on") in self.faults.values else steps
            self.faults.at_value(place, f"must be of {', '.join(sorted(known))}")
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

    def _count(self, value: Mapping[str, Json], steps: Steps, name: str, *, least: int = 0) -> int | None:
        number = value.get(name)
        if number is None:
            return None
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            self.faults.at_value((*steps, name), f"must be a whole number, {least} or more")
            return None
        return number


def _name(steps: Steps, value: Json) -> str:
    """What an entry is counted under: its place, and a digest so that a changed entry begins anew."""
    digest = hashlib.sha256(jsonbytes.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return f"{dotted(steps)} {digest}"
