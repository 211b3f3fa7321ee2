"""What is known of each model: limits, life and list prices. The facts are in `data/models.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from batchrun.cost.amounts import Rates

OUTPUT_300K_BETA = "output-300k-2026-03-24"
"""The beta header that lets a batch ask for up to 300,000 output tokens (api-facts §4)."""

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """One model. `max_output_beta` is its cap under OUTPUT_300K_BETA, None where the beta has no effect.

    `status` is active, limited, legacy or deprecated; `retires` is set once an end has been announced.
    `rates` starts with those of the smallest prompt.
    """

    id: str
    aliases: tuple[str, ...]
    family: str
    version: Version
    context: int
    max_output: int
    max_output_beta: int | None
    status: str
    retires: date | None
    rates: tuple[Rates, ...]

    def since(self, major: int, minor: int) -> bool:
        """Whether the model is of version `major.minor` or newer."""
        return self.version >= (major, minor)


# api-facts §7, "Gone", and what went before those. They are no longer in the table of models, but people still have their names.
_GONE: Mapping[tuple[str, Version], date] = {
    ("opus", (4, 1)): date(2026, 8, 5),
    ("opus", (4, 0)): date(2026, 6, 15),
    ("sonnet", (4, 0)): date(2026, 6, 15),
    ("haiku", (3, 0)): date(2026, 4, 20),
    ("sonnet", (3, 7)): date(2026, 2, 19),
    ("haiku", (3, 5)): date(2026, 2, 19),
    ("opus", (3, 0)): date(2026, 1, 5),
    ("sonnet", (3, 5)): date(2025, 10, 28),
    ("sonnet", (3, 0)): date(2025, 7, 21),
    ("", (2, 1)): date(2025, 7, 21),
    ("", (2, 0)): date(2025, 7, 21),
    ("", (1, 3)): date(2024, 11, 6),
    ("", (1, 2)): date(2024, 11, 6),
    ("", (1, 0)): date(2024, 11, 6),
    ("instant", (1, 2)): date(2024, 11, 6),
    ("instant", (1, 1)): date(2024, 11, 6),
    ("instant", (1, 0)): date(2024, 11, 6),
}

_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?:-(?P<old_family>[a-z]+))?"
    r"(?:-(?:\d{8}|latest))?"
)


def facts_of(model: str) -> Facts | None:
    """The facts of a model by its id or alias; None for a name we do not know."""
    return _by_name().get(model)


def known_models() -> tuple[str, ...]:
    """Every name that `facts_of` knows, newest first as in the data."""
    return tuple(_by_name())


def nearest(model: str) -> str | None:
    """The known name that `model` most looks like, or None. Provider prefixes and dots are forgiven."""
    import difflib  # only for who misspelt a name

    wanted = model.lower().rsplit("/", 1)[-1].replace(".", "-").replace("_", "-").replace(" ", "-")
    wanted = wanted if wanted.startswith("claude") else f"claude-{wanted}"
    found = difflib.get_close_matches(wanted, known_models(), n=1, cutoff=0.75)
    return found[0] if found else None


def newest(family: str) -> str | None:
    """The newest model of a family that is still offered, or None."""
    offered = [f for f in _by_name().values() if f.family == family and f.status in ("active", "limited")]
    return max(offered, key=lambda f: f.version).id if offered else None


def gone_since(model: str) -> date | None:
    """When a model of an earlier generation was switched off; None for every other name."""
    return _GONE.get(_family_and_version(model))


def retired_on(model: str, today: date | None) -> date | None:
    """When the model was switched off; None while it answers, or where no end of it is known. Without `today`, only
    those of earlier generations count."""
    if (gone := gone_since(model)) is not None:
        return gone
    facts = facts_of(model)
    end = facts.retires if facts else None
    return end if end and today and end <= today else None


def _family_and_version(model: str) -> tuple[str, Version]:
    """`claude-opus-4-1-20250805` is ('opus', (4, 1)); (0, 0) where the name does not say."""
    found = _NAME.fullmatch(model)
    if found is None:
        return "", (0, 0)
    family = found["family"] or found["old_family"] or ""
    return family, (int(found["major"]), int(found["minor"] or 0))


def as_of() -> date:
    """The day of the table of models."""
    return date.fromisoformat(_table()["as_of"])


@cache
def _table() -> dict[str, Any]:
    # Most commands need no model's facts, and this takes long to import.
    from importlib.resources import files

    table: dict[str, Any] = json.loads(files("batchrun").joinpath("data/models.json").read_bytes())
    return table


@cache
def _by_name() -> dict[str, Facts]:
    facts = [_facts(entry) for entry in _table()["models"]]
    return {name: fact for fact in facts for name in (*fact.aliases, fact.id)}


def _facts(entry: Mapping[str, Any]) -> Facts:
    family, version = _family_and_version(entry["id"])
    retires = entry.get("retires")
    return Facts(
        id=entry["id"],
        aliases=tuple(entry["aliases"]),
        family=family,
        version=version,
        context=entry["context"],
        max_output=entry["max_output"],
        max_output_beta=entry.get("max_output_batch_beta"),
        status=entry["status"],
        retires=date.fromisoformat(retires) if retires else None,
        rates=tuple(_rates(band) for band in (entry, *entry.get("price_bands", ()))),
    )


def _rates(band: Mapping[str, Any]) -> Rates:
    return Rates(**{name: band[name] for name in Rates.__slots__ if name in band})
