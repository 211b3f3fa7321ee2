from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchrun.lifecycle.phases import RETENTION
from batchrun.lifecycle.state import Phase, Reason, RunState
from batchrun.model import RequestCounts
from batchrun.reports.job import Need, StatusReport
from batchrun.reports.status import command_for, status_report
from batchrun.units import DAY
from tests.states import EMPTY, NOW, POLICY, active, collected, moment, sent, state, tally

COMMAND = command_for("labels.yaml", sandbox=False)
BUDGET = replace(POLICY, max_cost_usd=1.5)


def report(value: RunState, *, now: float = NOW + 60, **changes: Any) -> StatusReport:
    facts: dict[str, Any] = {"output": "out/a.jsonl", "command": COMMAND, "now": now, **changes}
    return status_report(value, facts.pop("policy", POLICY), **facts)


def need(value: RunState, **changes: Any) -> Need:
    (only,) = report(value, **changes).needs
    return only


@pytest.mark.parametrize(
    ("spec", "sandbox", "command"),
    [
        ("labels.yaml", False, "batchrun run labels.yaml"),
        ("labels.yaml", True, "batchrun run labels.yaml --sandbox"),
        ("my labels.yaml", False, "batchrun run 'my labels.yaml'"),
        ("a{b}{}.yaml", False, "batchrun run 'a{b}{}.yaml'"),
        ("$(rm -rf).yaml", False, "batchrun run '$(rm -rf).yaml'"),
    ],
)
def test_commands_can_be_pasted(spec: str, sandbox: bool, command: str) -> None:
    assert command_for(spec, sandbox=sandbox).format("run") == command


def test_commands_carry_the_roots() -> None:
    command = command_for("a.yaml", sandbox=True, roots=[Path("../data"), Path("{my} data")])
    assert command.format("run") == "batchrun run a.yaml --sandbox --root ../data --root '{my} data'"


# ---- how it stands


@pytest.mark.parametrize(
    ("value", "word", "next_"),
    [
        (EMPTY, "not started", "batchrun run labels.yaml"),
        (state(active(Phase.PLANNED)), "not started", "batchrun run labels.yaml"),
        (state(active(Phase.SUBMITTED)), "running", "batchrun run labels.yaml"),
        (state(active(Phase.SUBMITTED), canceled=True), "canceling", "batchrun run labels.yaml"),
        (state(active(Phase.PLANNED), canceled=True), "canceling", "batchrun run labels.yaml"),
        (state(active(Phase.FETCHED), collected=collected()), "done", ""),
        (
            state(active(Phase.FETCHED), collected=collected(good=False)),
            "done",
            "batchrun retry labels.yaml",
        ),
        (state(active(Phase.FETCHED), canceled=True, collected=collected(good=False)), "canceled", ""),
        (state(active(Phase.FETCHED), canceled=True, collected=collected()), "done", ""),
        (state(active(Phase.HELD)), "held", ""),
        (state(active(Phase.HELD), active(Phase.SUBMITTED, "0002")), "held", "batchrun run labels.yaml"),
        (state(active(Phase.REFUSED, reason=Reason.REJECTED)), "refused", ""),
    ],
)
def test_one_word_for_it(value: RunState, word: str, next_: str) -> None:
    found = report(value)
    assert (found.state, found.next) == (word, next_)


def test_the_whole_report() -> None:
    value = state(
        active(Phase.FETCHED, "0001", tally=tally(cost=0.25)),
        active(Phase.SUBMITTED, "0002", detail="503"),
        active(Phase.REFUSED, "0003", reason=Reason.REPLACED),
        active(Phase.PLANNED, "0004", attempt=2),
    )
    found = report(value, policy=replace(POLICY, max_cost_usd=9.0), sandbox=True)
    assert (found.job, found.output, found.sandbox) == ("job", "out/a.jsonl", True)
    assert (found.spent_usd, found.at_stake_usd, found.max_cost_usd) == (0.25, 1.0, 9.0)
    fetched, running, planned = found.shards  # what was replaced is history
    assert (fetched.id, fetched.phase, fetched.ends_in, fetched.kept_for) == ("0001", "fetched", None, None)
    assert (running.batch_id, running.processing_status) == ("msgbatch_0002", "in_progress")
    assert running.counts == RequestCounts(processing=10)
    assert (running.age, running.ends_in, running.kept_for) == (60.0, DAY - 60, RETENTION - 60)
    assert running.detail == "503"
    assert (planned.attempt, planned.batch_id, planned.age) == (2, None, None)


