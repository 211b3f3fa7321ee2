from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.simulator.faults.faulty import Faulty


@pytest.fixture
def faulty(make_simulator: MakeSimulator, tmp_path: Path) -> Faulty:
    return Faulty(make_simulator, tmp_path)
