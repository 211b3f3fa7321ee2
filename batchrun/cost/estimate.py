"""What requests will cost, guessed from their bytes before anything is sent.

How many tokens a text has, only the token-count endpoint knows (`plan --exact`). From bytes alone:

- *low*: one token in 6 bytes of the request's JSON. English prose has about 4.5 bytes a token, most other
  text fewer, and the JSON around a long text hardly counts.
- *high*: one token a byte. A byte-level tokenizer begins with the bytes of the UTF-8 and only ever joins them, so
  no text has more tokens than bytes, whatever its letters spell: base64, a genome, a cipher. What the service
  writes around a turn is shorter than the JSON around it. So a budget held with it is safe, and loose by a factor
  of four to five for prose; what the job's own answers took (`cost.history`) tells more.
- Models from 4.7 on count about 30 % more tokens for the same text (api-facts §6), which raises *low*.
- Tools and structured output bring a system prompt of the service's own: up to 1,000 tokens each.
- An image is scaled down first: never more than 5,000 tokens, and no more than one for each square of 28 pixels
  where its size is seen. A PDF is a picture of every page, up to 3,000 tokens, and the text on it: a token a
  byte of what draws it. Where its pages cannot be counted, the model's context window is the bound.
- No request reads more than the model's context window; a longer one fails and costs nothing.
- Output: `max_tokens` bounds it, thinking included (api-facts §4). *low* is a twentieth of it.
- Web pages and searches, and documents named by id or URL, are not in the request's bytes. Such requests are
  counted as `open_ended`: *high* takes a full context window for them; a loop of server tools may read it
  more than once, and its fees come on top.

Costs are at batch price. `cost_low` is without caching. `cost_high` is the bound a budget is held with: it
takes every cacheable prefix as written anew and never read. What caching changes stands apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import orjson

from batchrun import jsonbytes
from batchrun.cost.amounts import Estimate, Price
from batchrun.cost.models import facts_of
from batchrun.cost.prices import DISCOUNT, PriceLookup, is_before
from batchrun.media.kinds import PDF
from batchrun.media.look import Look, look_at

BYTES_PER_TOKEN_LOW = 6
NEW_TOKENIZER = 1.3
SERVICE_PROMPT = 1_000
"""Tokens that tools, or structured output, add to what was sent."""
IMAGE_LOW, IMAGE_HIGH = 100, 5_000
_PATCH = 28
"""Pixels: no model sees more of an image than a token for each square of that side, and each edge may cut one."""
_SCALED_SIDE, _SCALED_AREA, _PIXELS_PER_TOKEN_LOW = 1_568, 1_150_000, 1_000
"""What a large image is scaled to at the least, and how many of its pixels a token holds at the most."""
PAGE_LOW, PAGE_HIGH = 1_500, 3_000
PDF_BYTES_PER_TOKEN_LOW = 100
OUTPUT_SHARE_LOW = 0.05
DEFAULT_CONTEXT = 1_000_000


# JSON inside a string has its quotes escaped, so none of these marks is ever a row's own text.
_TYPE = b'"type":"'
_BASE64 = b'"type":"base64"'
_MEDIA = re.compile(rb'"data":"([^"]*)","media_type":"([^"]*)","type":"base64"')
_IMAGE = b'"type":"image"'
_BY_ID, _BY_URL = b'"type":"file"', b'"type":"url"'
_SERVER_TOOL = re.compile(rb'"type":"(?:web_search|web_fetch|code_execution|tool_search|advisor|mcp)_')
_TOOLS = b'"tools":['
_STRUCTURED = b'"type":"json_schema"'
_CACHED = b'"cache_control":{'
_HOUR = b'"ttl":"1h"'
_US, _MESSAGES = b'"inference_geo":"us"', b'"messages":'


@dataclass(frozen=True, slots=True)
class _Model:
    """What every request of a model shares."""

    price: Price | None
    factor: float
    context: int
    linear: int
    """Bytes up to which a request's cost is linear in its bytes: no window and no price band is near."""

    def low(self, size: int) -> float:
        return size / BYTES_PER_TOKEN_LOW * self.factor


@dataclass(slots=True)
class _Plain:
    """Requests of one model that hold text and nothing else, and are small: counts are all that is needed."""

    requests: int = 0
    size: int = 0
    output_low: int = 0
    output_high: int = 0


