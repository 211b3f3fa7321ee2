from __future__ import annotations

from typing import Any

import pytest

from batchrun.simulator.catalog import models
from batchrun.simulator.usage import (
    IMAGE_TOKENS,
    PDF_BYTES_PER_TOKEN,
    PromptCache,
    input_tokens,
    output_tokens,
)
from tests.simulator.helpers import params

OLD, NEW = models()["claude-haiku-4-5"], models()["claude-haiku-5-5"]
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def system(length: int, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": "s" * length, **more}]


def image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def test_tokens_follow_the_bytes() -> None:
    assert input_tokens(params("x" * 400), OLD) == 104
    assert input_tokens(params("x" * 400, system="y" * 400), OLD) == 204
    assert input_tokens(params("五" * 100), OLD) == 79


def test_newer_models_count_about_30_percent_more() -> None:
    assert input_tokens(params("x" * 400), NEW) == 134
    assert (output_tokens("x" * 400, OLD), output_tokens("x" * 400, NEW)) == (100, 130)


def test_media_weigh_by_the_piece() -> None:
    small, large = (params(messages=[{"role": "user", "content": [image("a" * n)]}]) for n in (10, 100_000))
    assert input_tokens(small, OLD) == input_tokens(large, OLD) == IMAGE_TOKENS + 4
    source = {"type": "base64", "media_type": "application/pdf", "data": "a" * 150_000}
    pdf = params(messages=[{"role": "user", "content": [{"type": "document", "source": source}]}])
    assert 3_000 < input_tokens(pdf, OLD) < 150_200 / PDF_BYTES_PER_TOKEN + 5


def test_without_a_mark_nothing_is_cached() -> None:
    assert PromptCache().usage(params("x" * 40_000), OLD) == {
        "input_tokens": 10_004,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    }


def test_the_first_request_writes_what_the_next_ones_read() -> None:
    cache = PromptCache()
    first, second = (params(text, system=system(20_000, **CACHED)) for text in ("a" * 40, "b" * 80))
    assert cache.usage(first, OLD) == {
        "input_tokens": 14,
        "cache_creation_input_tokens": 5000,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 5000},
    }
    assert cache.usage(second, OLD) == {
        "input_tokens": 24,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 5000,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    }


def test_another_model_or_another_prefix_reads_nothing() -> None:
    cache = PromptCache()
    cache.usage(params(system=system(20_000, **CACHED)), OLD)
    assert cache.usage(params(system=system(20_000, **CACHED)), NEW)["cache_read_input_tokens"] == 0
    assert cache.usage(params(system=system(20_001, **CACHED)), OLD)["cache_read_input_tokens"] == 0


def test_a_longer_prefix_reads_the_shorter_one_and_writes_the_rest() -> None:
    cache = PromptCache()
    shared = system(20_000, **CACHED)
    cache.usage(params(system=shared), OLD)
    longer = params(system=[*shared, *system(4_000, cache_control={"type": "ephemeral"})])
    usage = cache.usage(longer, OLD)
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (5000, 1000)
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 0}


@pytest.mark.parametrize(("model", "tokens"), [(OLD, 4096), (models()["claude-sonnet-4-6"], 1024)])
def test_a_short_prefix_is_not_cached(model: Any, tokens: int) -> None:
    length = tokens * 4
    assert PromptCache().usage(params(system=system(length, **CACHED)), model)["cache_creation_input_tokens"]
    short = PromptCache().usage(params(system=system(length - 4, **CACHED)), model)
    assert short["cache_creation_input_tokens"] == 0


def test_the_mark_on_the_whole_request_is_one_on_its_last_block() -> None:
    usage = PromptCache().usage(params("x" * 20_000, **CACHED), OLD)
    assert (usage["cache_creation_input_tokens"], usage["input_tokens"]) == (5000, 4)
