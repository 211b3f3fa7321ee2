"""What the API finds wrong with one request when it runs it (api-facts §1.1, §3.2, §3.3, §4).

Written apart from the client's own checks on purpose: the two were read from the same facts by different
eyes, and where they disagree a test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from batchrun.simulator import catalog
from batchrun.simulator.catalog import Model
from batchrun.simulator.checks_media import check_media
from batchrun.simulator.checks_messages import ParamFault, check_messages, check_system
from batchrun.simulator.checks_schema import check_answer_schemas
from batchrun.simulator.checks_texts import check_begun_answer, check_texts
from batchrun.simulator.checks_together import check_together
from batchrun.simulator.checks_tools import check_stops, check_tool_names, check_tool_turns
from batchrun.simulator.usage import input_tokens

LONG_OUTPUT = "output-300k-2026-03-24"
NEWEST_VERSION = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")
_DEFAULT_FROM = {"temperature": 1, "top_p": 0.99}  # what passes for the default where only that is taken
_KNOWN = frozenset(
    {
        "model", "max_tokens", "messages", "system", "stop_sequences", "thinking", "tools", "tool_choice",
        "output_config", "cache_control", "metadata", "container", "diagnostics", "inference_geo",
        "service_tier", "user_profile_id", "stream", "fallback_credit_token", "billing_policy", *_SAMPLING,
    }
)  # fmt: skip
_WITH_A_BETA = frozenset({"mcp_servers", "context_management", "compaction"})
_NOT_IN_BATCHES = (
    "speed", "store", "previous_thread_event_id", "thread", "cache_hint", "context_hint", "fallbacks"
)  # fmt: skip
_COUNTABLE = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control",
        "speed", "user_profile_id",
    }
)  # fmt: skip
_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "stop_sequences": (list, "list"),
    "tools": (list, "list"),
    "tool_choice": (dict, "dictionary"),
    "thinking": (dict, "dictionary"),
    "output_config": (dict, "dictionary"),
    "metadata": (dict, "dictionary"),
    "cache_control": (dict, "dictionary"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for the whole batch."""

    api_version: str
    betas: tuple[str, ...]
    today: date
    user_profile_id: str | None = None


def check(params: dict[str, Any], setting: Setting) -> Model:
    """The model that answers. Raises ParamFault with the first thing that is wrong."""
    _check_keys(params, setting)
    model = check_model(params, setting.today)
    _check_max_tokens(params, model, setting.betas)
    check_messages(params, newest=setting.api_version == NEWEST_VERSION)
    check_system(params)
    for name, (kind, word) in _KINDS.items():
        if params.get(name) is not None and not isinstance(params[name], kind):
            raise ParamFault(f"{name}: Input should be a valid {word}")
    check_texts(params)
    _check_sampling(params, model)
    _check_prefill(params, model)
    check_begun_answer(params)
    _check_thinking(params, model)
    _check_tools(params, model)
    check_tool_names(params)
    check_tool_turns(params)
    _check_output_config(params)
    check_answer_schemas(params)
    _check_rest(params)
    check_stops(params)
    check_together(params)
    check_media(params, model)
    if (tokens := input_tokens(params, model)) > model.context:
        raise ParamFault(f"prompt is too long: {tokens} tokens > {model.context} maximum")
    return model


def check_countable(params: dict[str, Any], today: date) -> Model:
    """The same for a body of count_tokens, which takes less (api-facts §6)."""
    for name in params:
        if name not in _COUNTABLE:
            raise ParamFault(f"{name}: Extra inputs are not permitted")
    model = check_model(params, today)
    check_messages(params, newest=False)
    check_system(params)
    return model


def check_model(params: Mapping[str, Any], today: date) -> Model:
    name = params.get("model")
    if name is None:
        raise ParamFault("model: Field required")
    if not isinstance(name, str):
        raise ParamFault("model: Input should be a valid string")
    model = catalog.models().get(name)
    if model is None or model.lifecycle(today) == "retired":
        raise ParamFault(f"model: {name}", type="not_found_error")
    return model


def _check_keys(params: Mapping[str, Any], setting: Setting) -> None:
    if params.get("stream"):
        raise ParamFault("`stream=True` is not supported in the Message Batches API")
    for name in _NOT_IN_BATCHES:
        if name in params:
            raise ParamFault(f"`{name}` is not supported in the Message Batches API")
    if params.get("research_preview_2026_02") == "active":
        raise ParamFault("`research_preview_2026_02` is not supported in the Message Batches API")
    for name in params:
        gone = name in _SAMPLING and setting.api_version == NEWEST_VERSION
        allowed = name in _KNOWN or (setting.betas and name in _WITH_A_BETA)
        if gone or not allowed:
            raise ParamFault(f"{name}: Extra inputs are not permitted")
    bill_to = (params.get("billing_policy") or {}).get("bill_to")
    if bill_to == "user_profile":
        raise ParamFault("billing_policy.bill_to: user_profile is not supported in the Message Batches API")
    profile = params.get("user_profile_id")
    if profile is not None and setting.user_profile_id is not None and profile != setting.user_profile_id:
        raise ParamFault("user_profile_id: conflicts with the anthropic-user-profile-id header of the batch")


