"""The guard all other tests rely on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.conftest import MakeSimulator


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_nothing_beyond_this_machine_is_reached(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.socket(family) as connection,
        pytest.raises(OSError, match=f"no network in tests: '{address}'"),
    ):
        connection.connect((address, 80))


def test_no_name_is_looked_up() -> None:
    with pytest.raises(socket.gaierror, match=r"no network in tests: 'api\.anthropic\.com'"):
        socket.getaddrinfo("api.anthropic.com", 443)
    assert socket.getaddrinfo("localhost", 80)


def test_the_home_folder_is_empty() -> None:
    assert list(Path.home().iterdir()) == []
    assert Path.home() == Path(os.environ["HOME"])


def test_no_credential_is_left() -> None:
    assert [name for name in os.environ if name.startswith(("ANTHROPIC_", "BATCHRUN_"))] == []


def test_simulators_start_beside_each_other(make_simulator: MakeSimulator) -> None:
    assert make_simulator().url != make_simulator().url
