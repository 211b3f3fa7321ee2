"""What a run can do next: every action that `lifecycle.transitions.next_action` names, and the engine performs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from batchrun.lifecycle.state import Intent, SentBatch, Shard


@dataclass(frozen=True, slots=True)
class Submit:
    shard: Shard


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Look whether the POST whose outcome we do not know made a batch."""

    shard: Shard
    intent: Intent


@dataclass(frozen=True, slots=True)
class Resend:
    """Write the shard's requests anew, under a new nonce, into one shard or (413) two."""

    shard: Shard


@dataclass(frozen=True, slots=True)
class Poll:
    shard: Shard
    batch: SentBatch


@dataclass(frozen=True, slots=True)
class Fetch:
    shard: Shard
    batch: SentBatch


@dataclass(frozen=True, slots=True)
class Retry:
    """Put the rows of these shards that are worth another attempt into new shards."""

    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class Collect:
    pass


@dataclass(frozen=True, slots=True)
class Wait:
    until: float


ShardAction: TypeAlias = Fetch | Reconcile | Resend | Poll | Submit
Action: TypeAlias = ShardAction | Retry | Collect | Wait
