"""When faults strike, and in which order."""

from __future__ import annotations

import pytest
import requests

from tests.simulator.faults.faulty import Faulty, accepted
from tests.simulator.helpers import Client, entry


def test_counting_goes_on_over_a_restart_until_the_fault_is_changed(faulty: Faulty) -> None:
    def codes(text: str) -> list[int]:
        with Client(faulty(text)) as client:
            return [client.get().status_code for _ in range(2)]

    text = "faults: [{on: list, status: 500, times: 3}]"
    assert [codes(text), codes(text)] == [[500, 500], [500, 200]]
    assert codes(text.replace("500", "502")) == [502, 502]


def test_the_first_fault_is_the_outermost(faulty: Faulty) -> None:
    text = "faults: [{on: create, status: 503}, {accept_then: reset, times: 0}]"
    with Client(faulty(text)) as client:
        assert client.post({"requests": [entry("a")]}).status_code == 503
        assert accepted(faulty) == 0
        with pytest.raises(requests.ConnectionError):
            client.post({"requests": [entry("a")]})
    assert accepted(faulty) == 1


def test_every_third_call_twice(faulty: Faulty) -> None:
    with Client(faulty("faults: [{list: {status: 500, skip: 1, every: 3, times: 2}}]")) as client:
        codes = [client.get().status_code for _ in range(9)]
    assert codes == [200, 500, 200, 200, 500, 200, 200, 200, 200]


def test_every_second_call_for_ever(faulty: Faulty) -> None:
    with Client(faulty("faults: [{list: {status: 500, every: 2, times: 0}}]")) as client:
        assert [client.get().status_code for _ in range(6)] == [500, 200] * 3
