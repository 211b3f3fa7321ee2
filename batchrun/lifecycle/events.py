"""What happens to a run: every event that `lifecycle.transitions.apply` takes, and that the engine saves and tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from batchrun.cost.amounts import Price, Tally
from batchrun.lifecycle.state import Collected, Expansion, Intent, Reason, Shard
from batchrun.model import Batch, FileFact


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows were expanded anew: shards that were never created give way to these. Where the rows ask
    for something else now, an earlier cancellation is over."""

    expansion: Expansion
    shards: tuple[Shard, ...]
    outdated: tuple[str, ...] = ()
    """Shards without results, of which no row needs a request."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The files were touched, but hold what they held."""

    expansion: Expansion


@dataclass(frozen=True, slots=True)
class OutputTouched:
    """The answer file has another time, but holds what we wrote."""

    output: FileFact


@dataclass(frozen=True, slots=True)
class OutputGone:
    """The answer file is not as we wrote it: write it again from the results."""


@dataclass(frozen=True, slots=True)
class SubmitStarted:
    shard_id: str
    intent: Intent


@dataclass(frozen=True, slots=True)
class SubmitAccepted:
    shard_id: str
    batch: Batch
    due: float


@dataclass(frozen=True, slots=True)
class SubmitDeferred:
    """Not created; send the same later."""

    shard_id: str
    due: float
    detail: str


@dataclass(frozen=True, slots=True)
class SubmitRefused:
    """Not created; sending the same again will not help."""

    shard_id: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class SubmitUnknown:
    shard_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A reconciliation's listing: the batches newer than the baseline that could be the shard's. `at` is by
    the server's clock, `due` by ours."""

    shard_id: str
    at: float
    candidates: tuple[Batch, ...]
    due: float


@dataclass(frozen=True, slots=True)
class Unclear:
    """A reconciliation's listing that proves nothing: how many requests these newer batches have is not told, and
    one of them may be the shard's. `at` and `due` are by our clock."""

    shard_id: str
    at: float
    candidates: tuple[Batch, ...]
    due: float


@dataclass(frozen=True, slots=True)
class ProvenLost:
    shard_id: str


@dataclass(frozen=True, slots=True)
class Held:
    shard_id: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Polled:
    shard_id: str
    batch: Batch
    due: float


@dataclass(frozen=True, slots=True)
class Unseen:
    """A batch we own was not found, or could not be asked about: look again later."""

    shard_id: str
    at: float
    due: float
    detail: str = ""
    not_found: bool = False
    """The API knows no such batch."""


@dataclass(frozen=True, slots=True)
class Fetched:
    shard_id: str
    tally: Tally
    prices: Mapping[str, Price]
    results_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ResultsGone:
    """The file of proven results is not there, or not as it was: the API may still have them."""

    shard_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class FetchFailed:
    shard_id: str
    due: float
    detail: str


@dataclass(frozen=True, slots=True)
class Disproved:
    """The results of the shard's batch carry another nonce: it is not ours."""

    shard_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """The requests of a shard stand in new ones. `abandoned`: the old one may have been created."""

    shard_id: str
    shards: tuple[Shard, ...]
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Retried:
    """Rows of these shards that are worth another attempt now stand in new shards (perhaps none)."""

    shard_ids: tuple[str, ...]
    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class Gathering:
    """The answer is whole and about to be put in its place: `output` is how it will stand there."""

    output: FileFact


@dataclass(frozen=True, slots=True)
class Gathered:
    """The answer is written."""

    collected: Collected


@dataclass(frozen=True, slots=True)
class Adopted:
    """A person says which batch is the shard's, or the API did, in an odd answer; the nonce still has to prove
    it."""

    shard_id: str
    batch: Batch


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The user wants nothing more to be sent, and these batches canceled. A job that is done has nothing to
    cancel."""

    shard_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reopened:
    """The user wants failed, canceled and refused work tried again."""


ShardEvent: TypeAlias = (
    SubmitStarted
    | SubmitAccepted
    | SubmitDeferred
    | SubmitRefused
    | SubmitUnknown
    | Listed
    | Unclear
    | ProvenLost
    | Held
    | Polled
    | Unseen
    | Fetched
    | FetchFailed
    | Disproved
    | Adopted
)
"""What happens to one shard."""

Event: TypeAlias = (
    ShardEvent
    | Prepared
    | Refreshed
    | OutputTouched
    | OutputGone
    | Replaced
    | Retried
    | ResultsGone
    | Gathering
    | Gathered
    | CancelAsked
    | Reopened
)
