from __future__ import annotations

from typing import Any

from batchrun.client import wire
from batchrun.render.batches import HEADER, details, row
from tests.rawserver import batch_json

ID = "msgbatch_01tzpQ1pst2k6vdRQajMGJAF"


def test_a_row_fits_eighty_columns() -> None:
    batch = wire.batch(batch_json(ID, "in_progress", processing=100_000))
    assert HEADER == "ID                                 STATUS       CREATED (UTC)       REQUESTS"
    assert row(batch) == "msgbatch_01tzpQ1pst2k6vdRQajMGJAF  in_progress  2026-11-22 10:00     100,000"
    assert len(row(batch)) < 80


def test_a_running_batch() -> None:
    assert details(wire.batch(batch_json(ID, processing=1234))).splitlines() == [
        "id        msgbatch_01tzpQ1pst2k6vdRQajMGJAF",
        "status    in_progress",
        "requests  1,234 (1,234 processing)",
        "created   2026-11-22 10:00 UTC",
        "expires   2026-11-23 10:00 UTC",
    ]


def test_an_ended_batch() -> None:
    value: dict[str, Any] = batch_json(ID, "ended", succeeded=5, errored=1, canceled=2)
    value["cancel_initiated_at"] = "2026-11-22T12:01:00+02:00"
    assert details(wire.batch(value)).splitlines()[2:] == [
        "requests  8 (5 succeeded, 1 errored, 2 canceled)",
        "created   2026-11-22 10:00 UTC",
        "canceled  2026-11-22 10:01 UTC",
        "ended     2026-11-22 10:07 UTC",
        "results   kept until 2026-12-21 10:00 UTC",
    ]
    value["archived_at"] = "2026-12-21T10:00:00Z"
    assert details(wire.batch(value)).splitlines()[-1] == "results   gone since 2026-12-21 10:00 UTC"


def test_the_servers_words_cannot_move_the_terminal() -> None:
    batch = wire.batch(batch_json("x\x1b[2J", "in\x9b_progress"))
    assert not {"\x1b", "\x9b"} & {*details(batch), *row(batch)}
