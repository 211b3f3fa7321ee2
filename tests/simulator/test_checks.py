"""Each fault the API finds when it runs a request, and that the client's own checks find it, too."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from batchrun.requests.params import check as client_check
from batchrun.simulator.checks import Setting, check, check_countable
from batchrun.simulator.checks_messages import ParamFault
from tests.simulator.helpers import VERSIONS, params

OLD, NEW = VERSIONS
TODAY = date(2026, 11, 22)
LONG = "output-300k-2026-03-24"
TOOL = {"name": "look", "input_schema": {"type": "object"}}
USER = {"role": "user", "content": "hi"}
PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)


def turn(*blocks: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(blocks)}]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in params().items() if key != name}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (without("messages"), "messages: Field required"),
    (without("model"), "model: Field required"),
    (without("max_tokens"), "max_tokens: Field required"),
    (params(max_tokens=0), "`max_tokens: 0` is not supported in the Message Batches API"),
    (params(max_tokens=-1), "max_tokens: Input should be greater than or equal to 1"),
    (params(max_tokens="100"), "max_tokens: Input should be a valid integer"),
    (params(max_tokens=True), "max_tokens: Input should be a valid integer"),
    (
        params(max_tokens=64_001),
        (
            "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for"
            " claude-haiku-4-5-20251001"
        ),
    ),
    (params(stream=True), "`stream=True` is not supported in the Message Batches API"),
    (params(speed="fast"), "`speed` is not supported in the Message Batches API"),
    (params(store=True), "`store` is not supported in the Message Batches API"),
    (params(cache_hint={}), "`cache_hint` is not supported in the Message Batches API"),
    (params(context_hint={}), "`context_hint` is not supported in the Message Batches API"),
    (params(fallbacks=[]), "`fallbacks` is not supported in the Message Batches API"),
    (
        params(previous_thread_event_id="x"),
        "`previous_thread_event_id` is not supported in the Message Batches API",
    ),
    (
        params(research_preview_2026_02="active"),
        "`research_preview_2026_02` is not supported in the Message Batches API",
    ),
    (
        params(billing_policy={"bill_to": "user_profile"}),
        "billing_policy.bill_to: user_profile is not supported in the Message Batches API",
    ),
    (params(messages=[]), "messages: at least one message is required"),
    (params(messages={}), "messages: Input should be a valid list"),
    (params(messages=["hi"]), "messages.0: Input should be a valid dictionary"),
    (params(messages=[USER, {"role": "user"}]), "messages.1.content: Field required"),
    (params(messages=[{"content": "x"}]), "messages.0.role: Field required"),
    (
        params(messages=[{"role": "tool", "content": "x"}]),
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    (params(messages=[{"role": "user", "content": 7}]), "messages.0.content: Input should be a valid list"),
    (params(temperature=1.1), "temperature: Input should be between 0 and 1"),
    (
        params(temperature=0.5, model="claude-opus-4-8"),
        "temperature: only the default value is supported by claude-opus-4-8",
    ),
    (
        params(top_p=0.9, model="claude-opus-4-8"),
        "top_p: only the default value is supported by claude-opus-4-8",
    ),
    (
        params(top_k=5, model="claude-sonnet-5"),
        "top_k: only the default value is supported by claude-sonnet-5",
    ),
    (params(messages=[USER, {"role": "assistant", "content": "I"}], model="claude-opus-5"), PREFILL),
    (params(thinking={"type": "adaptive"}), '"thinking.type.adaptive" is not supported for this model'),
    (
        params(thinking={"type": "enabled", "budget_tokens": 2000}, model="claude-opus-4-7"),
        '"thinking.type.enabled" is not supported for this model',
    ),
    (
        params(thinking={"type": "disabled"}, model="claude-fable-5"),
        '"thinking.type.disabled" is not supported for this model',
    ),
    (
        params(thinking={"type": "between_tools"}, model="claude-opus-5-5"),
        '"thinking.type.between_tools" is not supported for this model',
    ),
    (
        params(thinking={"type": "enabled", "budget_tokens": 1000}, max_tokens=5000),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    (
        params(thinking={"type": "enabled"}, max_tokens=5000),
        "thinking.enabled.budget_tokens: Field required",
    ),
    (
        params(thinking={"type": "enabled", "budget_tokens": 5000}, max_tokens=5000),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    (
        params(tools=[TOOL], tool_choice={"type": "any"}, model="claude-sonnet-5-5"),
        "tool_choice.type: 'any' is not supported by claude-sonnet-5-5",
    ),
    (
        params(tools=[TOOL], tool_choice={"type": "tool", "name": "leap"}),
        "tool_choice: Tool 'leap' not found in provided tools",
    ),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_the_api_refuses_the_client_refuses_first(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamFault) as caught:
        check(given, Setting(OLD, (), TODAY))
    assert (caught.value.type, str(caught.value)) == ("invalid_request_error", message)
    assert client_check(given, api_version=OLD, betas=(), today=TODAY)


NEWEST_ONLY: list[tuple[dict[str, Any], str]] = [
    (params(temperature=1), "temperature: Extra inputs are not permitted"),
    (params(top_p=0.9), "top_p: Extra inputs are not permitted"),
    (params(top_k=5), "top_k: Extra inputs are not permitted"),
    (
        params(messages=[*turn({"type": "document", "source": {"type": "text"}}, role="assistant"), USER]),
        "messages.0.content.0: document blocks are not permitted in assistant turns",
    ),
    (
        params(messages=turn({"type": "text", "text": "x", "citations": [{}]})),
        "messages.0.content.0.citations: citations are not permitted on text blocks of user turns",
    ),
    (
        params(
            messages=turn(
                {"type": "search_result", "content": [{"type": "text", "text": "x", "citations": [{}]}]}
            )
        ),
        "messages.0.content.0.content.0.citations: citations are not permitted on text blocks of user turns",
    ),
]


@pytest.mark.parametrize(("given", "message"), NEWEST_ONLY)
def test_what_the_newest_version_took_away(given: dict[str, Any], message: str) -> None:
    check(given, Setting(OLD, (), TODAY))
    assert [p for p in client_check(given, api_version=OLD, betas=()) if not p.warning] == []
    with pytest.raises(ParamFault) as caught:
        check(given, Setting(NEW, (), TODAY))
    assert str(caught.value) == message
    assert [p for p in client_check(given, api_version=NEW, betas=()) if not p.warning]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "given",
    [
        params(),
        params(stream=False, system="Be short.", metadata={"user_id": "u"}, service_tier="auto"),
        params(stop_sequences=["END"], inference_geo="us", container=None, diagnostics=None),
        params(thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=5000),
        params(thinking={"type": "adaptive", "display": "omitted"}, model="claude-opus-5-5"),
        params(thinking={"type": "between_tools"}, model="claude-sonnet-5-5"),
        params(tools=[TOOL], tool_choice={"type": "any"}),
        params(tools=[{"type": "web_search_20260318", "name": "web_search"}]),
        params(output_config={"effort": "high", "format": {"type": "json_schema", "schema": {}}}),
        params(messages=[USER, {"role": "assistant", "content": "I"}]),
        params(messages=[USER, *turn({"type": "server_tool_use"}, role="assistant")], model="claude-opus-5"),
        params(system=[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
        params(
            messages=turn({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})
        ),
    ],
)
def test_what_is_taken_by_both(given: dict[str, Any], version: str) -> None:
    check(given, Setting(version, (), TODAY))
    assert [p for p in client_check(given, api_version=version, betas=()) if not p.warning] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (params(wish=1), "wish: Extra inputs are not permitted"),
        (params(mcp_servers=[]), "mcp_servers: Extra inputs are not permitted"),
        (params(tools={}), "tools: Input should be a valid list"),
        (params(tools=[7]), "tools.0: Input should be a valid dictionary"),
        (params(tools=[{"name": "x"}]), "tools.0.input_schema: Field required"),
        (
            params(tool_choice={"type": "any"}),
            "tool_choice: may only be specified while providing tools",
        ),
        (
            params(tool_choice={"type": "must"}),
            "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'",
        ),
        (params(temperature="hot"), "temperature: Input should be a valid number"),
        (params(top_k=0.5), "top_k: Input should be a valid integer"),
        (
            params(thinking={"type": "hard"}),
            "thinking.type: Input should be 'adaptive', 'between_tools', 'disabled' or 'enabled'",
        ),
        (params(output_config={"form": 1}), "output_config.form: Extra inputs are not permitted"),
        (
            params(output_config={"effort": "huge"}),
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
        ),
        (
            params(output_config={"format": {"type": "json"}}),
            "output_config.format.type: Input should be 'json_schema'",
        ),
        (
            params(output_config={"format": {"type": "json_schema"}}),
            "output_config.format.schema: Field required",
        ),
        (params(stop_sequences=["a", 1]), "stop_sequences.1: Input should be a valid string"),
        (params(metadata={"name": "x"}), "metadata.name: Extra inputs are not permitted"),
        (params(service_tier="gold"), "service_tier: Input should be 'auto' or 'standard_only'"),
    ],
)
def test_slips_that_the_spec_schema_catches(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamFault) as caught:
        check(given, Setting(OLD, (), TODAY))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("model", "today", "known"),
    [
        ("claude-haiku-4-5", TODAY, True),
        ("claude-haiku-4-5-20251001", TODAY, True),
        ("claude-sonnet-4-5", TODAY, True),
        ("claude-sonnet-4-5", date(2026, 11, 30), False),
        ("claude-opus-5-20260723", TODAY, False),
        ("claude-haiku-3", TODAY, False),
        ("gpt", TODAY, False),
    ],
)
def test_models(model: str, today: date, known: bool) -> None:
    given, setting = params(model=model), Setting(OLD, (), today)
    if known:
        check(given, setting)
        return
    with pytest.raises(ParamFault) as caught:
        check(given, setting)
    assert (caught.value.type, str(caught.value)) == ("not_found_error", f"model: {model}")
    assert client_check(given, api_version=OLD, betas=(), today=today)


def test_long_output_needs_its_beta() -> None:
    given = params(model="claude-opus-5", max_tokens=300_000)
    check(given, Setting(OLD, (LONG,), TODAY))
    assert client_check(given, api_version=OLD, betas=(LONG,)) == []
    with pytest.raises(ParamFault, match="300000 > 128000"):
        check(given, Setting(OLD, (), TODAY))
    with pytest.raises(ParamFault, match="300001 > 300000"):
        check(params(model="claude-opus-5", max_tokens=300_001), Setting(OLD, (LONG,), TODAY))


def test_what_only_a_beta_lets_in() -> None:
    check(params(mcp_servers=[]), Setting(OLD, ("mcp-client-2025-11-20",), TODAY))


def test_the_profile_of_a_request_and_of_its_batch() -> None:
    check(params(user_profile_id="a"), Setting(OLD, (), TODAY, "a"))
    check(params(user_profile_id="a"), Setting(OLD, (), TODAY))
    with pytest.raises(ParamFault, match="user_profile_id: conflicts with the anthropic-user-profile-id"):
        check(params(user_profile_id="a"), Setting(OLD, (), TODAY, "b"))


def test_what_can_be_counted() -> None:
    countable = without("max_tokens")
    assert check_countable(countable, TODAY).id == "claude-haiku-4-5-20251001"
    with pytest.raises(ParamFault, match="max_tokens: Extra inputs are not permitted"):
        check_countable(params(), TODAY)
