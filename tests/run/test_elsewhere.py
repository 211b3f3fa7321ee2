"""What another job of the folder has asked is not paid for again: specs and data that were renamed, edited, swapped."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import NameTaken
from batchrun.run.decisions import retry_job
from batchrun.run.jobs import run_job
from tests.conftest import MakeSimulator
from tests.workbench import Bench

AGAIN = ", or move .batchrun/a away to start afresh and pay again"


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    monkeypatch.chdir(bench.folder)
    return bench


def done(bench: Bench, name: str, *, start: int = 1, rows: int = 4) -> None:
    """A job of that name that is answered, with data and output of its own."""
    write(bench, name, start=start, rows=rows)
    bench.go(f"{name}.yaml", code=0)


def write(bench: Bench, name: str, *, start: int = 1, rows: int = 4) -> None:
    bench.rows(rows, start=start, file=f"{name}.csv")
    bench.job(f"{name}.yaml", input={"path": f"{name}.csv"}, output={"path": f"out/{name}.jsonl"})


def refused(bench: Bench, name: str) -> tuple[str, str]:
    """The words of a run that is refused, each time, and sends nothing."""
    before = len(bench.ledger())
    for _ in range(2):
        with pytest.raises(NameTaken) as caught:
            run_job(bench.path(f"{name}.yaml"), environ=bench.env)
    assert len(bench.ledger()) == before
    return str(caught.value), caught.value.hint


def test_spec_and_data_were_renamed(bench: Bench) -> None:
    done(bench, "a")
    write(bench, "b")
    bench.path("a.yaml").unlink()
    bench.path("a.csv").unlink()
    assert refused(bench, "b") == (
        "4 of the 4 new requests of b.yaml were asked as the job 'a', whose spec a.yaml is gone; nothing was submitted",
        "add `name: a` to carry on with it" + AGAIN,
    )
    bench.job("b.yaml", name="a", input={"path": "b.csv"}, output={"path": "out/b.jsonl"})
    bench.go("b.yaml", code=0)
    assert (len(bench.ledger()), len(bench.records("out/b.jsonl"))) == (1, 4)


def test_as_the_accepted_advice_says_it_is_paid_for_again(bench: Bench) -> None:
    done(bench, "a")
    bench.path("a.yaml").rename(bench.path("old.yaml"))
    write(bench, "b")
    assert refused(bench, "b")[1].endswith(AGAIN)
    bench.run_folder("a").rename(bench.path("away"))
    bench.go("b.yaml", code=0)
    assert len(bench.ledger()) == 2


def test_the_column_was_renamed_and_rows_came_and_went(bench: Bench) -> None:
    done(bench, "a")
    bench.path("a.yaml").unlink()
    write(bench, "b", start=4, rows=3)
    data = bench.path("b.csv")
    data.write_text(data.read_text().replace("id,text", "id,words"))
    messages = [{"role": "user", "content": "Say {{ words }}"}]
    bench.job(
        "b.yaml", input={"path": "b.csv"}, request={"messages": messages}, output={"path": "out/b.jsonl"}
    )
    assert refused(bench, "b")[0].startswith("1 of the 3 new requests of b.yaml were asked as the job 'a'")


def test_what_was_asked_before_the_last_edit_counts(bench: Bench) -> None:
    done(bench, "a")
    done(bench, "a", start=11)
    bench.path("a.yaml").unlink()
    write(bench, "b", start=3, rows=2)
    assert refused(bench, "b")[0].startswith("2 of the 2 new requests")


def test_what_is_under_way_counts(bench: Bench) -> None:
    bench.serve(seconds=1000)
    write(bench, "a")
    bench.go("a.yaml", wait=False, code=75)
    bench.path("a.yaml").unlink()
    write(bench, "b")
    assert refused(bench, "b")[0].startswith("4 of the 4 new requests")


def test_few_rows_in_common_are_no_sign(bench: Bench) -> None:
    done(bench, "a", rows=21)
    bench.path("a.yaml").unlink()
    done(bench, "b", start=20, rows=22)
    write(bench, "c", start=20, rows=22)
    bench.path("b.yaml").unlink()
    assert refused(bench, "c")[0].startswith("22 of the 22 new requests of c.yaml were asked as the job 'b'")


def test_two_specs_that_were_swapped(bench: Bench) -> None:
    done(bench, "a")
    done(bench, "b", start=11)
    one, two = bench.path("a.yaml").read_text(), bench.path("b.yaml").read_text()
    bench.path("a.yaml").write_text(two.replace("out/b", "out/a"))
    bench.path("b.yaml").write_text(one.replace("out/a", "out/b"))
    words = "4 of the 4 new requests of a.yaml were asked as the job 'b', whose spec b.yaml says something else by now"
    assert refused(bench, "a") == (
        f"{words}; nothing was submitted",
        "run b.yaml first, or put it back as it was, or move .batchrun/b away to start afresh and pay again",
    )
    # What it says now stands in its own state already, and was not sent.
    assert "as the job 'a', whose spec a.yaml says something else" in refused(bench, "b")[0]
    bench.path("a.yaml").write_text(one)
    bench.path("b.yaml").write_text(two)
    for name in "ab":
        bench.go(f"{name}.yaml", code=0)
    assert len(bench.ledger()) == 2


def test_a_copy_beside_the_original_is_a_job_of_its_own(bench: Bench) -> None:
    done(bench, "a")
    done(bench, "b")
    bench.job("a.yaml", input={"path": "a.csv"}, output={"path": "out/a.jsonl"}, limits={"max_cost_usd": 6})
    done(bench, "c")  # a budget is no other question
    assert len(bench.ledger()) == 3


def test_what_a_job_tries_again_is_its_own(bench: Bench) -> None:
    bench.serve(
        results=[
            {
                "match": "word 2",
                "type": "errored",
                "error": {"type": "billing_error", "message": "No"},
            }
        ]
    )
    for name in "ab":
        write(bench, name)
        bench.go(f"{name}.yaml", code=3)
    bench.path("a.yaml").unlink()
    assert retry_job(bench.path("b.yaml"), environ=bench.env).exit_code == 3
    assert [batch["requests"] for batch in bench.ledger()] == [4, 4, 1]


def test_a_state_that_cannot_be_read_stands_in_nobodys_way(bench: Bench) -> None:
    done(bench, "a")
    bench.path("a.yaml").unlink()
    (bench.run_folder("a") / "shards" / "0001.jsonl").write_text("")
    done(bench, "b")
