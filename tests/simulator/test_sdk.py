"""The official client, unchanged, through every batch call over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types.messages.batch_create_params import Request

from batchrun.model import Json
from batchrun.simulator import Options, Scenario, Simulator
from batchrun.simulator.scenario import Fault
from tests.conftest import MakeSimulator
from tests.simulator.helpers import VERSIONS, Clock

HOUR = 3600.0


def sdk(simulator: Simulator, version: str | None = None, **more: Any) -> anthropic.Anthropic:
    headers = {"anthropic-version": version} if version else None
    return anthropic.Anthropic(
        base_url=simulator.url, api_key="k", default_headers=headers, max_retries=0, **more
    )


@pytest.fixture(params=[None, *VERSIONS])
def client(request: pytest.FixtureRequest, simulator: Simulator) -> Iterator[anthropic.Anthropic]:
    with sdk(simulator, request.param) as client:
        yield client


def asking(*texts: str) -> list[Request]:
    return [
        {
            "custom_id": f"r{n}",
            "params": {
                "model": "claude-haiku-4-5",
                "max_tokens": 50,
                "messages": [{"role": "user", "content": text}],
            },
        }
        for n, text in enumerate(texts)
    ]


def test_create_retrieve_results_delete(client: anthropic.Anthropic) -> None:
    batches = client.messages.batches
    batch = batches.create(requests=asking("one", "two\u2028three", "vier ä 五"))
    assert batch.processing_status == "in_progress"
    assert batch.request_counts.processing == 3
    assert (batch.expires_at - batch.created_at).total_seconds() == 24 * HOUR
    ended = batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert ended.request_counts.succeeded == 3
    texts = {}
    for line in batches.results(batch.id):
        assert line.result.type == "succeeded"
        message = line.result.message
        assert message.model == "claude-haiku-4-5-20251001"
        assert message.stop_reason == "end_turn"
        assert message.usage.service_tier == "batch"
        assert message.usage.output_tokens > 0
        block = message.content[0]
        assert block.type == "text"
        texts[line.custom_id] = block.text
    assert texts == {"r0": "one", "r1": "two\u2028three", "r2": "vier ä 五"}
    deleted = batches.delete(batch.id)
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(batch.id)


def test_lists_page_by_themselves_in_both_directions(client: anthropic.Anthropic) -> None:
    batches = client.messages.batches
    ids = [batches.create(requests=asking("x")).id for _ in range(7)][::-1]
    assert [batch.id for batch in batches.list(limit=2)] == ids
    assert [batch.id for batch in batches.list(limit=2, after_id=ids[2])] == ids[3:]
    backward = [
        [batch.id for batch in page.data] for page in batches.list(limit=2, before_id=ids[5]).iter_pages()
    ]
    assert backward == [ids[3:5], ids[1:3], ids[:1]]
    assert [batch.id for batch in batches.list(limit=2, before_id=ids[0])] == []


def test_cancel(make_simulator: MakeSimulator) -> None:
    clock = Clock()
    options = Options(process_seconds=HOUR, cancel_seconds=60)
    with sdk(make_simulator(options=options, clock=clock)) as client:
        batch = client.messages.batches.create(requests=asking("x", "y"))
        with pytest.raises(anthropic.BadRequestError, match="In progress batches cannot be deleted"):
            client.messages.batches.delete(batch.id)
        canceling = client.messages.batches.cancel(batch.id)
        assert canceling.processing_status == "canceling"
        assert canceling.cancel_initiated_at is not None
        clock.forward(60)
        assert client.messages.batches.retrieve(batch.id).request_counts.canceled == 2
        assert {line.result.type for line in client.messages.batches.results(batch.id)} == {"canceled"}


def test_errored_lines(client: anthropic.Anthropic) -> None:
    wrong = asking("fine", "bad")
    wrong[1]["params"]["max_tokens"] = 9_999_999
    batch = client.messages.batches.create(requests=wrong)
    results = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    errored = results["r1"]
    assert errored.type == "errored"
    assert errored.error.error.type == "invalid_request_error"
    assert errored.error.error.message == (
        "max_tokens: 9999999 > 64000, which is the maximum allowed number of output tokens"
        " for claude-haiku-4-5-20251001"
    )
    assert results["r0"].type == "succeeded"


def test_requests_the_api_refuses(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.batches.create(requests=[])
    assert caught.value.request_id
    assert "List should have at least 1 item" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (409, anthropic.ConflictError),
        (422, anthropic.UnprocessableEntityError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
def test_every_class_of_error(
    make_simulator: MakeSimulator, status: int, kind: type[anthropic.APIStatusError]
) -> None:
    scenario = Scenario(faults=(Fault(frozenset({"list"}), "status", status),))
    with sdk(make_simulator(options=Options(scenario=scenario))) as client:
        with pytest.raises(kind) as caught:
            client.messages.batches.list()
        assert caught.value.status_code == status
        assert client.messages.batches.list().data == []


def test_its_own_retries_get_through(make_simulator: MakeSimulator) -> None:
    headers: dict[str, Json] = {"retry-after-ms": "1"}
    fault = Fault(frozenset({"list"}), "status", {"code": 529, "headers": headers}, times=2)
    with sdk(make_simulator(options=Options(scenario=Scenario(faults=(fault,))))) as client:
        assert client.with_options(max_retries=2).messages.batches.list().data == []


def test_neighbouring_endpoints(client: anthropic.Anthropic) -> None:
    count = client.messages.count_tokens(
        model="claude-haiku-4-5", messages=[{"role": "user", "content": "x" * 400}]
    )
    assert count.input_tokens == 104
    models = list(client.models.list(limit=5))
    assert len(models) > 5
    model = client.models.retrieve("claude-haiku-4-5")
    assert (model.id, model.display_name) == ("claude-haiku-4-5-20251001", "Claude Haiku 4.5")
    assert model.capabilities is not None
    assert model.capabilities.batch.supported
    assert model.id in [listed.id for listed in models]


def test_structured_output_and_tools(client: anthropic.Anthropic) -> None:
    request = asking("Is it blue?")[0]
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"label": {"enum": ["yes", "no"]}},
        "required": ["label"],
        "additionalProperties": False,
    }
    request["params"]["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    tool = asking("Is it blue?")[0]
    tool["custom_id"] = "tool"
    tool["params"]["tools"] = [{"name": "answer", "input_schema": schema}]
    tool["params"]["tool_choice"] = {"type": "tool", "name": "answer"}
    batch = client.messages.batches.create(requests=[request, tool])
    results = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    plain, used = results["r0"], results["tool"]
    assert plain.type == used.type == "succeeded"
    assert plain.message.content[0].to_dict()["text"] in ('{"label":"yes"}', '{"label":"no"}')
    block = used.message.content[0]
    assert block.type == "tool_use"
    assert (block.name, used.message.stop_reason) == ("answer", "tool_use")
    assert block.input in ({"label": "yes"}, {"label": "no"})
