from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import orjson
import pytest

from batchrun.codec import decode, encode
from batchrun.cost.amounts import NO_REQUESTS, Estimate, Price
from batchrun.cost.estimate import Estimator
from batchrun.cost.prices import price_of
from tests.media.files import pdf, png


def params(content: Any = "Hi", model: str = "claude-haiku-4-5", **more: Any) -> bytes:
    """A request as `expand` writes it: sorted keys, compact."""
    request = {
        "model": model,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": content}],
        **more,
    }
    return orjson.dumps(request, option=orjson.OPT_SORT_KEYS)


def estimated(*requests: bytes) -> Estimate:
    estimator = Estimator(price_of)
    for request in requests:
        model = orjson.loads(request)["model"]
        estimator.add(request, model=model, max_tokens=100)
    return estimator.total()


def added(more: bytes, plain: bytes | None = None) -> tuple[int, int]:
    """Input tokens, low and high, that a request takes beyond a plain one."""
    with_it, without = estimated(more), estimated(plain or params())
    return with_it.input_low - without.input_low, with_it.input_high - without.input_high


def test_nothing_costs_nothing() -> None:
    assert estimated() == NO_REQUESTS


def test_output_is_bounded_by_max_tokens() -> None:
    estimate = estimated(params(), params())
    assert (estimate.requests, estimate.output_low, estimate.output_high) == (2, 10, 200)


# Between which numbers of tokens any byte-level tokenizer would put these: prose about 4.5 bytes a token,
# a Chinese character one to one and a half, a digit at most one, an emoji one to four. Letters that spell nothing
# come to one or two a token.
@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 100, 900, 1300),
        ("敏捷的棕色狐狸跳过了懒狗。" * 100, 1100, 2000),
        ("3.14159 2.71828 1.41421 " * 100, 800, 1700),
        ("Donaudampfschifffahrtsgesellschaftskapitän " * 100, 900, 1600),
        ("🙂🙃" * 100, 200, 800),
        ("GATTACAT" * 500, 1000, 4000),
        ("qX7vkZpWjRtYbNcM" * 250, 2000, 4000),
    ],
)
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-5-5"])
def test_high_bounds_the_tokens_of_any_text(text: str, least: int, most: int, model: str) -> None:
    newer = 1.3 if model == "claude-opus-5-5" else 1.0
    low, high = added(params(text, model), params("", model))
    assert low <= least * newer
    assert high == len(text.encode()) >= min(most * newer, len(text.encode()))


def test_newer_models_count_more_tokens_of_what_is_likely() -> None:
    text = "word " * 1000
    older, newer = (
        added(params(text)),
        added(params(text, "claude-opus-5-5"), params("Hi", "claude-opus-5-5")),
    )
    assert newer[0] == pytest.approx(older[0] * 1.3, abs=1)
    assert newer[1] == older[1]  # no tokenizer makes two tokens of a byte


def test_no_request_reads_more_than_the_context_window() -> None:
    assert estimated(params("x" * 5_000_000)).input_high == 200_000
    assert estimated(params("x" * 5_000_000, "claude-opus-5")).input_high == 1_000_000


def image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def document(**source: str) -> dict[str, Any]:
    return {"type": "document", "source": source}


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


def test_an_image_counts_by_its_size_whatever_its_bytes() -> None:
    one, many = (added(params([image(encoded(png(600, 300, more)))])) for more in (0, 100_000))
    assert one == many
    least, most = 600 * 300 / 784, 600 * 300 / 500  # a token for 750 pixels, or for a square of 28
    assert one[0] <= least and least <= one[1] <= most + 200
    assert estimated(params([image(encoded(png(600, 300)))])).open_ended == 0


@pytest.mark.parametrize(("width", "height", "most"), [(1, 1, 10), (8000, 8000, 5_000), (8000, 1, 600)])
def test_no_image_counts_more_than_the_largest(width: int, height: int, most: int) -> None:
    low, high = added(params([image(encoded(png(width, height)))]))
    assert low <= high <= most + 200


def test_an_image_whose_size_is_not_seen_has_the_widest_bounds() -> None:
    low, high = added(params([image(encoded(b"\xff\xd8\xff"))]))
    assert 100 <= low <= 200 and 5_000 <= high <= 5_200


def test_an_image_by_url_has_the_same_bound() -> None:
    by_url = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    low, high = added(params([by_url]))
    assert 100 <= low <= 200 and 5_000 <= high <= 5_200
    assert estimated(params([by_url])).open_ended == 0


def a_pdf(data: bytes) -> bytes:
    source = document(type="base64", media_type="application/pdf", data=encoded(data))
    return params([source], "claude-sonnet-5-5")


@pytest.mark.parametrize("objects", ["plain", "packed"])
def test_a_pdf_counts_by_its_pages(objects: str) -> None:
    low, high = added(a_pdf(pdf(40, packed=objects == "packed")), params("", "claude-sonnet-5-5"))
    assert 40 * 1_000 <= low <= 40 * 1_600
    assert 40 * 2_300 <= high <= 40 * 3_000 + 300


