"""What the API would refuse in a request's `params`, found before 100,000 rows wait a day for it.

The service checks `params` only when it runs a request (api-facts §3.2), so every rule here is one that
would otherwise become an `errored` line per row. Facts that differ by model come from `models`; a model we
do not know is held against the general rules only. Values known per row only are DYNAMIC and always pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from batchrun.cost.models import OUTPUT_300K_BETA, Facts, facts_of, nearest, newest, retired_on
from batchrun.requests.params.base import (
    DYNAMIC,
    STRICT_VERSION,
    Call,
    Dynamic,
    ParamProblem,
    Steps,
    dotted,
    missing,
)
from batchrun.requests.params.blocks import messages, system
from batchrun.requests.params.caching import breakpoints
from batchrun.requests.params.content import prefill, removed
from batchrun.requests.params.media import media
from batchrun.requests.params.pairs import citations, sampling_pair, with_thinking
from batchrun.requests.params.schemas import schemas
from batchrun.requests.params.texts import begun_answers, texts
from batchrun.requests.params.tools import stop_sequences, tool_choice, tool_pairs, tools
from batchrun.requests.params.window import answer_room, window

__all__ = [
    "DYNAMIC",
    "KNOWN",
    "REFUSED",
    "Dynamic",
    "ParamProblem",
    "check",
    "dotted",
    "successor",
    "unknown_keys",
]


def check(
    params: Mapping[str, object], *, api_version: str, betas: Sequence[str], today: date | None = None
) -> list[ParamProblem]:
    """Everything wrong with one request's `params`. `today` decides which announced retirements have come."""
    model = params.get("model")
    facts = facts_of(model) if isinstance(model, str) else None
    call = Call(params, facts, api_version, betas, today)
    return [problem for rule in _RULES for problem in rule(call)]


# ---- keys --------------------------------------------------------------------------------------

REFUSED: Mapping[str, tuple[str, str]] = {
    # api-facts §3.3, §3.2. Key → what is wrong, what to do.
    "stream": ("batches never stream", "take it out"),
    "speed": ("fast mode does not work in batches", "take it out"),
    "store": ("stored threads do not work in batches", "take it out"),
    "previous_thread_event_id": (
        "stored threads do not work in batches",
        "send the whole conversation in messages",
    ),
    "cache_hint": ("cache hints do not work in batches", "use cache_control"),
    "context_hint": ("context hints do not work in batches", "take it out"),
    "thread": ("stored threads do not work in batches", "send the whole conversation in messages"),
    "fallbacks": ("fallback models do not work in batches", "run the failed rows again with another model"),
    "billing_policy": ("a batch cannot be billed to a user profile", "take it out"),
    "research_preview_2026_02": ("the research preview does not work in batches", "take it out"),
}
"""Parameters of the Messages API that end every row of a batch in an error."""

_HARMLESS = {"stream": (False, None), "research_preview_2026_02": ("inactive", None)}

_KNOWN = (
    "model max_tokens messages system temperature top_p top_k stop_sequences thinking tools tool_choice"
    " output_config cache_control metadata container diagnostics inference_geo service_tier user_profile_id"
    " mcp_servers context_management fallback_credit_token"
)
KNOWN: Final = frozenset(_KNOWN.split())
"""api-facts §4, the sampling parameters of §1.1, and the two that need a beta."""


def unknown_keys(params: Mapping[str, object]) -> list[str]:
    """Keys that no source names: the API ends a request with one it does not know in an error (§3.2)."""
    return [key for key in params if key not in KNOWN and key not in REFUSED]


def _refused_keys(call: Call) -> Iterator[ParamProblem]:
    for key, (message, hint) in REFUSED.items():
        if key in call.params and call.params[key] not in _HARMLESS.get(key, ()):
            yield ParamProblem((key,), message, hint)
    if "fallback_credit_token" in call.params:
        yield ParamProblem(
            ("fallback_credit_token",), "has no effect in batches", "take it out", warning=True
        )
    for key in ("mcp_servers", "context_management"):
        if key in call.params and not call.betas:
            yield ParamProblem((key,), "needs a beta header", "name it under betas", warning=True)


# ---- model -------------------------------------------------------------------------------------


def _model(call: Call) -> Iterator[ParamProblem]:
    model = call.params.get("model")
    if "model" not in call.params:
        yield missing("model")
    elif not isinstance(model, str | Dynamic) or model == "":
        yield ParamProblem(("model",), "must be the name of a model", "such as claude-haiku-4-5")
    elif isinstance(model, str):
        yield from _named_model(model, call)


def _named_model(model: str, call: Call) -> Iterator[ParamProblem]:
    near = nearest(model)
    suggestion = f"did you mean '{near}'?" if near else "check the name with the list of models"
    if (gone := retired_on(model, call.today)) is not None:
        yield ParamProblem(("model",), f"{model} was retired on {gone}", successor(model), retired=True)
    elif call.facts is None:
        message = f"{model} is not a model this version knows; its limits and price are not checked"
        yield ParamProblem(("model",), message, suggestion, warning=True)
    elif call.facts.status == "deprecated":
        end = f" and retires on {call.facts.retires}" if call.facts.retires else ""
        yield ParamProblem(("model",), f"{model} is deprecated{end}", successor(model), warning=True)


def successor(model: str) -> str:
    """What to ask in its place, as a hint."""
    family = next((f for f in ("opus", "sonnet", "haiku", "mythos", "fable") if f in model), "sonnet")
    return f"use {newest(family)}" if newest(family) else "use a newer model"


# ---- max_tokens and thinking -------------------------------------------------------------------


