"""What must hold in every state that can be reached, by the server's own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batchrun.lifecycle import verdicts
from batchrun.lifecycle.phases import live
from batchrun.lifecycle.policy import Policy
from batchrun.lifecycle.state import Phase, Reason, dumps, loads
from batchrun.lifecycle.transitions import next_action
from batchrun.lifecycle.verdicts import Verdict
from tests.model.api import SUCCEEDED, keys_of
from tests.model.machine import World
from tests.states import NOW

ENDS = (Verdict.DONE, Verdict.HELD, Verdict.REJECTED)
"""Done, or a hold that says what to do."""


def at_an_end(world: World, policy: Policy) -> bool:
    state = world.state
    return verdicts.verdict(state, policy) in ENDS and next_action(state, policy, NOW) is None


def broken(world: World, policy: Policy, wanted: frozenset[int]) -> Iterator[str]:
    """What does not hold."""
    yield from _money(world)
    yield from _what_is_sent_is_known(world)
    if at_an_end(world, policy) and verdicts.verdict(world.state, policy) is Verdict.DONE:
        yield from _answers(world, wanted)


def broken_between(before: World, after: World) -> Iterator[str]:
    """What a step must not do, whatever state it leads to."""
    if before.state.canceled and after.state.canceled and after.posted != before.posted:
        yield "a canceled job submits"
    fetched = {s.id for s in after.state.shards if s.phase is Phase.FETCHED}
    for shard in before.state.shards:
        if shard.phase is Phase.FETCHED and shard.id not in fetched:
            yield f"shard {shard.id} was fetched, and is not any more"


def survives_saving(world: World) -> bool:
    return loads(dumps(world.state), where="") == world.state


def _money(world: World) -> Iterator[str]:
    for nonce, times in Counter(world.posted).items():
        if times > 1:
            yield f"the shard attempt {nonce} was accepted {times} times"
    ours = [r for r in world.remotes if r.ours and r.result in (SUCCEEDED, "")]
    for key, times in Counter(key for r in ours for key in keys_of(r.nonce)).items():
        if times > 1 + world.accepted:
            yield f"the request {key} is paid for {times} times"


def _what_is_sent_is_known(world: World) -> Iterator[str]:
    shards = world.state.shards
    known = {s.nonce for s in (*live(shards), *(s for s in shards if s.reason is Reason.ABANDONED))}
    for remote in world.remotes:
        if remote.ours and remote.nonce not in known:
            yield f"accepted, and no shard says so: {remote.nonce}"
    for shard in shards:
        if shard.phase is Phase.FETCHED and f"results/{shard.id}.jsonl" not in world.files:
            yield f"shard {shard.id} is fetched, and its results are not there"


def _answers(world: World, wanted: frozenset[int]) -> Iterator[str]:
    """Of a job that is done: what was paid for is in the results that the answer is written from."""
    shards = world.state.shards
    fetched = {s.nonce for s in shards if s.phase is Phase.FETCHED}
    given_up = {s.nonce for s in shards if s.reason is Reason.ABANDONED or s.outdated}
    for remote in world.remotes:
        lost = remote.ours and remote.result == SUCCEEDED and remote.nonce not in fetched | given_up
        if lost and not wanted.isdisjoint(keys_of(remote.nonce)):
            yield f"the job is done without an answer that was paid for: {remote.nonce}"
    said = {key for nonce in fetched for key in keys_of(nonce)}
    if not world.state.canceled and not wanted <= said:
        yield f"the job is done, and nothing was asked of {sorted(wanted - said)}"
