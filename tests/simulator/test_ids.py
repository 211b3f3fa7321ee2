import re

from batchrun.simulator.ids import fresh, from_number


def test_ids_look_like_real_ones() -> None:
    made = {fresh("msgbatch") for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("msgbatch_01[1-9A-HJ-NP-Za-km-z]{22}", one) for one in made)


def test_the_same_number_gives_the_same_id() -> None:
    assert from_number("msg", 0) == "msg_01" + "1" * 22
    assert from_number("msg", 58**2 + 2) == "msg_01312" + "1" * 19
    assert len({from_number("msg", n) for n in range(10_000)}) == 10_000
    assert len(from_number("msg", 2**128 - 1)) == len(from_number("msg", 0))
