from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from batchrun.cost.amounts import Cause, Estimate, Summary
from batchrun.model import Usage
from batchrun.render import text
from batchrun.reports.job import ShardStatus, StatusReport
from batchrun.reports.plan import PlanReport
from tests.render.reports import PLAN, STATUS, SUMMARY


def test_a_summary() -> None:
    assert text.summary(SUMMARY, next_command="batchrun retry triage.yaml") == (
        """\
ticket-triage  2,996 of 3,000 rows succeeded

  failed      3 errored · 1 expired
              2 × invalid_request_error, e.g. row T-17
                messages.0.content: Field required
              1 × invalid_request_error, e.g. row T-18
                Your credit balance is too low.
                add credit or raise the spend limit, then retry these rows
  look at     7 rows that succeeded, but:
              4 × truncated, e.g. row T-9
              2 × refusal, e.g. row T-77
                bio
              1 × schema, e.g. row T-5
                $.label: 'x' is not one of ['question', 'bug', 'incident',
                'feature']
  stopped by  2,990 end_turn · 4 max_tokens · 2 refusal
  tokens      1,234,567 in · 500,000 cache read · 20,000 cache write ·
              34,000 out
  cost        $1.23 at batch price, 3 web searches at full price included;
              without 2 answers of a model whose price is not known
  shared      10 repeat an identical row, paid for once
  output      out/triage.jsonl
  next        batchrun retry triage.yaml
"""
    )


def test_a_summary_with_nothing_to_complain_about() -> None:
    report = Summary(
        "job", "o.jsonl", 1, 1, {"succeeded": 1}, {"end_turn": 1}, usage=Usage(10, 3), cost_usd=2e-5
    )
    shown = """\
job  1 of 1 row succeeded

  stopped by  1 end_turn
  tokens      10 in · 3 out
  cost        $0.000020 at batch price
  output      o.jsonl
"""
    assert text.summary(report) == shown
    invented = "1 of 1 row succeeded  (sandbox: invented answers)"
    assert text.summary(report, sandbox=True) == shown.replace("1 of 1 row succeeded", invented)


def test_one_row_repeats_another() -> None:
    shown = text.summary(replace(SUMMARY, repeated=1))
    assert "  shared      1 repeats an identical row, paid for once\n" in shown


def test_a_command_to_paste_is_not_wrapped() -> None:
    command = f"batchrun retry {'a folder/' * 9}labels.yaml"
    assert f"  next        {command}\n" in text.summary(SUMMARY, next_command=command)


def test_samples_are_answers_not_rows() -> None:
    report = Summary("job", "o.jsonl", 2, 4, {"succeeded": 4})
    assert text.summary(report).startswith("job  4 of 4 answers succeeded\n")


def test_many_causes_are_cut() -> None:
    errors = tuple(Cause(f"error_{n}", "", 10 - n, "1") for n in range(7))
    shown = text.summary(replace(SUMMARY, errors=errors))
    assert "error_4, e.g. row 1\n              9 more of 2 other kinds; --json lists them\n" in shown
    assert "error_5" not in shown


def test_a_plan() -> None:
    assert text.plan(PLAN) == (
        """\
ticket-triage  90 requests to submit

  rows        3,000
  requests    2,990 (90 new · 2,900 already asked); 10 repeats asked only once
              new because request.system was edited
              new because tickets.csv has rows that were not asked before
  batches     1, 1.2 MB in all
  tokens in   120,000 – 400,000  from earlier answers, bounded by bytes
              about 36,950: 410.6 each in 20 requests counted exactly
  tokens out  1,350 – 27,000  max_tokens is the bound
  cost        $0.05 – $0.34  estimated, at batch price
              about $0.09, 181,000 tokens in and 4,500 out, going by
              2,900 answers of this job
  caching     up to $0.01 less if every marked prefix is read from the cache;
              $0.02 of the upper bound is for writing what nothing reads
              no true bound for 3 requests: server tools, or documents by id or
              URL, bring input that is not in the request
  budget      $5.00, $1.00 of it spent
  warning     claude-sonnet-4-5 retires on 2026-11-30
"""
    )


