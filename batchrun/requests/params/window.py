"""Requests longer than what the model reads at a time (api-facts §3.2a)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, Dynamic, ParamProblem

CHARS_PER_TOKEN = 6
"""No running text has as many characters in a token: English prose has 4.5, most others fewer."""
LIKELY_CHARS_PER_TOKEN = 4
_RUN = re.compile(r"([^0-9A-Za-z])\1{3,}", re.DOTALL)
"""Blanks and rulers: many of a kind may be one token."""


def window(call: Call) -> Iterator[ParamProblem]:
    """Bounded from below: what is refused is too long whatever its text."""
    if call.facts is None:
        return
    most, chars = call.facts.context, _chars(call.params)
    if chars / LIKELY_CHARS_PER_TOKEN <= most:
        return
    sure = _chars(call.params, collapsed=True) // CHARS_PER_TOKEN
    if sure > most:
        message = f"about {sure:,} tokens or more; {call.model} reads {most:,}"
        yield ParamProblem((), message, "shorten the row, split it, or take a model that reads more")
    else:
        message = f"about {int(chars / LIKELY_CHARS_PER_TOKEN):,} tokens; {call.model} reads {most:,}"
        yield ParamProblem((), message, "count them with `batchrun plan --exact 20`", warning=True)


def _chars(value: object, *, collapsed: bool = False) -> int:
    """Characters of all texts, but not of what is sent as base64."""
    if isinstance(value, str):
        runs = sum(found.end() - found.start() - 1 for found in _RUN.finditer(value)) if collapsed else 0
        return len(value) - runs
    if isinstance(value, Mapping):
        if value.get("type") == "base64":
            return 0
        return sum(_chars(inner, collapsed=collapsed) for inner in value.values())
    if isinstance(value, list):
        return sum(_chars(inner, collapsed=collapsed) for inner in value)
    return 0


def answer_room(call: Call) -> Iterator[ParamProblem]:
    """The answer has to fit into the window as well."""
    most = call.params.get("max_tokens")
    if call.facts is None or isinstance(most, Dynamic) or not isinstance(most, int):
        return
    if most > (call.facts.max_output_beta or call.facts.max_output):  # told by itself
        return
    chars = _chars(call.params)
    least = chars // CHARS_PER_TOKEN
    if least <= call.facts.context < least + most:
        message = f"max_tokens of {most:,} and a prompt of about {least:,} tokens or more are over the"
        hint = "lower max_tokens: such an answer is refused, or cut off at the window"
        window = f"{call.facts.context:,} that {call.model} reads and writes"
        yield ParamProblem((), f"{message} {window}", hint, warning=True)
