"""Which call of the API an HTTP request is (api-facts §2, §6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from batchrun.simulator.replies import Refused

BATCHES = "/v1/messages/batches"
_ROUTES = (
    ("create", "POST", re.compile(BATCHES)),
    ("list", "GET", re.compile(BATCHES)),
    ("retrieve", "GET", re.compile(BATCHES + "/([^/]+)")),
    ("delete", "DELETE", re.compile(BATCHES + "/([^/]+)")),
    ("cancel", "POST", re.compile(BATCHES + "/([^/]+)/cancel")),
    ("results", "GET", re.compile(BATCHES + "/([^/]+)/results")),
    ("count_tokens", "POST", re.compile("/v1/messages/count_tokens")),
    ("models", "GET", re.compile("/v1/models")),
    ("model", "GET", re.compile("/v1/models/([^/]+)")),
)
CALLS = tuple(name for name, _, _ in _ROUTES)


@dataclass(slots=True)
class Call:
    """One call. `target` is the id in its path, `headers` have lower-case names, `body` reads what was sent,
    `pause` waits so many seconds, or until the server stops.

    What follows is set by faults: `strangers` are requests each, batches before, batches after.
    """

    name: str
    target: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    origin: str
    request_id: str
    body: Callable[[], Iterator[bytes]] = field(repr=False)
    pause: Callable[[float], None] = field(repr=False)
    lag: float = 0.0
    queue_limit: int | None = None
    queue_retry_after: float = 10
    strangers: tuple[int, int, int] | None = None
    skew: float = 0.0


def route(method: str, path: str) -> tuple[str, str]:
    """The call's name and the id in the path. Raises Refused (404, 405)."""
    found = [(name, verb, match) for name, verb, pattern in _ROUTES if (match := pattern.fullmatch(path))]
    for name, verb, match in found:
        if verb == method:
            return name, match.group(1) if match.groups() else ""
    if found:
        raise Refused(405, "Method Not Allowed", headers={"allow": ", ".join(verb for _, verb, _ in found)})
    raise Refused(404, "Not found")
