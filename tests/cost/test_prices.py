from __future__ import annotations

import json
from dataclasses import astuple
from importlib.resources import files
from typing import Any

import pytest

from batchrun.clockwork import REAL
from batchrun.codec import decode, encode
from batchrun.cost import prices
from batchrun.cost.amounts import Price, Rates
from batchrun.cost.models import facts_of
from batchrun.cost.prices import TICKS, PriceBook, cost_ticks, message_ticks, price_of
from batchrun.cost.usage import tokens_of
from batchrun.model import Usage
from tests.resultlines import message, usage

MODELS: list[dict[str, Any]] = json.loads(files("batchrun").joinpath("data/models.json").read_bytes())[
    "models"
]
NAMES = [name for entry in MODELS for name in (entry["id"], *entry["aliases"])]
MILLION = 1_000_000


def known(model: str) -> Price:
    price = price_of(model)
    assert price is not None
    return price


@pytest.mark.parametrize("model", NAMES)
def test_both_price_tables_agree(model: str) -> None:
    facts, published = facts_of(model), prices._published(model, REAL)
    assert facts is not None
    if published is None:
        assert model in {"claude-mythos-5-1", "claude-mythos-5", "claude-mythos-preview"}
        return
    # Bands above what a prompt can hold never apply.
    assert [r for r in published if r.prompt_tokens_over < facts.context] == list(facts.rates)


@pytest.mark.parametrize("model", NAMES)
def test_every_model_has_a_price(model: str) -> None:
    assert price_of(model) is not None


def test_an_unknown_model_has_none() -> None:
    assert price_of("claude-opus-99") is None
    assert PriceBook()("claude-opus-99") is None


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(input_tokens=MILLION), 0.5),
        (Usage(output_tokens=MILLION), 2.5),
        (Usage(cache_write_5m=MILLION), 0.625),
        (Usage(cache_write_1h=MILLION), 1.0),
        (Usage(cache_read=MILLION), 0.05),
        (Usage(1, 1, 1, 1, 1), 4.675e-06),
        (Usage(), 0.0),
    ],
)
def test_a_batch_costs_half_of_every_bucket(usage: Usage, usd: float) -> None:
    assert cost_ticks(known("claude-haiku-4-5"), astuple(usage)) / TICKS == usd


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(input_tokens=100_000), 0.005),
        (Usage(input_tokens=100_001), 0.02500025),
        (Usage(input_tokens=50_000, cache_read=40_000, cache_write_1h=10_000), 0.0037),
        (Usage(input_tokens=50_000, cache_read=40_000, cache_write_1h=10_001), 0.0185005),
        (Usage(input_tokens=100_001, output_tokens=1000), 0.02625025),
    ],
)
def test_a_price_band_goes_by_the_whole_prompt(usage: Usage, usd: float) -> None:
    assert cost_ticks(known("claude-haiku-5-5"), astuple(usage)) / TICKS == usd


@pytest.mark.parametrize(
    ("model", "usd"), [("claude-opus-4-6", 2.75), ("claude-opus-5-5", 2.2), ("claude-haiku-4-5", 0.5)]
)
def test_us_only_inference_costs_more_from_4_6_on(model: str, usd: float) -> None:
    assert cost_ticks(known(model), (MILLION, 0, 0, 0, 0), us_only=True) / TICKS == usd


def test_searches_are_not_halved() -> None:
    assert cost_ticks(known("claude-haiku-4-5"), (0, 0, 0, 0, 0), searches=1000) / TICKS == 10.0


def test_the_cost_of_a_message_follows_its_usage() -> None:
    price = known("claude-opus-5-5")
    plain = message(usage=usage(input_tokens=MILLION, output_tokens=0))
    assert message_ticks(price, plain, tokens_of(plain)) / TICKS == 2.0
    plain["usage"] |= {"inference_geo": "us", "server_tool_use": {"web_search_requests": 2}}
    assert message_ticks(price, plain, tokens_of(plain)) / TICKS == 2.22


@pytest.mark.parametrize(
    ("category", "content", "usd"),
    [
        ("cyber", [], 0.0),
        ("bio", [], 0.0009),
        (None, [], 0.0009),
        ("cyber", [{"type": "text", "text": "I"}], 0.0009),
    ],
)
def test_only_a_cyber_refusal_before_any_output_is_free(
    category: str | None, content: list[Any], usd: float
) -> None:
    refusal = message(
        stop_reason="refusal",
        content=content,
        stop_details={"type": "refusal", "category": category, "explanation": None},
        usage=usage(input_tokens=1000, output_tokens=160),
    )
    assert message_ticks(known("claude-haiku-4-5"), refusal, tokens_of(refusal)) / TICKS == usd


def test_a_book_keeps_the_prices_it_was_given() -> None:
    odd = Price((Rates(1, 2, 3, 4, 5),), 1.0)
    book = PriceBook({"claude-haiku-4-5": odd})
    assert book("claude-haiku-4-5") is odd
    assert book("claude-haiku-4-5-20251001") is odd, "the resolved name of what was asked for"
    assert book("claude-opus-5") == price_of("claude-opus-5")
    assert sorted(book.known) == ["claude-haiku-4-5", "claude-opus-5"]


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-opus-5"])
def test_a_price_survives_the_state_file(model: str) -> None:
    price = known(model)
    assert decode(Price, json.loads(json.dumps(encode(price)))) == price
