"""What happens in watched folders: one line a change, the job's name first; or one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchrun.safetext import plain

MOST = 9
"""Lines below the first that one job may take."""
_WORDS = {
    "broken": "error",
    "needs_person": "needs a person",
    "waiting": "waiting for its data",
    "trouble": "put off",
    "crashed": "error",
    "no_events": "warning",
}


def lines(
    what: str, text: str, who: str, details: tuple[str, ...] = (), moved_to: str = "", *, most: int = MOST
) -> Iterator[str]:
    """`who`, if anybody, begins the first line; `details` stand below it, shortened with a word about the rest."""
    # A job that goes on has problems only where its spec is broken, or gone.
    word = "error" if what == "running" and details else _WORDS.get(what, "")
    first = ": ".join(filter(None, (plain(who, 100), word, text)))
    yield plain(f"{first} (moved to {moved_to})" if moved_to else first, 500)
    if word and details and details[0] == f"error: {text}":
        details = details[1:]
    yield from (f"  {line}" for line in details[: most - (len(details) > most)])
    if len(details) > most:
        yield f"  … and {len(details) - most + 1} lines more"


def values(at: str, what: str, **facts: Any) -> dict[str, Any]:
    """The same for programs: what there is nothing of is left out."""
    return {"at": at, "event": what, **{key: value for key, value in facts.items() if value not in ("", ())}}
