"""The index must never know better than the states."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.lifecycle import state as states
from batchrun.lifecycle.state import Phase, RunState
from batchrun.model import FileFact
from batchrun.rundir.siblings import INDEX, STALE, Neighbour, neighbours
from batchrun.rundir.store import Store, runs_folder
from tests.states import active, expansion, sent, state


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number in range(STALE + 4):
        save(tmp_path, f"job{number:02}", state(active(Phase.SUBMITTED, batch=sent(f"msgbatch_{number}"))))
    return runs_folder(tmp_path)


def save(root: Path, job: str, value: RunState) -> None:
    store = Store(root, job)
    store.folder.mkdir(parents=True, exist_ok=True)
    store.save(value)


def batches(runs: Path, own: str = "") -> list[str]:
    return [batch for other in neighbours(runs, leaving_out=own) for batch in other.batches]


def test_what_a_neighbour_tells(tmp_path: Path) -> None:
    written = FileFact("out/a.jsonl", 3, 4, "5")
    found = state(active(Phase.SUBMITTED, batch=sent("msgbatch_1")))
    save(
        tmp_path, "a", states.RunState("a", "a.yaml", "anthropic", "x", shards=found.shards, written=written)
    )
    save(tmp_path, "b", RunState("b", "b.yaml", "anthropic", "x"))
    last = expansion()
    save(tmp_path, "c", RunState("c", "job.yaml", "anthropic", "x", expansion=last))
    expected = [
        Neighbour("a", "a.yaml", True, True, None, (), written, ("msgbatch_1",)),
        Neighbour("b", "b.yaml", False, False, None, (), None, ()),
        Neighbour(
            *("c", "job.yaml", False, False, {"model": "22"}, ("data/*.csv",), None, ()),
            asked=last.spec_files[0],
            settings="0011",
        ),
    ]
    assert list(neighbours(runs_folder(tmp_path), leaving_out="")) == expected
    for number in range(STALE):
        save(tmp_path, f"x{number}", RunState("x", "x.yaml", "anthropic", "x"))
    for _ in range(2):  # from the states, and from the index
        assert list(neighbours(runs_folder(tmp_path), leaving_out=""))[:3] == expected
    assert (runs_folder(tmp_path) / INDEX).exists()


def test_an_index_stands_in_for_unchanged_states(runs: Path) -> None:
    expected = [f"msgbatch_{number}" for number in range(STALE + 4)]
    assert batches(runs) == expected
    assert (runs / INDEX).is_file()
    assert batches(runs) == expected
    assert batches(runs, "job00") == expected[1:]


def test_a_state_that_changed_is_read_again(runs: Path) -> None:
    before = batches(runs)
    save(runs.parent, "job03", state(active(Phase.SUBMITTED, batch=sent("msgbatch_new"))))
    assert batches(runs) == [*before[:3], "msgbatch_new", *before[4:]]


def test_a_job_that_went(runs: Path) -> None:
    before = batches(runs)
    (runs / "job03" / "state.json").unlink()
    assert batches(runs) == [*before[:3], *before[4:]]


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"version": 2}', b'{"version": 1, "states": {}}'])
def test_a_damaged_index_is_made_again(runs: Path, damage: bytes) -> None:
    before = batches(runs)
    (runs / INDEX).write_bytes(damage)
    assert batches(runs) == before


def test_an_index_behind_a_link_is_not_read(runs: Path, tmp_path: Path) -> None:
    before = batches(runs)
    elsewhere = tmp_path / "elsewhere"
    (runs / INDEX).rename(elsewhere)
    elsewhere.write_bytes(elsewhere.read_bytes().replace(b"msgbatch_3", b"msgbatch_x"))
    (runs / INDEX).symlink_to(elsewhere)
    assert batches(runs) == before


def test_where_there_is_nothing(tmp_path: Path) -> None:
    assert batches(runs_folder(tmp_path)) == []
