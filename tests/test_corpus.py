"""Every file of the corpus: its exit code and its words, in this process; a sample from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import CORPUS, READERS, SECRET, Case, all_cases, lay_out, outcome, reply, told
from tests.rawserver import RawServer
from tests.workbench import Bench

CASES = list(all_cases())
SAMPLE = [case for kind in READERS for case in [c for c in CASES if c.kind == kind][::60]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_said_of_it(case: Case, tmp_path: Path) -> None:
    assert outcome(case, tmp_path) == (case.code, case.said)


@pytest.mark.parametrize("case", [c for c in SAMPLE if c.kind != "results"], ids=lambda case: case.id)
def test_what_a_terminal_shows(case: Case, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    arguments = lay_out(case, bench.folder)
    with RawServer(reply(case)) as server:
        ran = bench.run(*arguments, code=case.code, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=SECRET)
    assert told(ran.stderr.splitlines(), bench.folder) == case.said


def test_the_corpus_is_all_there() -> None:
    """Every folder has a reader; nothing that the test does not see has crept in."""
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == set(READERS)
    assert len(CASES) >= 150
