from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.requests.params import DYNAMIC, KNOWN, REFUSED, check, unknown_keys

TODAY = date(2026, 11, 22)
OLD, NEW = "2023-06-01", "2026-10-21"


def request(**params: Any) -> dict[str, Any]:
    return {
        "model": "claude-haiku-4-5",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "hi"}],
    } | params


def told(params: dict[str, Any], *, version: str = OLD, betas: tuple[str, ...] = ()) -> list[str]:
    """What is said, warnings behind a '~'."""
    problems = check(params, api_version=version, betas=betas, today=TODAY)
    return [("~" * p.warning) + ".".join(map(str, p.path)) + ": " + p.message for p in problems]


def test_a_request_that_is_right() -> None:
    assert told(request()) == []


def test_what_every_request_needs() -> None:
    assert told({}) == ["model: is missing", "max_tokens: is missing", "messages: is missing"]


def test_values_known_per_row_only_pass() -> None:
    dynamic = dict.fromkeys(KNOWN - {"temperature", "top_p", "top_k"}, DYNAMIC)
    assert [line for line in told(dynamic) if not line.startswith("~")] == []
    assert told(request(messages=[DYNAMIC, {"role": DYNAMIC, "content": DYNAMIC}])) == []
    assert told(request(max_tokens=DYNAMIC, thinking={"type": "enabled", "budget_tokens": 4096})) == []


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_what_batches_refuse(key: str) -> None:
    assert told(request(**{key: True})) == [f"{key}: {REFUSED[key][0]}"]


def test_stream_false_is_what_a_batch_does_anyway() -> None:
    assert told(request(stream=False)) == []


def test_what_has_no_effect_or_needs_a_beta() -> None:
    assert told(request(fallback_credit_token="x")) == ["~fallback_credit_token: has no effect in batches"]
    assert told(request(mcp_servers=[])) == ["~mcp_servers: needs a beta header"]
    assert told(request(mcp_servers=[]), betas=("mcp-client-2025-11-20",)) == []


def test_unknown_keys() -> None:
    assert unknown_keys(request(stream=True, frobnicate=1)) == ["frobnicate"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (3, "model: must be the name of a model"),
        ("", "model: must be the name of a model"),
        ("claude-opus-4-1", "model: claude-opus-4-1 was retired on 2026-08-05"),
        ("claude-mythos-preview", "model: claude-mythos-preview was retired on 2026-06-30"),
        ("claude-sonnet-4-5", "~model: claude-sonnet-4-5 is deprecated and retires on 2026-11-30"),
        (
            "claude-opus-9",
            "~model: claude-opus-9 is not a model this version knows; its limits and price are not checked",
        ),
    ],
)
def test_models(model: object, said: str) -> None:
    assert told(request(model=model)) == [said]


def test_a_retirement_counts_from_its_day_on() -> None:
    params = request(model="claude-sonnet-4-5")
    [before] = check(params, api_version=OLD, betas=(), today=date(2026, 11, 29))
    [after] = check(params, api_version=OLD, betas=(), today=date(2026, 11, 30))
    [never] = check(params, api_version=OLD, betas=())
    assert (before.warning, after.warning, never.warning) == (True, False, True)
    assert (after.message, after.hint) == (
        "claude-sonnet-4-5 was retired on 2026-11-30",
        "use claude-sonnet-5-5",
    )


def test_an_unknown_model_comes_with_the_nearest_name() -> None:
    [problem] = check(request(model="claude-haiku-5.5"), api_version=OLD, betas=())
    assert problem.hint == "did you mean 'claude-haiku-5-5'?"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1, []),
        (64_000, []),
        (0, ["max_tokens: 0 fills a cache and answers nothing; batches refuse it"]),
        (-1, ["max_tokens: must be an integer of at least 1"]),
        (True, ["max_tokens: must be an integer of at least 1"]),
        (300.0, ["max_tokens: must be an integer of at least 1"]),
        ("300", ["max_tokens: must be an integer of at least 1"]),
        (64_001, ["max_tokens: 64,001 is more than claude-haiku-4-5 can answer: 64,000"]),
    ],
)
def test_max_tokens(value: object, said: list[str]) -> None:
    assert told(request(max_tokens=value)) == said


