"""What tokens cost in a batch. All rates are USD per million tokens *before* the batch discount.

Facts from api-facts §7 and §4: a batch costs half of every token price, cache writes and reads included;
price bands go by the size of the whole prompt and hold for all of its tokens; `inference_geo: us` costs 1.1
times as much from version 4.6 on; web searches are $10 per 1,000, and as no source says that batches discount
them, they are counted in full; a refusal of category `cyber` before any output is free.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TypeAlias

from batchrun.clockwork import REAL, Clockwork
from batchrun.cost.amounts import US_FACTOR, Price, Rates
from batchrun.cost.models import facts_of
from batchrun.cost.usage import Tokens, searches_of
from batchrun.model import Json

DISCOUNT = 0.5
SEARCH_USD = 10 / 1000
TICKS = 10**10
"""To the USD. Costs are whole ticks until they are shown: the same rows give the same sum in any order."""
_TICKS_OF_MICRO = TICKS // 1_000_000


PriceLookup: TypeAlias = Callable[[str], Price | None]


def cost_ticks(price: Price, tokens: Tokens, *, us_only: bool = False, searches: int = 0) -> int:
    """What tokens cost at batch price."""
    fresh, out, written_5m, written_1h, cached = tokens
    rates = price.rates[0]
    if len(price.rates) > 1:
        rates = price.for_prompt(fresh + written_5m + written_1h + cached)
    micro = fresh * rates.input + out * rates.output
    if written_5m or written_1h or cached:
        micro = (
            micro
            + written_5m * rates.cache_write_5m
            + written_1h * rates.cache_write_1h
            + cached * rates.cache_read
        )
    geo = price.us_factor if us_only else 1.0
    ticks = round(micro * DISCOUNT * geo * _TICKS_OF_MICRO)
    return ticks + round(searches * SEARCH_USD * TICKS) if searches else ticks


def message_ticks(price: Price, message: Mapping[str, Json], tokens: Tokens) -> int:
    """What one succeeded message that took these `tokens` cost, at batch price."""
    if only_tokens_cost(message):
        return cost_ticks(price, tokens)
    if message.get("stop_reason") == "refusal" and _free(message):
        return 0
    usage = message.get("usage")
    us_only = isinstance(usage, dict) and usage.get("inference_geo") == "us"
    return cost_ticks(price, tokens, us_only=us_only, searches=searches_of(message))


def only_tokens_cost(message: Mapping[str, Json]) -> bool:
    """Whether a message cost what its tokens cost at the usual rates: no fees, no factors, nothing free."""
    usage = message.get("usage")
    if isinstance(usage, dict) and (usage.get("server_tool_use") or usage.get("inference_geo") == "us"):
        return False
    return message.get("stop_reason") != "refusal"


def _free(refusal: Mapping[str, Json]) -> bool:
    details = refusal.get("stop_details")
    return not refusal.get("content") and isinstance(details, dict) and details.get("category") == "cyber"


# ---- where prices come from --------------------------------------------------------------------


class PriceBook:
    """A price lookup that keeps what it once answered, in `known`. A job saves that in its state: the same
    results then give the same costs, and the same output bytes, after genai-prices has been updated."""

    def __init__(self, known: Mapping[str, Price] | None = None) -> None:
        self.known = dict(known or {})

    def __call__(self, model: str) -> Price | None:
        """The price of `model`, or of the name that it is the dated form of: asking for `claude-haiku-4-5`
        gets answers from `claude-haiku-4-5-20251001` (api-facts §2.9). None when nobody knows it."""
        price = self.known.get(model) or self.known.get(_undated(model))
        if price is None and (price := price_of(model)) is not None:
            self.known[model] = price
        return price


def _undated(model: str) -> str:
    return re.sub(r"-20\d{6}$", "", model)


@cache
def price_of(model: str, clockwork: Clockwork = REAL) -> Price | None:
    """The price of the day: genai-prices first, our own table for what it lacks, None for an unknown model."""
    rates = _published(model, clockwork) or _shipped(model)
    return Price(rates, 1.0 if is_before(model, (4, 6)) else US_FACTOR) if rates else None


def is_before(model: str, version: tuple[int, int]) -> bool:
    """Whether the model is known to be older than `version`. An unknown one counts as new, which is the dear
    side of every rule."""
    facts = facts_of(model)
    return facts is not None and not facts.since(*version)


_PUBLISHED = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "cache_read": "cache_read_mtok",
}


def _published(model: str, clockwork: Clockwork) -> tuple[Rates, ...] | None:
    """The rates genai-prices knows. Imported here: it takes 0.2 s, and most commands need no price."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TieredPrices

    try:
        _, found = get_snapshot().find_provider_model(model, None, "anthropic", None)
    except LookupError:
        return None
    prices = vars(found.get_prices(datetime.fromtimestamp(clockwork.now(), UTC)))
    values = {ours: prices.get(theirs) for ours, theirs in _PUBLISHED.items()}
    if any(value is None for value in values.values()):
        return None
    starts = {0} | {t.start for v in values.values() if isinstance(v, TieredPrices) for t in v.tiers}

    def at(value: object, start: int) -> float:
        if not isinstance(value, TieredPrices):
            return float(value)  # type: ignore[arg-type]
        return float(next((t.price for t in reversed(value.tiers) if t.start <= start), value.base))

    return tuple(
        Rates(**{ours: at(value, start) for ours, value in values.items()}, prompt_tokens_over=start)
        for start in sorted(starts)
    )


def _shipped(model: str) -> tuple[Rates, ...] | None:
    """The rates of the table that comes with batchrun."""
    facts = facts_of(model)
    return facts.rates if facts else None
