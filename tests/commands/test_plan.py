from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import Bench, Ran


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=3)
    return bench


def plan(bench: Bench, *args: str) -> Ran:
    """Run plan offline: it must leave no trace."""
    files, calls = bench.listing(), bench.calls()
    ran = bench.run("plan", *args, code=0, ANTHROPIC_API_KEY="")
    assert (bench.listing(), bench.calls(), ran.stderr) == (files, calls, "")
    assert max(map(len, ran.stdout.splitlines())) <= 80
    return ran


def test_a_first_run(bench: Bench) -> None:
    expected = (
        "batch  3 requests to submit\n\n"
        "  rows        3\n"
        "  requests    3\n"
        "              new because the job was never run\n"
        "  batches     1, 530 B in all\n"
        "  tokens in   48 – 288  estimated from bytes\n"
        "  tokens out  6 – 150  max_tokens is the bound\n"
        "  cost        $0.000039 – $0.00052  estimated, at batch price\n"
        "  budget      $5.00, $0.00 of it spent\n"
    )
    assert plan(bench).stdout == expected
    assert plan(bench, "--sandbox").stdout == expected
    assert ".batchrun" not in bench.listing()


def test_a_rehearsal(bench: Bench) -> None:
    bench.run("run", "--sandbox", code=0)
    assert plan(bench, "--sandbox").stdout.startswith("batch  nothing to submit\n")
    assert plan(bench).stdout.startswith("batch  3 requests to submit\n")


def test_a_plan_goes_by_what_the_answers_took(bench: Bench) -> None:
    first = bench.run("plan", "--json", code=0).json()
    assert "history" not in first
    bench.run("run", code=0)
    bench.rows(6)
    report = bench.run("plan", "--json", code=0).json()
    [tally] = [shard.tally for shard in bench.state().shards]
    assert tally is not None
    took = report["history"]
    assert (took["answers"], report["new"]) == (3, 3)
    assert took["input_tokens"] == tally.usage.input_tokens  # three more rows of the same size
    assert took["output_tokens"] == tally.usage.output_tokens
    assert took["cost_usd"] == pytest.approx(tally.cost_usd)
    estimate = report["estimate"]
    assert (estimate["input_low"], estimate["output_low"]) == (took["input_tokens"], took["output_tokens"])
    assert estimate["cost_low"] == pytest.approx(tally.cost_usd)
    assert estimate["input_high"] == first["estimate"]["input_high"]  # the bound is bytes, as before
    assert "going by 3 answers of" in plan(bench).stdout


def test_answers_of_another_model_say_nothing_of_this_one(bench: Bench) -> None:
    bench.run("run", code=0)
    bench.job(request={"model": "claude-opus-5-5"})
    assert "history" not in bench.run("plan", "--json", code=0).json()


def test_over_budget(bench: Bench) -> None:
    bench.job(limits={"max_cost_usd": 0.0001})
    bench.run("run", code=4)
    shown = plan(bench).stdout
    assert "              new because nothing was submitted yet\n" in shown
    assert shown.endswith("  budget      $0.00010, $0.00 of it spent: the upper bound does not fit\n")


def test_what_may_not_be_meant_so(bench: Bench) -> None:
    bench.job(request={"model": "claude-haiku-5-6"})
    shown = plan(bench).stdout
    assert "  budget      $5.00, $0.00 of it spent: it cannot be held without a price\n" in shown
    assert " ".join(shown.partition("  warning")[2].split()) == (
        "batch.yaml:8:14: claude-haiku-5-6 is not a model this version knows; its limits and price are not"
        " checked; did you mean 'claude-haiku-5-5'?"
    )


def test_exact_asks_the_token_count(bench: Bench) -> None:
    files = bench.listing()
    report = bench.run("plan", "--exact", "2", "--json", code=0).json()
    assert report["exact"]["requests"] == 2
    assert report["exact"]["tokens"] == 14
    assert [c["call"] for c in bench.calls()] == ["count_tokens", "count_tokens"]
    assert bench.listing() == files
    ran = bench.run("plan", "--exact", "2", code=0)
    assert "about 21: 7.0 each in 2 requests counted exactly\n" in ran.stdout


def test_bad_data(bench: Bench) -> None:
    bench.write("rows.csv", "id,txt\na,b\n")
    ran = bench.run("plan", code=65)
    assert ran.stdout == ""
    assert "'text' is not a column of the input" in ran.stderr
