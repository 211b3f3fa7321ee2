"""One row's request against the API's rules: what is wrong is told of the place that wrote it, and what may be
wrong is kept, once for all rows alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import cast

import orjson

from batchrun.errors import DataError, MissingInput, Problem
from batchrun.model import FromFile, FromRow, Job, Json, Node, Template
from batchrun.requests import params as rules
from batchrun.requests.params import ParamProblem
from batchrun.safetext import plain
from batchrun.templates.compiled import Values, compile_template

SHOWN_WARNINGS = 20


@dataclass(slots=True)
class Warnings:
    """What may be wrong in rows: each thing with the first row that has it, and how many do."""

    _first: dict[tuple[str, str], Problem] = field(default_factory=dict)
    _rows: dict[tuple[str, str], int] = field(default_factory=dict)
    _more: int = 0

    def add(self, row: str, text: str, hint: str, where: str) -> None:
        name = text, where
        if name in self._first:
            self._rows[name] += 1
        elif len(self._first) < SHOWN_WARNINGS:
            self._first[name] = Problem(f"{row}: {text}", where, hint)
            self._rows[name] = 1
        else:
            self._more += 1

    def problems(self) -> tuple[Problem, ...]:
        found = [_counted(problem, self._rows[name]) for name, problem in self._first.items()]
        if self._more:
            found.append(Problem(f"{self._more:,} more of other kinds in the rows"))
        return tuple(found)


def _counted(problem: Problem, rows: int) -> Problem:
    if rows == 1:
        return problem
    more = f" (and {rows - 1:,} more row{'s' if rows > 2 else ''})"
    return Problem(problem.message + more, problem.where, problem.hint)


class Checker:
    """Checks requests of one job. `warnings` grow with the kinds of warnings, and not with the rows."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.warnings = Warnings()

    def __call__(self, params: bytes, values: Values, row: str = "") -> dict[str, Json]:
        """The body of the request. Raises DataError with the first thing that is wrong."""
        body = cast("dict[str, Json]", orjson.loads(params))
        if self._job.request is None:
            _refuse_unknown(body, self._job)
        for problem in rules.check(body, api_version=self._job.api_version, betas=self._job.betas):
            if problem.retired:  # whether it would be sent is seen later
                continue
            node = self._written(problem.path)
            text, where = _told(problem, node, values)
            if not problem.warning:
                raise DataError(text, where=where, hint=problem.hint)
            if self._job.request is None or not problem.path or _is_of_the_row(node):
                self.warnings.add(row, text, problem.hint, where)
        return body

    def _written(self, path: tuple[str | int, ...]) -> Node:
        """What the spec has at a path, or the last thing on the way there; None where there is no spec."""
        node: Node = self._job.request
        for step in path:
            if isinstance(node, Mapping) and step in node:
                node = node[str(step)]
            elif isinstance(node, tuple) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                break
        return node


def _told(problem: ParamProblem, node: Node, values: Values) -> tuple[str, str]:
    """The words for a problem, and where its value was written."""
    path = rules.dotted(problem.path)
    text = f"{path}: {problem.message}" if path else problem.message
    match node:
        case FromFile():
            try:
                name = compile_template(node.path).render(values)
            except (DataError, MissingInput):
                return text, str(node.path.place)
            return f"{path}: {plain(name, 200)} {problem.message}", str(node.path.place)
        case Template() | FromRow():
            return text, str(node.place)
    return text, ""


def _is_of_the_row(node: Node) -> bool:
    """Whether a row can change it. What the spec itself says was told when it was read."""
    if isinstance(node, Template):
        return compile_template(node).constant is None
    return isinstance(node, FromRow | FromFile)


def _refuse_unknown(body: Mapping[str, Json], job: Job) -> None:
    """A spec's own request is held against the schema; a ready-made one is here. A beta may bring keys."""
    unknown = [] if job.betas else rules.unknown_keys(body)
    if unknown:
        near = get_close_matches(unknown[0], rules.KNOWN, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(
            f"params: unknown key {plain(unknown[0], 80)!r}",
            hint=f"{hint}what is newer than batchrun goes below request.passthrough of a spec",
        )