def _check_max_tokens(params: Mapping[str, Any], model: Model, betas: tuple[str, ...]) -> None:
    if "max_tokens" not in params:
        raise ParamFault("max_tokens: Field required")
    asked = params["max_tokens"]
    if not _is_int(asked):
        raise ParamFault("max_tokens: Input should be a valid integer")
    if asked < 0:
        raise ParamFault("max_tokens: Input should be greater than or equal to 1")
    if asked == 0:
        raise ParamFault("`max_tokens: 0` is not supported in the Message Batches API")
    most = model.max_output_beta if LONG_OUTPUT in betas else model.max_output
    if asked > most:
        allowed = f"which is the maximum allowed number of output tokens for {model.id}"
        raise ParamFault(f"max_tokens: {asked} > {most}, {allowed}")


def _check_sampling(params: Mapping[str, Any], model: Model) -> None:
    for name in _DEFAULT_FROM:
        value = params.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParamFault(f"{name}: Input should be a valid number")
        if not 0 <= value <= 1:
            raise ParamFault(f"{name}: Input should be between 0 and 1")
        if model.refuses_sampling and value < _DEFAULT_FROM[name]:
            raise ParamFault(f"{name}: only the default value is supported by {model.id}")
    top_k = params.get("top_k")
    if top_k is not None and not _is_int(top_k):
        raise ParamFault("top_k: Input should be a valid integer")
    if top_k is not None and model.refuses_sampling:
        raise ParamFault(f"top_k: only the default value is supported by {model.id}")


def _check_prefill(params: Mapping[str, Any], model: Model) -> None:
    """A begun answer; a turn that ends in something else than text is one that was paused, sent back."""
    last = params["messages"][-1]
    if not model.refuses_prefill or last["role"] != "assistant":
        return
    content = last["content"]
    if isinstance(content, str) or not content or content[-1]["type"] == "text":
        raise ParamFault(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )


def _check_thinking(params: Mapping[str, Any], model: Model) -> None:
    thinking = params.get("thinking")
    if thinking is None:
        return
    form = thinking.get("type")
    if form not in ("adaptive", "between_tools", "disabled", "enabled"):
        raise ParamFault(
            "thinking.type: Input should be 'adaptive', 'between_tools', 'disabled' or 'enabled'"
        )
    if form not in model.thinking:
        raise ParamFault(f'"thinking.type.{form}" is not supported for this model')
    if form == "enabled":
        budget = thinking.get("budget_tokens")
        if not _is_int(budget):
            raise ParamFault("thinking.enabled.budget_tokens: Field required")
        if budget < 1024:
            raise ParamFault("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= params["max_tokens"]:
            raise ParamFault("`max_tokens` must be greater than `thinking.budget_tokens`")


def _check_tools(params: Mapping[str, Any], model: Model) -> None:
    tools = params.get("tools") or []
    for position, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise ParamFault(f"tools.{position}: Input should be a valid dictionary")
        if tool.get("type") in (None, "custom"):
            for name, kind in (("name", str), ("input_schema", dict)):
                if not isinstance(tool.get(name), kind):
                    raise ParamFault(f"tools.{position}.{name}: Field required")
    choice = params.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        raise ParamFault("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if kind in ("any", "tool") and model.refuses_forced_tools:
        raise ParamFault(f"tool_choice.type: '{kind}' is not supported by {model.id}")
    if not tools and not params.get("mcp_servers"):
        raise ParamFault("tool_choice: may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in [tool.get("name") for tool in tools]:
        raise ParamFault(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")


def _check_output_config(params: Mapping[str, Any]) -> None:
    config = params.get("output_config") or {}
    for name in config:
        if name not in ("effort", "format"):
            raise ParamFault(f"output_config.{name}: Extra inputs are not permitted")
    if config.get("effort") not in (None, "low", "medium", "high", "xhigh", "max"):
        raise ParamFault("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    form = config.get("format")
    if form is None:
        return
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise ParamFault("output_config.format.type: Input should be 'json_schema'")
    if not isinstance(form.get("schema"), dict):
        raise ParamFault("output_config.format.schema: Field required")


def _check_rest(params: Mapping[str, Any]) -> None:
    for position, text in enumerate(params.get("stop_sequences") or ()):
        if not isinstance(text, str):
            raise ParamFault(f"stop_sequences.{position}: Input should be a valid string")
    for name in params.get("metadata") or {}:
        if name != "user_id":
            raise ParamFault(f"metadata.{name}: Extra inputs are not permitted")
    if params.get("service_tier") not in (None, "auto", "standard_only"):
        raise ParamFault("service_tier: Input should be 'auto' or 'standard_only'")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
