"""The client alone under every fault: calls that a job never makes, and calls that nobody answers in time."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TypeAlias

import orjson
import pytest

from batchrun.client.batches import BatchesClient
from batchrun.client.endpoint import DEFAULT_VERSION
from batchrun.client.transport import Timeouts
from batchrun.errors import ApiError, IncompleteResults
from batchrun.providers.anthropic import Anthropic
from batchrun.providers.base import OutcomeUnknown, ProviderError, TryLater
from batchrun.simulator import Scenario, Simulator
from tests.conftest import FAST, MakeSimulator
from tests.faults.cases import ANSWERS
from tests.rawserver import FakeTime
from tests.trials.canary import CANARY, betrayed
from tests.trials.tally import Tally

Act: TypeAlias = Callable[[BatchesClient, str], object]

PARAMS = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
REQUEST = {"custom_id": "r1", "params": PARAMS}
PATIENCE = 15.0
"""Seconds: far more than the time-outs, far less than the silences."""
IMPATIENT = Timeouts(connect=2, read=0.3, answer=0.6, upload=2, create=0.3)


@contextmanager
def calling(simulator: Simulator) -> Iterator[BatchesClient]:
    """A client to which no pause between two tries is long."""
    time = FakeTime()
    with BatchesClient(
        CANARY,
        base_url=simulator.url,
        environ={},
        max_retries=2,
        sleep=time.sleep,
        clock=time.clock,
        rng=time.rng,
    ) as client:
        yield client


def misbehave(simulator: Simulator, *faults: str) -> None:
    simulator.change(replace(FAST, scenario=Scenario().with_faults(faults, source="fault")))


# ---- answers of every kind -----------------------------------------------------------------------

CALLS: dict[str, Act] = {
    "delete": lambda client, id: client.delete(id),
    "count_tokens": lambda client, _: client.count_tokens(PARAMS),
    "cancel": lambda client, id: client.cancel(id),
}
"""A job makes neither of the first two, and the third seldom. Nor does it ask for models: nothing here does."""


def answer(simulator: Simulator, call: str, action: str) -> None:
    """It is right, or an error of ours that says so, and keeps the key to itself."""
    misbehave(simulator)
    with calling(simulator) as client:
        id = client.create([REQUEST]).id
        for times in (1, 0):
            misbehave(simulator, f"{call}: {{{action}, times: {times}}}")
            try:
                CALLS[call](client, id)
            except ApiError as error:
                assert str(error), type(error)
                whole = "".join(traceback.format_exception(error)) + error.hint + error.where
                assert not betrayed(whole.encode(), CANARY), f"the key is in a {type(error).__name__}"


SAMPLED = list(ANSWERS)[::6]


@pytest.mark.parametrize("call", CALLS)
def test_some_answers(call: str, tally: Tally, make_simulator: MakeSimulator) -> None:
    simulator = make_simulator()
    with tally(f"faults: answers to {call}, a sample") as campaign:
        for name in SAMPLED[list(CALLS).index(call) :: len(CALLS)]:
            with campaign.trial(name):
                answer(simulator, call, ANSWERS[name][0])


@pytest.mark.campaign
@pytest.mark.parametrize("call", CALLS)
def test_every_answer(call: str, tally: Tally, make_simulator: MakeSimulator) -> None:
    simulator = make_simulator()
    with tally(f"faults: answers to {call}") as campaign:
        for name, (action, _) in ANSWERS.items():
            with campaign.trial(name):
                answer(simulator, call, action)


# ---- silence, longer than the client waits ---------------------------------------------------------

STALLS = {
    "before the reply": "stall: 30",
    "in the reply": "stall: {seconds: 30, at: body}",
    "a drip": "drip: {seconds: 0.05, bytes: 1}",
    "a drip of headers": "drip: {seconds: 0.05, bytes: 1, of: headers}",
}
Ask: TypeAlias = Callable[[Anthropic, str, Path], object]


def create(provider: Anthropic, _: str, folder: Path) -> object:
    body = folder / "0001.jsonl"
    body.write_bytes(orjson.dumps(REQUEST) + b"\n")
    return provider.create(body, requests=1, betas=(), api_version=DEFAULT_VERSION)


PROMISED: dict[str, tuple[Ask, type[ApiError | ProviderError]]] = {
    "create": (create, OutcomeUnknown),
    "retrieve": (lambda provider, id, _: provider.retrieve(id), TryLater),
    "list": (lambda provider, *_: provider.newest(), TryLater),
    "results": (lambda provider, id, folder: provider.download(id, folder / "0001.part"), TryLater),
    "cancel": (lambda provider, id, _: provider.cancel(id), TryLater),
    "count_tokens": (lambda provider, *_: provider.count_tokens(PARAMS), TryLater),
}
SLOW_IS_FINE = ("results", "a drip")
"""Results may take as long as they take: no silence among them may."""
SILENCES = [(call, stall) for stall in STALLS for call in PROMISED if (call, stall) != SLOW_IS_FINE]


def wait_in_vain(simulator: Simulator, call: str, stall: str, folder: Path) -> None:
    """It gives up in time, with the error that its promise names, and a create was sent once at most."""
    misbehave(simulator)
    with BatchesClient(
        CANARY, base_url=simulator.url, environ={}, timeout=IMPATIENT, max_retries=0
    ) as client:
        provider = Anthropic(client)
        id = client.create([REQUEST]).id
        accepted = len(client.list(1000).data)
        misbehave(simulator, f"{call}: {{{STALLS[stall]}, times: 0}}")
        ask, promised = PROMISED[call]
        if (call, stall) == ("results", "in the reply"):
            promised = IncompleteResults
        began = monotonic()
        with pytest.raises((ApiError, ProviderError)) as caught:
            ask(provider, id, folder)
        assert type(caught.value) is promised, repr(caught.value)
        assert monotonic() - began < PATIENCE
        misbehave(simulator)
        assert len(client.list(1000).data) - accepted == (call == "create")


@pytest.mark.parametrize("call", PROMISED)
def test_some_silences(call: str, tally: Tally, tmp_path: Path, make_simulator: MakeSimulator) -> None:
    stall = list(STALLS)[list(PROMISED).index(call) % len(STALLS)]
    with tally("faults: silence longer than the time-outs, a sample") as campaign, campaign.trial(stall):
        wait_in_vain(make_simulator(), call, stall, tmp_path)


@pytest.mark.campaign
def test_every_silence(tally: Tally, tmp_path: Path, make_simulator: MakeSimulator) -> None:
    with tally("faults: silence longer than the time-outs") as campaign:
        for call, stall in SILENCES:
            with campaign.trial(f"{call}, {stall}"):
                wait_in_vain(make_simulator(), call, stall, tmp_path)
