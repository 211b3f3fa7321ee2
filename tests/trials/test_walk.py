"""Random walks of a person, a machine and an API over one folder; and those who judge them, judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.simulator.helpers import Client, entry
from tests.trials.tally import Tally
from tests.trials.walk import books
from tests.trials.walk.place import Api, Place
from tests.trials.walk.rounds import STEPS, Walk, shortened, walking
from tests.trials.walk.walker import Broken
from tests.workbench import Ran

NAME = "steps of a walk over one folder"
SAMPLE = (1, 2, 4, 6, 8)
PARTS, WALKS = 4, 125


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    with walking() as walk:
        yield walk


def walks(walk: Walk, tally: Tally, seeds: Sequence[int]) -> int:
    """Walk them all; how many steps that were."""
    with tally(NAME) as campaign:
        for seed in seeds:
            if (broken := walk(seed, range(STEPS))) is not None:
                campaign.failures.append(f"{broken}\n\nagain: python -m tests.trials.walk {seed}")
            campaign.trials += STEPS
    return campaign.trials


def test_a_few_walks(walk: Walk, tally: Tally) -> None:
    assert walks(walk, tally, SAMPLE) == 200


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(PARTS))
def test_many_walks(part: int, walk: Walk, tally: Tally) -> None:
    """20,000 steps, in parts for the worker processes to share."""
    assert walks(walk, tally, range(1 + part * WALKS, 1 + (part + 1) * WALKS)) == 5000


# ---- the judges ----------------------------------------------------------------------------------


def ours(key: str, nonce: str, text: str) -> dict[str, object]:
    return entry(f"{key * 32}-{nonce * 16}", text)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, rows=[("r1", "one"), ("r2", "two")])
    place.folder.mkdir()
    place.write()
    return place


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path / "api")
    yield api
    api.close()


def test_what_is_paid_twice_is_seen(place: Place, api: Api) -> None:
    with Client(api.simulator) as client:
        client.create(ours("a", "1", "Say one"))
        assert not list(books.faults(place, api.folder, 0))
        client.create(ours("b", "2", "Say one"))  # under whatever key
    [fault] = books.faults(place, api.folder, 0)
    assert fault.startswith("paid 2 times")
    assert not list(books.faults(place, api.folder, 1))


def test_an_answer_that_is_lost_or_on_the_wrong_row_is_seen(place: Place, api: Api) -> None:
    place.output.parent.mkdir()
    with Client(api.simulator) as client:
        [result] = client.run(ours("a", "1", "Say one")).values()
    answer = result["message"]["content"][0]["text"]
    good = f'{{"id":"r1","status":"succeeded","text":"{answer}"}}\n{{"id":"r2","status":"errored","text":null}}\n'
    place.output.write_text(good)
    assert not list(books.faults_of_answer(place, api.folder, place.output))
    place.output.write_text(good.replace(answer, "something"))
    assert len(list(books.faults_of_answer(place, api.folder, place.output))) == 1
    place.output.write_text(good.replace("errored", "succeeded"))
    assert len(list(books.faults_of_answer(place, api.folder, place.output))) == 1
    place.output.write_text(good.splitlines()[0] + "\n")
    assert len(list(books.faults_of_answer(place, api.folder, place.output))) == 1


@pytest.mark.parametrize(("code", "stderr"), [(1, ""), (64, ""), (2, ""), (0, "error: a bug in batchrun")])
def test_what_no_command_may_say_is_seen(code: int, stderr: str) -> None:
    assert list(books.faults_of("run", Ran(code, "", stderr)))


def test_a_walk_that_breaks_something_is_shortened() -> None:
    def walk(seed: int, steps: Sequence[int]) -> Broken | None:
        return Broken(str(list(steps))) if {3, 7} <= set(steps) else None

    assert str(shortened(walk, 1, 10)) == "[3, 7]"
