from __future__ import annotations

from datetime import date

from batchrun.model import Json
from batchrun.simulator import catalog

TODAY = date(2026, 11, 22)


def test_aliases_name_the_same_model() -> None:
    known = catalog.models()
    assert known["claude-haiku-4-5"] is known["claude-haiku-4-5-20251001"]
    assert [model.id for model in catalog.listed()].count("claude-haiku-4-5-20251001") == 1


def test_what_an_id_says() -> None:
    known = catalog.models()
    assert (known["claude-opus-4-5"].family, known["claude-opus-4-5"].generation) == ("opus", (4, 5))
    assert known["claude-sonnet-5"].generation == (5, 0)
    assert known["claude-mythos-preview"].family == "mythos"


def test_lifecycles() -> None:
    sonnet = catalog.models()["claude-sonnet-4-5"]
    days = (date(2026, 9, 29), date(2026, 9, 30), date(2026, 11, 29), date(2026, 11, 30))
    assert [sonnet.lifecycle(day) for day in days] == ["active", "deprecated", "deprecated", "retired"]


def test_what_is_shown() -> None:
    shown = catalog.shown(catalog.models()["claude-haiku-5-5"], TODAY)
    capabilities = shown.pop("capabilities")
    expected: dict[str, Json] = {
        "type": "model",
        "id": "claude-haiku-5-5",
        "display_name": "Claude Haiku 5.5",
        "created_at": "2026-10-07T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": "haiku",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
    }
    assert shown == expected
    assert isinstance(capabilities, dict)
    assert capabilities["batch"] == {"supported": True}


def test_smallest_prefix_that_is_cached() -> None:
    smallest = {name: model.smallest_cached for name, model in catalog.models().items()}
    assert smallest["claude-haiku-5-5"] == 512
    assert smallest["claude-sonnet-4-6"] == smallest["claude-opus-4-8"] == 1024
    assert smallest["claude-opus-4-7"] == 2048
    assert smallest["claude-haiku-4-5"] == smallest["claude-opus-4-6"] == 4096
