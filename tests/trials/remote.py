"""What the simulator knows: the batches that were accepted, and what came of each request of ours.

Read from its files, not through the API: a trial may have switched every call's answer to nonsense.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

OURS = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
"""A custom_id as batchrun makes it: the request's key, and the nonce of the shard."""


@dataclass(frozen=True)
class Asked:
    """One request of one accepted batch. `result` is None as long as the batch has none."""

    batch_id: str
    custom_id: str
    params: dict[str, Any]
    result: dict[str, Any] | None

    @property
    def type(self) -> str | None:
        return str(self.result["type"]) if self.result else None

    @property
    def text(self) -> str | None:
        """What the model said; None where it said nothing."""
        if self.result is None or self.type != "succeeded":
            return None
        return "".join(b["text"] for b in self.result["message"]["content"] if b["type"] == "text")


@dataclass
class Remote:
    """Batches by nonce, and requests by key, both in the order in which they were accepted. Batches of
    others, whose ids are not of our making, are left out."""

    batches: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[str, list[Asked]] = field(default_factory=lambda: defaultdict(list))


def read_remote(api: Path) -> Remote:
    """The remote side of a trial, from the simulator's state folder."""
    remote = Remote()
    for entry in json_lines(api / "ledger.jsonl"):
        match = OURS.fullmatch(str(entry["first_custom_id"]))
        if match is None:
            continue
        remote.batches[match[2]].append(entry["id"])
        home = api / "batches" / entry["id"]
        if not (home / "requests.jsonl").exists():  # deleted; a trial that deletes keeps a copy
            home = api / "deleted" / entry["id"]
        results = {line["custom_id"]: line["result"] for line in json_lines(home / "results.jsonl")}
        for request in json_lines(home / "requests.jsonl"):
            custom_id = request["custom_id"]
            asked = Asked(entry["id"], custom_id, request["params"], results.get(custom_id))
            remote.asked[custom_id.partition("-")[0]].append(asked)
    return remote


def json_lines(path: Path) -> list[Any]:
    """The lines of a file as JSON; none where there is no file."""
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().split(b"\n") if line]
