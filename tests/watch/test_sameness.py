"""The same content again, edited content, and jobs that want the same name."""

from __future__ import annotations

import os

from tests.watch.watching import put, watching
from tests.workbench import Bench


def test_the_same_content_under_another_name_is_paid_for_once(bench: Bench) -> None:
    text = bench.job("labels.yaml").read_text()
    with watching(bench) as watch:
        watch.until_there("done/labels.yaml")
        os.utime(put(bench.path("again.yaml"), text), (10**9, 10**9))
        watch.until_there("done/again.yaml")
        put(bench.path("labels.yaml"), text)
        watch.until_there("done/labels-2.yaml")
        left = watch.leave()
    words = "labels: nothing to do; 3 of 3 rows succeeded, $0.000033; out/answers.jsonl is up to date"
    assert f"{words} (moved to done/again.yaml)\n{words} (moved to done/labels-2.yaml)\n" in left.stderr
    assert len(bench.ledger()) == 1


def test_what_changed_in_the_data_or_the_spec_is_all_that_is_asked(bench: Bench) -> None:
    text = bench.job("labels.yaml").read_text()
    with watching(bench) as watch:
        watch.until_there("done/labels.yaml")
        bench.rows(5)
        put(bench.path("labels.yaml"), text)
        watch.until_there("done/labels-2.yaml")
        assert len(bench.records()) == 5
        put(bench.path("copy.yaml"), text)
        watch.until_there("done/copy.yaml")
        bench.job("copy.yaml", samples=2)  # goes on as the job that the copy was
        watch.until_there("done/copy-2.yaml")
    assert [batch["requests"] for batch in bench.ledger()] == [3, 2, 5]
    assert len(bench.records()) == 10


def test_two_of_the_same_at_once_are_one_job(bench: Bench) -> None:
    text = bench.job("a.yaml").read_text()
    bench.write("b.yaml", text)
    with watching(bench) as watch:
        watch.until_there("done/a.yaml", "done/b.yaml")
    assert len(bench.ledger()) == 1


def test_what_a_spec_was_before_it_was_edited_is_not_paid_for_again(bench: Bench) -> None:
    """As long as the edited one is there: it goes on as the job that both were."""
    text = bench.job("a.yaml", output={"path": "out/a.jsonl"}).read_text()
    error = bench.path("b.yaml.error.txt")
    with watching(bench, "--in-place") as watch:
        watch.until_there("out/a.jsonl")
        put(bench.path("a.yaml"), text.replace("out/a", "out/edited").replace("Say", "Name"))
        watch.until_there("out/edited.jsonl")
        put(bench.path("b.yaml"), text)
        watch.until(lambda: error.exists() and bool(error.read_text()))
        assert error.read_text() == (
            "error: b.yaml says what a.yaml said before it was edited, and that was submitted as the job 'a';"
            " nothing was submitted now\n"
            "hint: to run it again, and pay again, add `name: b`\n"
        )
        assert len(bench.ledger()) == 2
        put(bench.path("b.yaml"), text.replace("out/a", "out/b").replace("{", '{"name": "b",', 1))
        watch.until_there("out/b.jsonl")
    assert len(bench.ledger()) == 3


def test_what_a_spec_was_before_it_was_edited_runs_if_nothing_was_submitted(bench: Bench) -> None:
    text = bench.job("a.yaml", limits={"max_cost_usd": 0.0000001}).read_text()
    tick = ("tick", ".", "--settle", "0")
    bench.run(*tick, code=4)
    bench.job("a.yaml", output={"path": "out/edited.jsonl"}, limits={"max_cost_usd": 0.0000002})
    bench.run(*tick, code=4)
    put(bench.path("b.yaml"), text)
    assert "b: needs a person: " in bench.run(*tick, code=4).stderr


def test_jobs_that_ask_the_same_one_after_the_other_are_jobs_of_their_own(bench: Bench) -> None:
    """A spec that was put away is not one that was renamed."""
    bench.job("monday.yaml", output={"path": "out/monday.jsonl"})
    with watching(bench) as watch:
        watch.until_there("done/monday.yaml")
        bench.job("tuesday.yaml", output={"path": "out/tuesday.jsonl"})
        watch.until_there("done/tuesday.yaml")
    assert len(bench.records("out/monday.jsonl")) == len(bench.records("out/tuesday.jsonl")) == 3


def test_two_specs_that_want_one_name(bench: Bench) -> None:
    bench.serve(seconds=3600)
    bench.job("a.yaml", name="labels")
    with watching(bench) as watch:
        watch.until(lambda: len(bench.ledger()) == 1)
        bench.job("b.yaml", name="labels", output={"path": "out/b.jsonl"})
        watch.until_there("failed/b.yaml.error.txt")
    assert bench.path("failed/b.yaml.error.txt").read_text() == (
        "error: b.yaml and a.yaml both call their job 'labels'\nhint: give one of them another name: key\n"
    )
    assert bench.path("a.yaml").exists()
    assert len(bench.ledger()) == 1


def test_a_dropped_spec_takes_over_no_answers_of_another(bench: Bench) -> None:
    """Not by its name, whatever it asks or writes; a person who runs it means it."""
    theirs = bench.job("victim.yaml")
    text = theirs.read_text()
    tick = ("tick", ".", "--settle", "0")
    while bench.run(*tick).code == 75:
        pass
    answers = bench.output.read_bytes()
    bench.rows(1, start=9, file="e.csv")
    for edit in (
        {"input": {"path": "e.csv"}},
        {"output": {"include": "input"}},
        {"samples": 2},
    ):
        bench.job("evil.yaml", name="victim", **edit)
        bench.run(*tick, code=78)
        assert not bench.path("evil.yaml").exists()
    assert bench.path("failed/evil.yaml.error.txt").read_text() == (
        "error: evil.yaml is to be the job 'victim', which was victim.yaml before, but asks something else;"
        " nothing was submitted\n"
        "hint: drop it as victim.yaml, or give it another name: key; to carry on with that job on purpose, run it:"
        " batchrun run evil.yaml\n"
    )
    assert (bench.output.read_bytes(), len(bench.ledger())) == (answers, 1)
    put(bench.path("again.yaml"), text)  # the same content is the same job
    while bench.run(*tick).code == 75:
        pass
    bench.job("mine.yaml", name="victim", samples=2)
    bench.go("mine.yaml", code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [3, 3]


def test_an_edited_spec_under_its_old_name_is_the_same_job(bench: Bench) -> None:
    tick = ("tick", ".", "--settle", "0")
    for samples in (1, 2):
        bench.job("labels.yaml", samples=samples)
        while bench.run(*tick).code == 75:
            pass
    assert [batch["requests"] for batch in bench.ledger()] == [3, 3]


def test_nothing_is_overwritten(bench: Bench) -> None:
    bench.write("done/labels.yaml", "somebody's\n")
    bench.write("failed/broken.yaml.error.txt", "somebody's\n")
    bench.job("labels.yaml")
    bench.write("broken.yaml", "version: 2\n")
    with watching(bench) as watch:
        watch.until_there("done/labels-2.yaml", "failed/broken-2.yaml.error.txt")
    assert bench.path("done/labels.yaml").read_text() == "somebody's\n"
    assert bench.path("failed/broken.yaml.error.txt").read_text() == "somebody's\n"
    assert bench.path("failed/broken-2.yaml").read_text() == "version: 2\n"