def test_a_plan_without_anything_new() -> None:
    report = PlanReport("job", rows=2, requests=4, duplicates=0, new=0, reused=4, samples=2)
    assert text.plan(report) == (
        """\
job  nothing to submit

  rows        2, 2 samples each
  requests    4 (4 already asked)
"""
    )


def test_a_plan_that_costs_too_much_or_nobody_knows_what() -> None:
    dear = text.plan(replace(PLAN, max_cost_usd=1.2))
    assert "  budget      $1.20, $1.00 of it spent: the upper bound does not fit\n" in dear
    unknown = replace(PLAN, estimate=Estimate(90, cost_low=None, cost_high=None, unpriced=90))
    assert "  cost        not known: no price for the model of 90 requests\n" in text.plan(unknown)
    assert "budget      $5.00, $1.00 of it spent: it cannot be held without a price\n" in text.plan(unknown)


def test_a_plan_while_something_is_under_way() -> None:
    shown = text.plan(replace(PLAN, at_stake_usd=0.5))
    assert "  budget      $5.00, $1.50 of it spent or under way\n" in shown


def test_a_status() -> None:
    assert text.status(STATUS) == (
        """\
ticket-triage  held

  SHARD  PHASE       REQUESTS  BATCH
  0001   fetched      100,000  msgbatch_013Zva2CMHLNnXjNJJKqJ2EF
         98,900 succeeded · 1,100 errored, took 1h 5m
  0002   submitted    100,000  msgbatch_013Zva2CMHLNnXjNJJKqJ2EG
         in progress, for 1h 5m, must end in 22h 55m
  0003   held           1,100  –
         attempt 2
         several batches may be ours
  0004   ended             20  msgbatch_1
         should have ended by now
         fetch it soon: the results are kept for 4d more
  0005   planned           20  –

  cost        $1.20 so far, at most $3.00 under way (budget $5.00)
  output      out/triage.jsonl
  next        batchrun run triage.yaml

decide: shard 0003 may have been created, and two batches look like it
    batchrun adopt triage.yaml --shard 0003 --batch msgbatch_A
    batchrun resubmit triage.yaml --shard 0003 --accept-duplicate-cost
"""
    )


def test_a_finished_job_shows_what_it_came_to() -> None:
    shards = tuple(ShardStatus(f"{n:04}", "fetched", 100_000) for n in range(12))
    report = StatusReport("job", "done", "o.jsonl", shards, summary=Summary("job", "o.jsonl"), sandbox=True)
    assert text.status(report) == (
        """\
job  done  (sandbox: invented answers)

  fetched     12 shards, 1,200,000 requests

  tokens      none
  cost        $0.00 at batch price
  output      o.jsonl
"""
    )


SHOWN: list[Callable[[bool], str]] = [
    lambda color: text.summary(SUMMARY, color=color, next_command="batchrun retry triage.yaml"),
    lambda color: text.plan(PLAN, color=color),
    lambda color: text.status(STATUS, color=color),
]


@pytest.mark.parametrize("show", SHOWN)
def test_colour_adds_nothing_but_colour(show: Callable[[bool], str]) -> None:
    assert "\x1b" not in show(False)
    assert "\x1b[" in show(True)
    assert re.sub(r"\x1b\[\d+m", "", show(True)) == show(False)


@pytest.mark.parametrize("show", SHOWN)
def test_lines_fit_a_terminal_of_80_columns(show: Callable[[bool], str]) -> None:
    assert max(map(len, show(False).split("\n"))) <= 80
    assert not re.search(r"[ \N{NO-BREAK SPACE}]$|\N{NO-BREAK SPACE}", show(False), re.MULTILINE)


def test_names_cannot_act_on_the_terminal() -> None:
    report = replace(SUMMARY, job="a\x1b[2J", output="b\x07\nc", errors=(Cause("t", "", 1, "\x1b[1m"),))
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text.summary(report))