def test_the_beta_for_long_outputs() -> None:
    params, beta = request(model="claude-opus-5", max_tokens=200_000), "output-300k-2026-03-24"
    [problem] = check(params, api_version=OLD, betas=())
    assert problem.message == "200,000 is more than claude-opus-5 can answer: 128,000"
    assert problem.hint == "add output-300k-2026-03-24 to betas for up to 300,000"
    assert told(params, betas=(beta,)) == []
    assert told(request(max_tokens=200_000), betas=(beta,)) == [
        "max_tokens: 200,000 is more than claude-haiku-4-5 can answer: 64,000"
    ]


@pytest.mark.parametrize(
    ("model", "version", "params", "said"),
    [
        ("claude-haiku-4-5", OLD, {"temperature": 0, "top_k": 3}, []),
        ("claude-opus-4-7", OLD, {"top_p": 0.99}, []),
        ("claude-opus-4-7", OLD, {"temperature": 0}, ["temperature: claude-opus-4-7 takes only the default"]),
        ("claude-opus-4-7", OLD, {"top_k": 3}, ["top_k: claude-opus-4-7 takes only the default"]),
        ("claude-haiku-4-5", NEW, {"temperature": 1}, ["temperature: was removed in API version 2026-10-21"]),
        ("claude-haiku-4-5", OLD, {"temperature": 1.5}, ["temperature: must be from 0 to 1, not 1.5"]),
        ("claude-haiku-4-5", OLD, {"top_k": -1}, ["top_k: must be 0 or more, not -1"]),
    ],
)
def test_sampling(model: str, version: str, params: dict[str, Any], said: list[str]) -> None:
    assert told(request(model=model, **params), version=version) == said


ENABLED = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(
    ("model", "thinking", "said"),
    [
        ("claude-haiku-4-5", ENABLED, []),
        (
            "claude-haiku-4-5",
            {"type": "adaptive"},
            ["thinking.type: claude-haiku-4-5 does not take 'adaptive'"],
        ),
        ("claude-haiku-4-5", {"type": "enabled"}, ["thinking.budget_tokens: is missing: 'enabled' needs it"]),
        (
            "claude-haiku-4-5",
            {"type": "enabled", "budget_tokens": 1000},
            ["thinking.budget_tokens: must be at least 1024, not 1000"],
        ),
        (
            "claude-haiku-4-5",
            {"type": "enabled", "budget_tokens": 2000},
            ["thinking.budget_tokens: must be less than max_tokens (2000), not 2000"],
        ),
        ("claude-opus-4-6", ENABLED, ["~thinking.type: 'enabled' is deprecated on claude-opus-4-6"]),
        ("claude-opus-4-7", ENABLED, ["thinking.type: claude-opus-4-7 does not take 'enabled'"]),
        ("claude-opus-4-7", {"type": "disabled"}, []),
        (
            "claude-fable-5",
            {"type": "disabled"},
            ["~thinking.type: thinking cannot be turned off in claude-fable-5"],
        ),
        ("claude-sonnet-5-5", {"type": "between_tools"}, []),
        (
            "claude-opus-5",
            {"type": "between_tools"},
            ["~thinking.type: claude-opus-5 may not know 'between_tools'"],
        ),
    ],
)
def test_thinking(model: str, thinking: dict[str, Any], said: list[str]) -> None:
    assert told(request(model=model, thinking=thinking)) == said


_names = st.sampled_from(
    [*sorted(KNOWN), "type", "role", "content", "schema", "format", "items", "properties"]
)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**6)
    | st.floats()
    | st.sampled_from(["user", "text", "enabled", "tool", "json_schema", "claude-opus-5", "claude-haiku-4-5"])
    | st.just(DYNAMIC)
)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(params=st.dictionaries(_names, _values, max_size=6), version=st.sampled_from([OLD, NEW]))
def test_whatever_a_row_holds_is_answered_not_raised(params: dict[str, Any], version: str) -> None:
    for problem in check(params, api_version=version, betas=()):
        assert problem.message
