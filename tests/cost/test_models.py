from __future__ import annotations

from datetime import date

import pytest

from batchrun.cost.amounts import Rates
from batchrun.cost.models import facts_of, gone_since, known_models, nearest, newest


def test_facts_of_an_id_and_of_its_alias() -> None:
    facts = facts_of("claude-haiku-4-5")
    assert facts is facts_of("claude-haiku-4-5-20251001")
    assert facts is not None
    assert (facts.family, facts.version, facts.context, facts.max_output) == (
        "haiku",
        (4, 5),
        200_000,
        64_000,
    )
    assert facts.max_output_beta is None
    assert facts.rates == (Rates(1, 5, 1.25, 2, 0.1),)


def test_the_longer_output_of_the_beta_and_the_bands_of_a_price() -> None:
    facts = facts_of("claude-haiku-5-5")
    assert facts is not None
    assert facts.max_output_beta == 300_000
    assert facts.rates[1] == Rates(0.5, 2.5, 0.625, 1.0, 0.05, prompt_tokens_over=100_000)


def test_an_announced_end() -> None:
    facts = facts_of("claude-sonnet-4-5")
    assert facts is not None
    assert (facts.status, facts.retires) == ("deprecated", date(2026, 11, 30))


def test_an_unknown_name() -> None:
    assert facts_of("claude-opus-4-1") is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("claude-haiku-5.5", "claude-haiku-5-5"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("anthropic/claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("haiku-4-5", "claude-haiku-4-5"),
        ("claude-hiku-4-5", "claude-haiku-4-5"),
        ("gpt-9", None),
    ],
)
def test_the_nearest_name(wrong: str, right: str | None) -> None:
    assert nearest(wrong) == right


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("claude-opus-4-1-20250805", date(2026, 8, 5)),
        ("claude-opus-4-20250514", date(2026, 6, 15)),
        ("claude-sonnet-4-0", date(2026, 6, 15)),
        ("claude-3-7-sonnet-latest", date(2026, 2, 19)),
        ("claude-3-haiku-20240307", date(2026, 4, 20)),
        ("claude-haiku-4-5", None),
        ("claude-mythos-preview", None),
        ("claude-3-5-sonnet-20241022", date(2025, 10, 28)),
        ("claude-3-opus-20240229", date(2026, 1, 5)),
        ("claude-3-sonnet-20240229", date(2025, 7, 21)),
        ("claude-2.1", date(2025, 7, 21)),
        ("claude-instant-1.2", date(2024, 11, 6)),
        ("claude-opus-4.1", date(2026, 8, 5)),
    ],
)
def test_models_that_are_gone(name: str, day: date | None) -> None:
    assert gone_since(name) == day


def test_the_newest_of_a_family() -> None:
    assert newest("opus") == "claude-opus-5-5"
    assert newest("sonnet") == "claude-sonnet-5-5"
    assert newest("llama") is None


def test_every_name_leads_to_facts() -> None:
    assert len(known_models()) > 15
    assert all(facts_of(name) for name in known_models())