def test_the_age_of_a_batch_stops_at_its_end() -> None:
    ended = active(Phase.FETCHED, batch=sent(at=NOW, ended_at=moment(NOW + 20)))
    [shard] = report(state(ended), now=NOW + 1000).shards
    assert (shard.age, shard.took) == (None, 20.0)


# ---- what needs a person

ADOPT = "batchrun adopt labels.yaml 0001"
RESUBMIT = "batchrun resubmit labels.yaml 0001 --accept-duplicate-cost"


def test_several_candidates() -> None:
    assert need(state(active(Phase.HELD))) == Need(
        "shard 0001 may have been submitted, and 2 batches could be it. Name it, or submit again and perhaps pay"
        " twice:",
        (f"{ADOPT} msgbatch_7", f"{ADOPT} msgbatch_8", RESUBMIT),
    )


def test_another_credential() -> None:
    held = active(Phase.HELD, reason=Reason.CREDENTIAL, detail="another key", candidates=())
    assert need(state(held)) == Need(
        "shard 0001 may have been submitted: another key. Run it with the earlier key, name the batch, or submit"
        " again and perhaps pay twice:",
        ("batchrun run labels.yaml", f"{ADOPT} BATCH_ID", RESUBMIT),
    )


def test_results_that_never_came_whole() -> None:
    held = active(
        Phase.HELD, reason=Reason.RESULTS, batch=sent(), detail="2 ids without a result", candidates=()
    )
    assert need(state(held)) == Need(
        "the results of msgbatch_1 (shard 0001) never came complete: 2 ids without a result. The API keeps"
        " them until 2026-12-17. Fetch them again, or submit again and pay twice:",
        ("batchrun retry labels.yaml", RESUBMIT),
    )


def test_results_of_somebody_else() -> None:
    held = active(
        Phase.HELD, reason=Reason.FOREIGN, batch=sent(), detail="the batch is not ours", candidates=()
    )
    assert need(state(held)) == Need(
        "shard 0001: the batch is not ours. Submit it again and perhaps pay twice:", (RESUBMIT,)
    )


def test_a_refused_shard() -> None:
    refused = active(Phase.REFUSED, reason=Reason.REJECTED, detail="400: max_tokens")
    assert need(state(refused)) == Need(
        "the API refused shard 0001, nothing was submitted: 400: max_tokens. Mend the spec and run it again, or"
        " send it as it is:",
        ("batchrun retry labels.yaml",),
    )
    assert report(state(refused, canceled=True)).needs == ()


@pytest.mark.parametrize(
    ("shards", "words"),
    [
        (
            (active(Phase.PLANNED, cost=2.0),),
            (
                "what is planned may cost up to $2.00; the budget is $1.50. Nothing was submitted. Raise"
                " limits.max_cost_usd, or ask for less:"
            ),
        ),
        (
            (active(Phase.PLANNED, cost=None),),
            (
                "the price of a model is not known, so the budget of $1.50 cannot be held. Nothing was submitted."
                " Check the model's name; or take limits.max_cost_usd out, and allow it with --yes:"
            ),
        ),
    ],
)
def test_over_budget(shards: Any, words: str) -> None:
    assert need(state(*shards), policy=BUDGET) == Need(words, ("batchrun plan labels.yaml",))


def test_over_budget_after_answers_that_are_paid_for() -> None:
    fetched, new = active(Phase.FETCHED, tally=tally(cost=0.75)), active(Phase.PLANNED, "0002")
    assert need(state(fetched, new), policy=BUDGET) == Need(
        "what is planned may cost up to $1.00, $0.75 is spent; the budget is $1.50. Nothing was submitted. Raise"
        " limits.max_cost_usd, or ask for less; or write the answers there are:",
        ("batchrun plan labels.yaml", "batchrun cancel labels.yaml"),
    )


def test_a_batch_that_should_have_ended() -> None:
    assert report(state(active(Phase.SUBMITTED)), now=NOW + 25 * 3600).needs == ()
    assert need(state(active(Phase.SUBMITTED)), now=NOW + 26 * 3600) == Need(
        "msgbatch_0001 has not ended after 1d 2h; the API ends a batch within 24 h. Look once more:",
        ("batchrun run labels.yaml",),
    )


def test_a_calm_job_needs_nobody() -> None:
    calm = state(active(Phase.FETCHED), active(Phase.SUBMITTED, "0002"), active(Phase.PLANNED, "0003"))
    assert report(calm).needs == ()
