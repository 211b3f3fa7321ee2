"""Is there anything to do? For a job that is done, seen by its files alone, without reading the spec.

Make and cron ask this thousands of times a day, so what it imports is kept small (tests/test_imports.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from batchrun.errors import ExitCode
from batchrun.fs.confine import without_links
from batchrun.lifecycle import phases
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Phase, RunState
from batchrun.lifecycle.verdicts import Verdict
from batchrun.model import Timing
from batchrun.reports.outcome import Outcome
from batchrun.rundir.filefacts import unchanged, untouched
from batchrun.rundir.store import Store


def finished(spec: Path, *, sandbox: bool = False, roots: Sequence[Path] = ()) -> Outcome | None:
    """The outcome of a job that is done and whose files are as they were; None when there may be work.

    Reads the state and the files' times, nothing else: make and cron ask this thousands of times a day.
    """
    root = without_links(spec.absolute().parent)
    for state in _states_of(spec, root, sandbox=sandbox):
        if state.spec != spec.name or state.expansion is None or state.collected is None:
            continue
        if not all(s.phase is Phase.FETCHED or phases.settled(s, state) for s in state.shards):
            continue
        store, policy = Store(root, state.job, sandbox=sandbox), Policy(Timing())
        if unchanged(state.collected.output, root) and not store.knows_more(state):
            if not untouched(state.expansion, root, tuple(roots), spec) or _untold(store, state, policy):
                return None
            code = ExitCode.OK if state.collected.all_succeeded else ExitCode.ROWS_FAILED
            output = Path(root, state.collected.output.path)
            return Outcome(state.job, Verdict.DONE, code, output, state, policy, changed=False)
    return None


def _untold(store: Store, state: RunState, policy: Policy) -> bool:
    """Whether hooks have still to hear of how the job ended, as when a run died before it told them."""
    if not store.hooks_file.exists():  # most jobs have no hooks
        return False
    from batchrun.hooks import event, record

    last = record.load(store.hooks_file)
    if last is None:
        return False
    happening = event.of_state(state, policy)
    return happening is None or last.happening != happening.id or bool(last.pending)


def _states_of(spec: Path, root: Path, *, sandbox: bool) -> Iterator[RunState]:
    """The states that may be this spec's: that of its stem, else those of the folder that name it.

    Raises ConfigError when one is damaged.
    """
    store = Store(root, spec.stem, sandbox=sandbox)
    if own := store.load():
        yield own
    else:
        for other in store.others():
            if other.spec == spec.name and (found := Store(root, other.job, sandbox=sandbox).load()):
                yield found