def test_the_text_of_a_pdf_is_in_its_bound_however_small_it_was_packed() -> None:
    page = "An ordinary sentence, and then another one. " * 60
    blank, full = (added(a_pdf(pdf(20, text))) for text in ("", page))
    assert full[1] - blank[1] >= 20 * len(page) / 4.5
    packed = added(a_pdf(pdf(20, page, packed=True)))
    assert packed[1] - blank[1] >= 20 * len(page) / 4.5


@pytest.mark.parametrize("data", [b"A" * 30_000, b"%PDF-1.7 and nothing behind it"])
def test_a_pdf_that_cannot_be_read_is_bounded_by_the_window(data: bytes) -> None:
    assert estimated(a_pdf(data)).input_high == 1_000_000


def test_structured_output_brings_a_prompt_of_its_own() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert 1_000 <= added(params(output_config={"format": form}))[1] <= 1_200


@pytest.mark.parametrize(
    "request_bytes",
    [
        params([document(type="file", file_id="file_1")]),
        params([document(type="url", url="https://example.org/a.pdf")]),
        params(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
        params(mcp_servers=[{"type": "url", "url": "https://example.org", "name": "x"}]),
    ],
)
def test_input_from_elsewhere_has_no_bound_but_the_context(request_bytes: bytes) -> None:
    estimate = estimated(request_bytes)
    assert (estimate.open_ended, estimate.input_high) == (1, 200_000)


def test_a_row_that_talks_about_such_things_is_only_text() -> None:
    text = '{"type":"web_search_20250305"} {"type":"file"} {"type":"image"} {"cache_control":{}} "tools":['
    estimate = estimated(params(text))
    assert (estimate.open_ended, estimate.cacheable_high) == (0, 0)
    assert estimate.input_high < 200


def test_tools_bring_a_prompt_of_their_own() -> None:
    tools = [{"name": "look_up", "input_schema": {"type": "object"}}]
    assert 1_000 <= added(params(tools=tools))[1] <= 1_100


CACHED = {"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral"}}


def test_what_caching_changes_stands_apart() -> None:
    plain = {key: value for key, value in CACHED.items() if key != "cache_control"}
    cached, uncached = estimated(params(system=[CACHED])), estimated(params(system=[plain]))
    assert cached.cost_low == pytest.approx(uncached.cost_low, rel=0.02)
    assert cached.cost_high is not None and uncached.cost_high is not None
    assert cached.cost_high == pytest.approx(uncached.cost_high + cached.cache_premium, rel=0.02)
    # Haiku 4.5 at batch price: 0.5 in, 0.625 to write, 0.05 to read.
    assert cached.cache_premium == pytest.approx(cached.cacheable_high * 0.125e-6)
    assert cached.cache_saving == pytest.approx(cached.cacheable_low * 0.45e-6)
    assert uncached.cache_premium == uncached.cache_saving == 0


def test_an_hour_in_the_cache_costs_more() -> None:
    hour = {**CACHED, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    estimate = estimated(params(system=[hour]))
    assert estimate.cache_premium == pytest.approx(estimate.cacheable_high * 0.5e-6)


def test_only_what_stands_before_the_last_breakpoint_is_cacheable() -> None:
    tail = {"type": "text", "text": "word " * 2000}
    first, both = estimated(params([CACHED, tail])), estimated(params([tail, CACHED]))
    assert both.cacheable_low == pytest.approx(2 * first.cacheable_low, rel=0.02)
    everything = estimated(params([tail, tail], cache_control={"type": "ephemeral"}))
    assert everything.cacheable_low == pytest.approx(both.cacheable_low, rel=0.02)


def test_a_price_band_is_taken_by_the_size_of_each_request() -> None:
    small, large = params("word " * 1000, "claude-haiku-5-5"), params("word " * 200_000, "claude-haiku-5-5")
    alone = [estimated(small), estimated(large)]
    low, high = (e.cost_low for e in alone)
    assert low is not None and high is not None
    assert high / alone[1].input_low > 4 * low / alone[0].input_low
    both = estimated(small, large)
    assert both == alone[0] + alone[1]


def test_an_unknown_price_makes_the_cost_unknown() -> None:
    estimate = estimated(params(), params(model="claude-opus-99"))
    assert (estimate.cost_low, estimate.cost_high, estimate.unpriced) == (None, None, 1)
    total = estimate + estimated(params())
    assert (total.cost_high, total.requests, total.unpriced) == (None, 3, 1)


def test_us_only_inference_is_in_the_cost() -> None:
    us, other = (params(model="claude-opus-5", inference_geo=geo) for geo in ("us", "eu"))
    assert estimated(us).cost_high == pytest.approx((estimated(other).cost_high or 0) * 1.1, rel=0.01)


def test_a_price_lookup_is_asked_once_per_model() -> None:
    asked: list[str] = []

    def lookup(model: str) -> Price | None:
        asked.append(model)
        return None

    estimator = Estimator(lookup)
    for _ in range(3):
        estimator.add(params(), model="m", max_tokens=1)
    assert asked == ["m"]


def test_an_estimate_survives_the_state_file() -> None:
    estimate = estimated(params(system=[CACHED]))
    assert decode(Estimate, json.loads(json.dumps(encode(estimate)))) == estimate
    unknown = estimated(params(model="claude-opus-99"))
    value = encode(unknown)
    assert "cost_high" not in value
    assert decode(Estimate, value) == unknown
