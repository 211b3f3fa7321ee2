"""How often each rule and fault of a scenario has struck; in the state folder, so a restart counts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.fs.files import write_atomic
from batchrun.simulator.disk import locked
from batchrun.simulator.scenario import ResultRule, Scenario


class Counters:
    """Named numbers shared by threads and processes."""

    def __init__(self, state: Path) -> None:
        self._path, self._lock = state / "counters.json", state / "counters.lock"

    @contextmanager
    def held(self) -> Iterator[dict[str, int]]:
        """The numbers, ours alone inside the block; saved when it ends well."""
        with locked(self._lock):
            count: dict[str, int] = orjson.loads(self._path.read_bytes()) if self._path.exists() else {}
            before = dict(count)
            yield count
            if count != before:
                write_atomic(self._path, jsonbytes.dumps(count))


Judge = Callable[[dict[str, Any]], ResultRule | None]
"""What the scenario says about a request's params, if anything."""


def judging(scenario: Scenario, counters: Counters) -> AbstractContextManager[Judge]:
    """Inside the block, rules that strike only so often are ours to count."""
    return _judging(scenario.results, counters)


@contextmanager
def _judging(rules: tuple[ResultRule, ...], counters: Counters) -> Iterator[Judge]:
    if any(rule.times is not None for rule in rules):
        with counters.held() as struck:
            yield lambda params: _judge(rules, struck, params)
    else:
        yield lambda params: _judge(rules, {}, params) if rules else None


def _judge(
    rules: tuple[ResultRule, ...], struck: dict[str, int], params: dict[str, Any]
) -> ResultRule | None:
    text = jsonbytes.dumps(params).decode()
    for rule in rules:
        if rule.match.search(text) and (rule.times is None or struck.get(rule.name, 0) < rule.times):
            if rule.times is not None:
                struck[rule.name] = struck.get(rule.name, 0) + 1
            return rule
    return None
