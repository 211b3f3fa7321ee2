from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchrun.clockwork import Clockwork
from batchrun.cost.models import as_of, facts_of, known_models
from batchrun.run.jobs import run_job
from batchrun.run.target import Target
from batchrun.units import DAY
from tests.workbench import Bench

LATE = Clockwork(now=lambda: time.time() + 200 * 365 * DAY)


def ending() -> str:
    """A model that is announced to retire."""
    return next(
        name for name in known_models() if (f := facts_of(name)) and f.retires and f.retires > as_of()
    )


def test_the_day_is_that_of_the_clockwork() -> None:
    last = datetime(2027, 1, 22, 23, 59, 59, tzinfo=UTC)
    assert Target(clockwork=Clockwork(now=last.timestamp)).today() == last.date()
    assert Target(clockwork=Clockwork(now=lambda: last.timestamp() + 1)).today() == last.date() + timedelta(1)


def test_a_rehearsal_has_the_day_of_the_table_of_models(tmp_path: Path) -> None:
    """So has its API: nothing retires in a rehearsal by itself."""
    assert Target(sandbox=True, clockwork=LATE).today() == as_of()
    bench = Bench(tmp_path)
    bench.job(rows=1, request={"model": ending()})
    assert run_job(bench.path("batch.yaml"), sandbox=True, clockwork=LATE).exit_code == 0