class Estimator:
    """Adds up requests; holds nothing that grows with their number."""

    def __init__(self, price_of: PriceLookup) -> None:
        self._price_of = price_of
        self._models: dict[str, _Model] = {}
        self._plain: dict[str, _Plain] = {}
        self._requests = self._unpriced = self._open_ended = 0
        self._input_low = self._input_high = self._output_low = self._output_high = 0
        self._cacheable_low = self._cacheable_high = 0
        self._cost_low = self._cost_high = self._saving = self._premium = 0.0

    def add(self, params: bytes, *, model: str, max_tokens: int, media: int = 0) -> None:
        """One request, its `params` as they are sent: compact JSON with sorted keys. `media` of its bytes are
        known to be base64; more may be."""
        facts = self._models.get(model) or self._facts(model)
        if not media and _is_plain(params) and len(params) <= facts.linear:
            self._count(model, 1, len(params), max_tokens)
            return
        text, low, high, open_ended = _media(params, facts, media)
        low = min(int(low + facts.low(len(text))), facts.context)
        high = min(high + len(text), facts.context)
        output_low = int(max_tokens * OUTPUT_SHARE_LOW)
        self._requests += 1
        self._open_ended += open_ended
        self._input_low += low
        self._input_high += high
        self._output_low += output_low
        self._output_high += max_tokens
        cached = self._cacheable(params, facts, low, high, media=text is not params)
        if facts.price is None:
            self._unpriced += 1
        else:
            us_only = params.find(_US, 0, params.find(_MESSAGES)) >= 0
            geo = facts.price.us_factor if us_only else 1.0
            self._add_low(facts.price, low, output_low, cached[0], geo)
            self._add_high(facts.price, high, max_tokens, cached[1], geo, hour=_HOUR in params)

    def add_all(
        self, params: Sequence[bytes], *, same: bytes, text: bytes, model: str, max_tokens: int
    ) -> None:
        """Many requests (at least one) that differ in text only: what one is, all are. `same` is what each of
        them has, `text` what they have beside it in all, so that the prompt's bytes are counted once."""
        facts = self._models.get(model) or self._facts(model)
        if _is_plain(params[0]) and max(map(len, params)) <= facts.linear:
            number = len(params)
            self._count(model, number, number * len(same) + len(text), max_tokens)
        else:
            for one in params:
                self.add(one, model=model, max_tokens=max_tokens)

    def _count(self, model: str, requests: int, size: int, max_tokens: int) -> None:
        sums = self._plain.setdefault(model, _Plain())
        sums.requests += requests
        sums.size += size
        sums.output_low += requests * int(max_tokens * OUTPUT_SHARE_LOW)
        sums.output_high += requests * max_tokens

    def _cacheable(
        self, params: bytes, facts: _Model, low: int, high: int, *, media: bool
    ) -> tuple[int, int]:
        """Tokens, low and high, of the prefix that caching keeps."""
        if _CACHED not in params:
            return 0, 0
        prefix = _prefix(params)
        kept = min(low, int(facts.low(len(prefix)))), min(high, len(prefix))
        if media:  # pictures are part of the prefix, or not: the dear side
            kept = kept[0], high
        self._cacheable_low += kept[0]
        self._cacheable_high += kept[1]
        return kept

    def _add_low(self, price: Price, tokens: int, output: int, cached: int, geo: float) -> None:
        rates = price.for_prompt(tokens)
        self._cost_low += (tokens * rates.input + output * rates.output) * geo
        self._saving += cached * (rates.input - rates.cache_read) * geo

    def _add_high(
        self, price: Price, tokens: int, output: int, cached: int, geo: float, *, hour: bool
    ) -> None:
        rates = price.for_prompt(tokens)
        write = rates.cache_write_1h if hour else rates.cache_write_5m
        premium = cached * (write - rates.input) * geo
        self._premium += premium
        self._cost_high += (tokens * rates.input + output * rates.output) * geo + premium

    def _facts(self, model: str) -> _Model:
        facts, price = facts_of(model), self._price_of(model)
        context = facts.context if facts else DEFAULT_CONTEXT
        bands = price.rates[1:] if price else ()
        found = self._models[model] = _Model(
            price=price,
            factor=1.0 if is_before(model, (4, 7)) else NEW_TOKENIZER,
            context=context,
            linear=min([context, *(rates.prompt_tokens_over for rates in bands)]) - 1,
        )
        return found

    def total(self) -> Estimate:
        plain = [_estimate_of(sums, self._models[model]) for model, sums in self._plain.items()]
        return sum(plain, self._others())

    def _others(self) -> Estimate:
        priced = not self._unpriced
        return Estimate(
            requests=self._requests,
            input_low=self._input_low,
            input_high=self._input_high,
            output_low=self._output_low,
            output_high=self._output_high,
            cost_low=_usd(self._cost_low) if priced else None,
            cost_high=_usd(self._cost_high) if priced else None,
            cacheable_low=self._cacheable_low,
            cacheable_high=self._cacheable_high,
            cache_saving=_usd(self._saving),
            cache_premium=_usd(self._premium),
            unpriced=self._unpriced,
            open_ended=self._open_ended,
        )