def _max_tokens(call: Call) -> Iterator[ParamProblem]:
    value = call.params.get("max_tokens")
    if "max_tokens" not in call.params:
        yield missing("max_tokens")
    elif value == 0 and not isinstance(value, bool):
        # §3.2: the sync endpoint takes 0, batches do not.
        yield ParamProblem(
            ("max_tokens",), "0 fills a cache and answers nothing; batches refuse it", "write 1 or more"
        )
    elif isinstance(value, Dynamic):
        return
    elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
        yield ParamProblem(("max_tokens",), "must be an integer of at least 1")
    elif call.facts is not None and value > (cap := _output_cap(call.facts, call.betas)):
        message = f"{value:,} is more than {call.model} can answer: {cap:,}"
        yield ParamProblem(("max_tokens",), message, _cap_hint(value, call.facts, cap))


def _output_cap(facts: Facts, betas: Sequence[str]) -> int:
    beta = facts.max_output_beta if OUTPUT_300K_BETA in betas else None
    return beta or facts.max_output


def _cap_hint(value: int, facts: Facts, cap: int) -> str:
    if cap < value <= (facts.max_output_beta or 0):
        return f"add {OUTPUT_300K_BETA} to betas for up to {facts.max_output_beta:,}"
    return f"write {cap} or less"


_ALWAYS_THINK = {"fable": (0, 0), "mythos": (0, 0), "opus": (5, 5), "sonnet": (5, 5)}


def _thinking(call: Call) -> Iterator[ParamProblem]:
    """api-facts §4, "Thinking"."""
    thinking, facts = call.params.get("thinking"), call.facts
    if not isinstance(thinking, Mapping):
        return
    kind = thinking.get("type")
    if kind == "enabled" and not (facts and facts.since(4, 7)):
        yield from _manual_thinking(thinking, call)
    if facts is None or facts.version == (0, 0):
        return
    path: Steps = ("thinking", "type")
    if kind == "enabled" and facts.since(4, 7):
        yield ParamProblem(path, f"{call.model} does not take 'enabled'", "write {type: adaptive}")
    elif kind == "enabled" and facts.since(4, 6):
        yield ParamProblem(
            path, f"'enabled' is deprecated on {call.model}", "write {type: adaptive}", warning=True
        )
    elif kind == "adaptive" and not facts.since(4, 6):
        yield ParamProblem(
            path, f"{call.model} does not take 'adaptive'", "write {type: enabled, budget_tokens: 1024}"
        )
    elif kind == "disabled" and facts.version >= _ALWAYS_THINK.get(facts.family, (99, 0)):
        hint = "write {type: between_tools} for less of it" if facts.family == "sonnet" else "take it out"
        yield ParamProblem(path, f"thinking cannot be turned off in {call.model}", hint, warning=True)
    elif kind == "between_tools" and not (facts.family == "sonnet" and facts.since(5, 5)):
        yield ParamProblem(path, f"{call.model} may not know 'between_tools'", "", warning=True)


def _manual_thinking(thinking: Mapping[str, object], call: Call) -> Iterator[ParamProblem]:
    budget, most = thinking.get("budget_tokens"), call.params.get("max_tokens")
    path: Steps = ("thinking", "budget_tokens")
    if "budget_tokens" not in thinking:
        yield ParamProblem(path, "is missing: 'enabled' needs it", "1024 or more, and less than max_tokens")
    elif isinstance(budget, int) and budget < 1024:
        yield ParamProblem(path, f"must be at least 1024, not {budget}")
    elif isinstance(budget, int) and isinstance(most, int) and budget >= most:
        yield ParamProblem(
            path, f"must be less than max_tokens ({most}), not {budget}", "thinking counts against it"
        )


# ---- sampling ----------------------------------------------------------------------------------

_ACCEPTED_AS_DEFAULT: Mapping[str, Callable[[float], bool]] = {
    # Messages reference: models after 4.6 accept temperature 1 and top_p ≥ 0.99 for compatibility, no top_k.
    "temperature": lambda value: value == 1,
    "top_p": lambda value: value >= 0.99,
    "top_k": lambda _value: False,
}


def _sampling(call: Call) -> Iterator[ParamProblem]:
    """api-facts §1.1: gone in 2026-10-21, and before that fixed to the default from 4.7 on."""
    for key, is_default in _ACCEPTED_AS_DEFAULT.items():
        if key not in call.params:
            continue
        value = call.params[key]
        if call.api_version >= STRICT_VERSION:
            yield ParamProblem((key,), f"was removed in API version {STRICT_VERSION}", "take it out")
        elif not isinstance(value, int | float) or isinstance(value, bool):
            continue
        elif value < 0 or (key != "top_k" and value > 1):
            yield ParamProblem(
                (key,), f"must be {'0 or more' if key == 'top_k' else 'from 0 to 1'}, not {value}"
            )
        elif call.facts is not None and call.facts.since(4, 7) and not is_default(value):
            yield ParamProblem((key,), f"{call.model} takes only the default", "take it out")


# ---- all of them -------------------------------------------------------------------------------


_RULES: tuple[Callable[[Call], Iterator[ParamProblem]], ...] = (
    _refused_keys,
    _model,
    _max_tokens,
    system,
    messages,
    texts,
    removed,
    prefill,
    begun_answers,
    media,
    _sampling,
    sampling_pair,
    _thinking,
    with_thinking,
    tools,
    tool_choice,
    tool_pairs,
    stop_sequences,
    breakpoints,
    citations,
    schemas,
    window,
    answer_room,
)
