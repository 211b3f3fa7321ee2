"""The worked Makefile of examples/make, run by GNU make against the API on loopback, and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import PATIENCE, Bench

EXAMPLES = Path(__file__).parent.parent / "examples"
DONE = "make: 'counts.txt' is up to date.\n"


class Made:
    """The example's two folders with five rows, and make in them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.now = time.time()
        self.folder = bench.folder / "make"
        shutil.copytree(EXAMPLES / "make", self.folder, ignore=shutil.ignore_patterns("counts*"))
        shutil.copytree(EXAMPLES / "classify", self.job, ignore=shutil.ignore_patterns("out", ".batchrun"))
        lines = (self.job / "entries.csv").read_text().splitlines(keepends=True)
        self.rows("".join(lines[:1]), *(f"word {n},n.,What {n} means.\n" for n in range(5)))
        spec = self.job / "batch.yaml"
        spec.write_text(spec.read_text() + "poll: {interval: 50ms}\n")
        # By hand, so that a batch ends when a test says so.
        bench.serve(seconds=1000, clock=lambda: self.now)

    @property
    def job(self) -> Path:
        return self.bench.folder / "classify"

    @property
    def labels(self) -> Path:
        return self.job / "out/labels.jsonl"

    @property
    def counts(self) -> Path:
        return self.folder / "counts.txt"

    def rows(self, *lines: str) -> None:
        (self.job / "entries.csv").write_text("".join(lines))

    def start(self, *args: str, folder: Path | None = None) -> subprocess.Popen[str]:
        command = ["make", *args, f"BATCHRUN={sys.executable} -m batchrun"]
        inherited = {
            n: v for n, v in self.bench.environment().items() if not n.startswith(("MAKE", "MFLAGS"))
        }
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=folder or self.folder,
            env=inherited,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    def make(self, *args: str) -> str:
        """Run make to its end; what it prints on stdout."""
        process = self.start(*args)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
        return stdout

    def made(self) -> set[str]:
        return {path.name for path in (self.job / "out").glob("*")} | {
            p.name for p in self.folder.glob("*.txt")
        }

    def until_submitted(self, process: subprocess.Popen[str], batches: int = 1) -> None:
        self.bench.until(
            process, lambda: len(self.bench.ledger()) == batches and bool(self.bench.calls("retrieve"))
        )


@pytest.fixture
def made(tmp_path: Path, make_simulator: MakeSimulator) -> Made:
    return Made(Bench(tmp_path, make_simulator))


def finished(made: Made) -> None:
    process = made.start()
    made.until_submitted(process)
    made.now += 1000
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stdout + stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_killed_in_the_middle(made: Made, number: signal.Signals) -> None:
    """No target is left, and the next make carries on with the same batch."""
    process = made.start()
    made.until_submitted(process)
    os.killpg(process.pid, number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert made.made() <= {"labels.jsonl.d"}
    made.now += 1000
    made.make()
    assert made.labels.read_text().count("\n") == 5
    assert made.counts.exists()
    assert len(made.bench.ledger()) == 1
    assert made.make() == DONE


def test_data_that_was_touched_but_not_changed(made: Made) -> None:
    """Nothing is asked, nothing is made anew, and the next make knows it."""
    finished(made)
    calls, before = made.bench.calls(), (made.labels.stat(), made.counts.stat())
    os.utime(made.job / "entries.csv")
    assert "batchrun run" in made.make()
    assert made.bench.calls() == calls
    assert (made.labels.stat(), made.counts.stat()) == before
    assert made.make() == DONE


def test_a_changed_row_is_asked_and_everything_made_anew(made: Made) -> None:
    finished(made)
    entries = made.job / "entries.csv"
    entries.write_text(entries.read_text().replace("What 3 means", "What else 3 means"))
    process = made.start()
    made.until_submitted(process, batches=2)
    made.now += 1000
    assert process.communicate(timeout=PATIENCE)[1].count("error") == 0
    assert [batch["requests"] for batch in made.bench.ledger()] == [5, 1]
    assert made.counts.stat().st_mtime_ns >= made.labels.stat().st_mtime_ns
    assert made.make() == DONE


def test_an_edited_prompt_is_noticed_through_the_dependency_file(made: Made) -> None:
    finished(made)
    prompt = made.job / "prompts/classify.md"
    assert "batchrun run" not in made.make("-n")
    prompt.write_text(prompt.read_text() + "Be brief.\n")
    assert "batchrun run" in made.make("-n")


def test_a_label_file_that_is_gone_is_written_again(made: Made) -> None:
    finished(made)
    calls = made.bench.calls()
    made.labels.unlink()
    made.make()
    assert made.labels.read_text().count("\n") == 5
    assert made.bench.calls() == calls
    assert made.make() == DONE


def test_data_that_is_gone(made: Made) -> None:
    """make goes on, and batchrun says what is missing."""
    finished(made)
    (made.job / "entries.csv").unlink()
    process = made.start()
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "error: input.path: there is no file 'entries.csv'\n" in stderr
    assert made.labels.exists()


def test_rows_that_failed_stop_make_until_they_are_tried_again(made: Made) -> None:
    error = {"type": "billing_error", "message": "no"}
    made.bench.serve(results=[{"match": "word 2", "type": "errored", "error": error}])
    for _ in range(2):
        process = made.start()
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2
        assert "labels.jsonl.stamp] Error 3" in stderr
        assert made.made() == {"labels.jsonl", "labels.jsonl.d"}
    made.bench.serve()
    made.bench.run("retry", "classify/batch.yaml", code=0)
    made.make()
    assert made.made() == {"labels.jsonl", "labels.jsonl.d", "labels.jsonl.stamp", "counts.txt"}
    assert [batch["requests"] for batch in made.bench.ledger()] == [5, 1]


TWO_TARGETS = """
all: one.txt two.txt
one.txt two.txt:
\t$(BATCHRUN) run ../classify/batch.yaml --lock-wait 1m
\ttouch $@
"""


def test_two_targets_on_one_job(made: Made) -> None:
    """Both call batchrun at once: one waits for the other, and there is one batch."""
    (made.folder / "Makefile").write_text(TWO_TARGETS)
    process = made.start("-j2")
    made.until_submitted(process)
    made.now += 1000
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    assert stderr.count("warning: another process is working on the job 'classify'") == 1
    assert "hint: waiting for up to 1m\n" in stderr
    assert made.made() >= {"one.txt", "two.txt"}
    assert len(made.bench.ledger()) == 1
