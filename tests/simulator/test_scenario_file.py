from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import MissingInput, SpecError
from batchrun.model import ResultType
from batchrun.simulator import Scenario
from batchrun.simulator.faults import ACTIONS

GOOD = """\
results:
  - match: refund
    error: {type: overloaded_error, message: Overloaded}
    times: 1
  - {match: late, type: expired}
  - match: '"max_tokens":64'
    stop_reason: refusal
    text: I cannot help with that.
faults:
  - {accept_then: reset, skip: 1, times: 2}
  - on: [retrieve, results]
    not_found: true
    per_batch: true
  - {on: any, status: 529, times: 0}
  - lag: 5
  - list: {lag: {seconds: 7}, every: 2}
  - archived: true
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "faults.yaml"
    path.write_text(text)
    return path


def test_a_scenario_is_read(tmp_path: Path) -> None:
    scenario = Scenario.load(write(tmp_path, GOOD))
    first, late, refusal = scenario.results
    assert (first.type, first.error_type, first.times) == (ResultType.ERRORED, "overloaded_error", 1)
    assert first.match.search("a refund")
    assert (late.type, late.times) == (ResultType.EXPIRED, None)
    assert (refusal.type, refusal.stop_reason) == (ResultType.SUCCEEDED, "refusal")
    lost, flap, overloaded, lag, again, archived = scenario.faults
    assert (lost.on, lost.action, lost.argument) == (frozenset({"create"}), "accept_then", "reset")
    assert (lost.skip, lost.times, lost.per_batch) == (1, 2, False)
    assert (flap.on, flap.times, flap.per_batch) == (frozenset({"retrieve", "results"}), 1, True)
    assert (len(overloaded.on), overloaded.times) == (9, None)
    assert (lag.on, lag.times) == (frozenset({"list"}), None)
    assert (again.on, again.action, again.argument, again.every) == (lag.on, "lag", {"seconds": 7}, 2)
    assert (archived.on, archived.times) == (frozenset({"list", "retrieve", "results"}), None)


def test_rules_are_counted_by_place_and_content(tmp_path: Path) -> None:
    def names(text: str) -> list[str]:
        return [rule.name for rule in Scenario.load(write(tmp_path, text)).results]

    before = names("results: [{match: a, times: 1}, {match: a, times: 1}]")
    assert len(set(before)) == 2
    after = names("results: [{match: a, times: 1}, {match: a, times: 2}]")
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(MissingInput) as caught:
        Scenario.load(path)
    assert str(caught.value) == f"cannot read the scenario {path}: No such file or directory"


def problems(folder: Path, text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(SpecError) as caught:
        Scenario.load(write(folder, text))
    prefix = f"{folder / 'faults.yaml'}:"
    return [(p.where.removeprefix(prefix), p.field, p.message) for p in caught.value.problems]


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    text = """\
result: []
results:
  - {type: errored}
  - {match: '(', type: eaten, stop_reason: tired, times: -1}
  - {match: a, error: {kind: x}, text: 7}
  - refund
faults:
  - {on: create}
  - {on: create, status: 7, reset: before_body}
  - {on: create, status: 99}
  - {status: 500}
  - {on: [create, nap], status: 500, skip: many, per_batch: 1}
  - {on: list, cut: 5}
  - boom
  - create: {status: {code: 7, hats: 1}, every: 0}
  - list: {cut: 5}
  - any: {reset: {request: 1, reply: 2}}
  - results: {cut: {bytes: few}}
  - nap: {status: 500}
  - {create: {status: 500}, skip: 1, status: 3}
"""
    actions = ", ".join(ACTIONS)
    reasons = "end_turn, max_tokens, stop_sequence, tool_use, pause_turn, refusal"
    keys = "code, headers, body, error, form, bytes"
    amount = "a number of bytes (below 0: so many before the end), half or all"
    calls = "cancel, count_tokens, create, delete, list, model, models, results, retrieve"
    pattern = "missing ), unterminated subpattern at position 0"
    assert problems(tmp_path, text) == [
        ("1:1", "", "unknown key 'result'"),
        ("3:5", "results[0]", "'match' is missing"),
        ("4:13", "results[1].match", f"must be a regular expression: {pattern}"),
        ("4:24", "results[1].type", "must be one of succeeded, errored, canceled, expired"),
        ("4:44", "results[1].stop_reason", f"must be one of {reasons}, model_context_window_exceeded"),
        ("4:58", "results[1].times", "must be a whole number, 0 or more"),
        ("5:24", "results[2].error", "unknown key 'kind'"),
        ("5:40", "results[2].text", "must be a text"),
        ("6:5", "results[3]", "must be a mapping with 'match'"),
        ("8:5", "faults[0]", f"must have exactly one action: {actions}"),
        ("9:5", "faults[1]", f"must have exactly one action: {actions}"),
        ("10:26", "faults[2].status", f"must be a status code, 200 to 599; or a mapping of {keys}"),
        ("11:5", "faults[3]", "'on' is missing"),
        ("12:10", "faults[4].on", f"must be of {calls}"),
        ("12:44", "faults[4].skip", "must be a whole number, 0 or more"),
        ("12:61", "faults[4].per_batch", "must be true or false"),
        ("13:10", "faults[5].on", "must be of results"),
        ("14:5", "faults[6]", "must be a mapping with a call and an action"),
        ("15:29", "faults[7].create.status.code", "must be a status code, 200 to 599"),
        ("15:38", "faults[7].create.status.hats", f"must not be here; known are {keys}"),
        ("15:49", "faults[7].create.every", "must be a whole number, 1 or more"),
        ("16:11", "faults[8].list", "must be of results"),
        ("17:18", "faults[9].any.reset", "must have exactly one of when, request, reply"),
        ("18:28", "faults[10].results.cut.bytes", f"must be {amount}"),
        ("19:5", "faults[11]", "unknown call 'nap'"),
        ("20:5", "faults[12]", "'on' is missing"),
        ("20:6", "faults[12]", "unknown key 'create'"),
        ("20:46", "faults[12].status", f"must be a status code, 200 to 599; or a mapping of {keys}"),
    ]


@pytest.mark.parametrize("text", ["- a", "hello"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == [("1:1", "", "a scenario must hold 'results', 'faults' or both")]


def test_lists_that_are_none(tmp_path: Path) -> None:
    assert problems(tmp_path, "results: 7\nfaults: {}") == [
        ("1:10", "results", "must be a list"),
        ("2:9", "faults", "must be a list"),
    ]
