"""Which batches could be what a lost POST created. Pure.

A batch has no name and no mark: until its results are there, the number of its requests is all that tells it
(design §4).
"""

from __future__ import annotations

from batchrun.lifecycle.state import Shard
from batchrun.model import Batch


def could_be(batch: Batch, shard: Shard) -> bool:
    """Whether nothing says that `batch` is not the shard's."""
    return fits(batch, shard) or batch.size is None


def fits(batch: Batch, shard: Shard) -> bool:
    """Whether `batch` has as many requests as the shard."""
    return batch.request_counts.total == shard.requests


def choose(free: tuple[Batch, ...], shard: Shard) -> tuple[Batch, ...]:
    """Of those that could be the shard's the one that fits, if there is one such, whatever the others are: its
    results will tell. Otherwise all of them."""
    fitting = tuple(batch for batch in free if fits(batch, shard))
    return fitting if len(fitting) == 1 else free
