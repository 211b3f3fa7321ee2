"""Are our own files as they were written? A disk, a backup or a hand may have changed them.

What was not sent is written again, and results are fetched again. A shard that was sent cannot be made anew:
there `Store.whole_shard` refuses.
"""

from __future__ import annotations

from pathlib import Path

from batchrun.errors import DiskError
from batchrun.fs import files
from batchrun.lifecycle.events import ResultsGone
from batchrun.lifecycle.state import Phase, RunState, Shard
from batchrun.rundir.store import Store


def expansion_is_whole(state: RunState, store: Store) -> bool:
    """Whether the rows file is as it was written, and every shard that was not sent has its file."""
    if state.expansion is None:
        return False
    rows = store.rows(state.expansion.rows_file)
    if not rows.is_file() or state.expansion.rows_file_sha256 not in ("", files.digest(rows)):
        return False
    return all(store.shard(s.id).is_file() for s in state.shards if s.phase is Phase.PLANNED)


def body_to_send(shard: Shard, store: Store) -> Path:
    """The file of a shard that was not sent. Raises DiskError for a damaged one, which goes: the next run
    writes it anew."""
    try:
        return store.whole_shard(shard)
    except DiskError as error:
        store.shard(shard.id).unlink(missing_ok=True)
        raise DiskError(f"{error}; it was not submitted", hint="run it again: it is written anew") from error


def gone_results(state: RunState, store: Store) -> list[ResultsGone]:
    """The results that are not on disk as they were proven."""
    found = []
    for shard in state.shards:
        if shard.phase is not Phase.FETCHED:
            continue
        path = store.results(shard.id)
        if not path.is_file():
            found.append(ResultsGone(shard.id, "its results are not there; fetching them again"))
        elif shard.results_sha256 not in ("", files.digest(path)):
            found.append(ResultsGone(shard.id, "its results are damaged; fetching them again"))
    return found
