"""The models the simulator knows, from the packaged facts, and what each one refuses (api-facts §4, §7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

import orjson

from batchrun.model import Json

_NAME = re.compile(r"claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?:-(\d{8}))?")
_PREVIEW = ("mythos", (5, 0))
_UNDATED = "2026-01-01"  # shown as created_at where the facts name no day


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `generation` is (4, 5) for a name with 4-5 in it; `retires` is the day it stops."""

    id: str
    family: str
    generation: tuple[int, int]
    context: int
    max_output: int
    max_output_beta: int
    released: date
    deprecated: date | None
    retires: date | None

    def lifecycle(self, today: date) -> str:
        if self.retires and self.retires <= today:
            return "retired"
        return "deprecated" if self.deprecated and self.deprecated <= today else "active"

    @property
    def refuses_prefill(self) -> bool:
        return self.generation >= (4, 6)

    @property
    def refuses_sampling(self) -> bool:
        return self.generation >= (4, 7)

    @property
    def refuses_forced_tools(self) -> bool:
        fable = self.family == "fable" and self.generation >= (5, 1)
        return fable or (self.family in ("opus", "sonnet") and self.generation >= (5, 5))

    @property
    def thinking(self) -> frozenset[str]:
        """The forms of `thinking` it takes."""
        if self.generation < (4, 6):
            return frozenset({"enabled", "disabled"})
        if self.generation == (4, 6):
            return frozenset({"adaptive", "enabled", "disabled"})
        newest = self.generation >= (5, 5)
        if self.family in ("fable", "mythos") or (self.family == "opus" and newest):
            return frozenset({"adaptive"})
        if self.family == "sonnet" and newest:
            return frozenset({"adaptive", "between_tools"})
        return frozenset({"adaptive", "disabled"})

    @property
    def tokens_per_byte(self) -> float:
        """From 4.7 on the same text counts about 30 % more tokens (api-facts §6)."""
        return 0.25 * (1.3 if self.generation >= (4, 7) else 1.0)

    @property
    def smallest_cached(self) -> int:
        """The fewest tokens of a prefix that is cached at all."""
        if self.generation >= (5, 0):
            return 512
        if self.family == "sonnet" or self.generation == (4, 8):
            return 1024
        return 2048 if self.generation == (4, 7) else 4096


@cache
def models() -> dict[str, Model]:
    """Every name a request may use, aliases included, newest model first."""
    facts = orjson.loads(resources.files("batchrun").joinpath("data/models.json").read_bytes())["models"]
    known: dict[str, Model] = {}
    for fact in facts:
        model = _model(fact)
        known.update(dict.fromkeys((model.id, *fact["aliases"]), model))
    return known


def listed() -> list[Model]:
    """Each model once."""
    return list({model.id: model for model in models().values()}.values())


def shown(model: Model, today: date) -> dict[str, Json]:
    """The model object of GET /v1/models."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": _display_name(model),
        "created_at": _midnight(model.released),
        "lifecycle": model.lifecycle(today),
        "deprecated_at": _midnight(model.deprecated),
        "retires_at": _midnight(model.retires),
        "line": model.family,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def _model(fact: dict[str, Any]) -> Model:
    name = _NAME.fullmatch(fact["id"])
    family, generation = (name[1], (int(name[2]), int(name[3] or 0))) if name else _PREVIEW
    stamp = name[4] if name else None
    deprecated = fact.get("deprecated") or (fact.get("retires") if fact["status"] == "deprecated" else None)
    return Model(
        fact["id"],
        family,
        generation,
        fact["context"],
        fact["max_output"],
        fact.get("max_output_batch_beta", fact["max_output"]),
        date.fromisoformat(fact.get("released") or stamp or _UNDATED),
        date.fromisoformat(deprecated) if deprecated else None,
        date.fromisoformat(fact["retires"]) if "retires" in fact else None,
    )


def _display_name(model: Model) -> str:
    major, minor = model.generation
    return (
        f"Claude {model.family.title()} {major}.{minor}"
        if minor
        else f"Claude {model.family.title()} {major}"
    )


def _midnight(day: date | None) -> str | None:
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat().replace("+00:00", "Z")


def _capabilities(model: Model) -> dict[str, Json]:
    yes: dict[str, Json] = {"supported": True}
    forms = ("adaptive", "between_tools", "disabled", "enabled")
    types: dict[str, Json] = {form: {"supported": form in model.thinking} for form in forms}
    plain = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    return {
        **dict.fromkeys(plain, yes),
        "context_management": yes,
        "effort": {**yes, **dict.fromkeys(("low", "medium", "high", "xhigh", "max"), yes)},
        "server_tools": {**yes, "code_execution": yes, "web_search": yes},
        "thinking": {**yes, "types": types},
    }
