"""Parameters that are right one by one, and refused together (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import STRICT_VERSION, Call, Dynamic, ParamProblem
from batchrun.requests.params.walk import begun_answer, blocks_of, is_structured, thinks

_TOP_P_WITH_THINKING = 0.95


def sampling_pair(call: Call) -> Iterator[ParamProblem]:
    """`temperature` and `top_p`; from 2026-10-21 on each of them is refused by itself."""
    both = all(call.params.get(key) is not None for key in ("temperature", "top_p"))
    if both and call.api_version < STRICT_VERSION:
        sure = call.facts is not None
        message = f"{call.model} does not take temperature and top_p together"
        if not sure:
            message = "temperature and top_p are not taken together by any model since 4.1"
        yield ParamProblem(("top_p",), message, "keep one of them", warning=not sure)


def with_thinking(call: Call) -> Iterator[ParamProblem]:
    """What cannot be set while the model thinks."""
    if not thinks(call):
        return
    choice = call.params.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind in ("any", "tool"):
        message = f"'{kind}' cannot be used together with thinking: it forces a tool"
        yield ParamProblem(("tool_choice", "type"), message, "write {type: auto}, or take thinking out")
    if call.api_version < STRICT_VERSION:
        yield from _sampling_with_thinking(call)
    answer = begun_answer(call)
    if answer is not None and not (call.facts and call.facts.since(4, 6)):  # those take none at all
        message = "an answer cannot be begun (prefill) together with thinking"
        yield ParamProblem(answer[0], message, "end with a user turn, or take thinking out")


def _sampling_with_thinking(call: Call) -> Iterator[ParamProblem]:
    temperature, top_p = call.params.get("temperature"), call.params.get("top_p")
    if temperature is not None and not isinstance(temperature, Dynamic) and temperature != 1:
        message = f"temperature can only be 1 together with thinking, not {temperature}"
        yield ParamProblem(("temperature",), message, "take it out, or take thinking out")
    if call.params.get("top_k") is not None:
        message = "top_k cannot be used together with thinking"
        yield ParamProblem(("top_k",), message, "take it out, or take thinking out")
    if isinstance(top_p, int | float) and top_p < _TOP_P_WITH_THINKING:
        message = f"top_p below {_TOP_P_WITH_THINKING} may be refused together with thinking"
        yield ParamProblem(("top_p",), message, "take it out, or take thinking out", warning=True)


def citations(call: Call) -> Iterator[ParamProblem]:
    """Citations stand between the words of an answer, which structured output does not allow."""
    if not is_structured(call):
        return
    for path, block in blocks_of(call):
        asked = block.get("citations")
        if isinstance(asked, Mapping) and asked.get("enabled") is True:
            message = "citations cannot be enabled together with output_config.format"
            yield ParamProblem((*path, "citations"), message, "take out one of the two")
