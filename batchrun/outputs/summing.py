"""Records → the summary of an output. What it holds does not grow with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from batchrun.cost.amounts import Cause, Summary
from batchrun.cost.prices import TICKS
from batchrun.cost.usage import searches_of
from batchrun.lifecycle.retry import money_error
from batchrun.model import Usage
from batchrun.outputs.records import Record
from batchrun.results.answers import Answer
from batchrun.results.lines import Usual
from batchrun.safetext import plain

MAX_CAUSES = 200
"""Causes told apart; messages that name something of each row would otherwise be as many as the rows."""


class Causes:
    """Groups messages that differ only in their numbers and quoted words."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Any]] = {}

    def add(self, kind: str, message: str, example: str, *, money: bool = False) -> None:
        group = (kind, _VARYING.sub("_", message[:200]) if message else "")
        if group not in self._found:
            if len(self._found) >= MAX_CAUSES:
                group = (kind, "…")
            self._found.setdefault(group, [0, plain(message) if group[1] != "…" else "…", example, money])
        self._found[group][0] += 1

    def sorted(self) -> tuple[Cause, ...]:
        """The most frequent first."""
        causes = [
            Cause(plain(kind, 60), message, count, example, money)
            for (kind, _), (count, message, example, money) in self._found.items()
        ]
        return tuple(sorted(causes, key=lambda cause: -cause.count))


_VARYING = re.compile(r"\d+|'[^']*'|\"[^\"]*\"|`[^`]*`")


class Summing:
    """Adds records up to a Summary."""

    def __init__(self) -> None:
        self._ticks = self._unpriced = self._searches = self._repeated = self._rows = 0
        self._statuses: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._usage: Counter[str] = Counter()
        self._usual = self._fresh = self._out = self._cached = 0
        self._errors, self._problems = Causes(), Causes()

    def add(self, record: Record, answer: Answer | None, *, repeated: bool) -> None:
        self._rows += record.get("sample", 1) == 1
        self._repeated += repeated
        self._statuses[record["status"]] += 1
        if answer is None:
            return
        result = answer.result
        if result.error is not None:
            error = result.error
            self._errors.add(error.type, error.message, record["id"], money=money_error(error))
        if result.message is None:
            return
        self._stops[str(record["stop_reason"])] += 1
        if record["problem"]:
            self._add_problem(record)
        if repeated:
            return
        self._searches += searches_of(result.message)
        for name, tokens in record["usage"].items():
            if tokens:
                self._usage[name] += tokens
        self._add_cost(record)

    def add_usual(self, record: Record, parts: Usual, *, repeated: bool) -> None:
        """The same for what `usual_record` made."""
        _, _, _, stop, fresh, out, cached = parts
        self._usual += 1
        self._repeated += repeated
        if record.get("sample", 1) == 1:
            self._rows += 1
        self._stops[stop] += 1
        if record["problem"]:
            self._add_problem(record)
        if not repeated:
            self._fresh += fresh
            self._out += out
            self._cached += cached
            self._add_cost(record)

    def _add_problem(self, record: Record) -> None:
        kind, _, detail = record["problem"].partition(": ")
        self._problems.add(kind, detail, record["id"])

    def _add_cost(self, record: Record) -> None:
        cost = record["cost_usd"]
        if cost is None:
            self._unpriced += 1
        else:
            self._ticks += round(cost * TICKS)

    def summary(self, job: str, output: str) -> Summary:
        statuses = self._statuses + Counter(succeeded=self._usual)
        return Summary(
            job=job,
            output=output,
            rows=self._rows,
            records=statuses.total(),
            statuses=_largest_first(statuses),
            stop_reasons=_largest_first(self._stops),
            problems=self._problems.sorted(),
            errors=self._errors.sorted(),
            usage=Usage(**self._usage) + Usage(self._fresh, self._out, cache_read=self._cached),
            cost_usd=self._ticks / TICKS,
            unpriced=self._unpriced,
            searches=self._searches,
            repeated=self._repeated,
        )


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return {plain(word, 40): counts[word] for word in sorted(counts, key=lambda word: (-counts[word], word))}