def _estimate_of(sums: _Plain, model: _Model) -> Estimate:
    low, high = int(model.low(sums.size)), sums.size
    rates = model.price.rates[0] if model.price else None
    return Estimate(
        requests=sums.requests,
        input_low=low,
        input_high=high,
        output_low=sums.output_low,
        output_high=sums.output_high,
        cost_low=_usd(low * rates.input + sums.output_low * rates.output) if rates else None,
        cost_high=_usd(high * rates.input + sums.output_high * rates.output) if rates else None,
        unpriced=0 if rates else sums.requests,
    )


def _is_plain(params: bytes) -> bool:
    """Every block, tool and marker has a type: without one it is a string of text and nothing else."""
    return _TYPE not in params and _US not in params


def _usd(micro: float) -> float:
    return round(micro * DISCOUNT / 1e6, 10)


def _media(params: bytes, model: _Model, media: int) -> tuple[bytes, float, int, bool]:
    """The request without its base64, and what its pictures, documents and tools add: tokens low and high,
    and whether there is more that the bytes do not show."""
    text, low, high, shown = params, 0.0, 0, 0
    if media or _BASE64 in params:
        text = _MEDIA.sub(b"", params)
        for data, kind in _MEDIA.findall(params):
            is_image = kind.startswith(b"image/")
            shown += is_image
            least, most = (_image if is_image else _document)(look_at(data), model)
            low, high = low + least, high + most
    images = params.count(_IMAGE)
    unseen = max(images - shown, 0)
    elsewhere = params.count(_BY_ID) + params.count(_BY_URL) - unseen
    open_ended = elsewhere > 0 or (_TOOLS in params and _SERVER_TOOL.search(params) is not None)
    low += unseen * IMAGE_LOW
    high += unseen * IMAGE_HIGH + ((_TOOLS in params) + (_STRUCTURED in params)) * SERVICE_PROMPT
    return text, low, high + (model.context if open_ended else 0), open_ended


def _image(look: Look, _model: _Model) -> tuple[float, int]:
    """Tokens of an image, low and high."""
    width, height = look.width, look.height
    if not width or not height:
        return IMAGE_LOW, IMAGE_HIGH
    scale = min(1.0, _SCALED_SIDE / max(width, height), sqrt(_SCALED_AREA / (width * height)))
    most = min(IMAGE_HIGH, (width // _PATCH + 2) * (height // _PATCH + 2))
    return min(width * height * scale * scale / _PIXELS_PER_TOKEN_LOW, most), most


def _document(look: Look, model: _Model) -> tuple[float, int]:
    """Tokens of a document, low and high."""
    if look.kind == PDF and look.pages is not None and look.text is not None:
        return look.pages * PAGE_LOW, look.pages * PAGE_HIGH + look.text
    return look.size / PDF_BYTES_PER_TOKEN_LOW, model.context


def _prefix(params: bytes) -> bytes:
    """The part of a request that its last cache breakpoint keeps: tools, then system, then messages."""
    request = orjson.loads(params)
    everything = "cache_control" in request
    parts, kept = [], 0
    for block in _blocks(request):
        parts.append(_MEDIA.sub(b"", jsonbytes.dumps(block)))
        if everything or (isinstance(block, dict) and "cache_control" in block):
            kept = len(parts)
    return b"".join(parts[:kept])


def _blocks(request: dict[str, Any]) -> Iterator[Any]:
    for content in (request.get("tools"), request.get("system")):
        yield from content if isinstance(content, list) else [content or ""]
    for message in request.get("messages") or []:
        content = message.get("content")
        yield from content if isinstance(content, list) else [content or ""]
