"""What one version of the API, or the newer models, refuse inside turns (api-facts §1.1, §4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import STRICT_VERSION, Call, ParamProblem, Steps
from batchrun.requests.params.walk import begun_answer


def removed(call: Call) -> Iterator[ParamProblem]:
    """What 2026-10-21 took away."""
    turns = call.params.get("messages")
    if call.api_version < STRICT_VERSION or not isinstance(turns, list):
        return
    for index, turn in enumerate(turns):
        content = turn.get("content") if isinstance(turn, Mapping) else None
        if isinstance(turn, Mapping) and isinstance(content, list):
            yield from _strict_blocks(content, turn.get("role"), ("messages", index, "content"))


def _strict_blocks(blocks: list[object], role: object, path: Steps) -> Iterator[ParamProblem]:
    """api-facts §1.1: what 2026-10-21 refuses inside turns."""
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        here, kind = (*path, index), block.get("type")
        if role == "assistant" and kind == "document":
            message = f"a document in an assistant turn is refused by API version {STRICT_VERSION}"
            yield ParamProblem(here, message, "put it in a user turn")
        if role == "user" and kind == "text" and block.get("citations"):
            message = f"citations in a user turn are refused by API version {STRICT_VERSION}"
            yield ParamProblem((*here, "citations"), message, "take them out")
        nested = block.get("content")
        if kind == "search_result" and isinstance(nested, list):
            yield from _strict_blocks(nested, role, (*here, "content"))


def prefill(call: Call) -> Iterator[ParamProblem]:
    """api-facts §4: a last turn of the assistant's is refused from 4.6 on."""
    if call.facts is None or not call.facts.since(4, 6):
        return
    if (answer := begun_answer(call)) is not None:
        message = f"{call.model} does not continue an answer that was begun (prefill)"
        yield ParamProblem(answer[0][:2], message, "end with a user turn")
