"""The calls of the API, one function each: a Call in, a Reply out (api-facts §2, §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from batchrun.model import Json
from batchrun.simulator import catalog
from batchrun.simulator.batches import Asked, Batches
from batchrun.simulator.bodies import spool
from batchrun.simulator.checks import check_countable
from batchrun.simulator.checks_messages import ParamFault
from batchrun.simulator.disk import create
from batchrun.simulator.envelope import not_json, split
from batchrun.simulator.faults import around
from batchrun.simulator.options import Options
from batchrun.simulator.record import Record, shown
from batchrun.simulator.replies import Refused, Reply, ok
from batchrun.simulator.requests import BATCHES, Call
from batchrun.simulator.scenario import Scenario
from batchrun.simulator.usage import input_tokens

VERSIONS = ("2023-06-01", "2026-10-21")


class Api:
    """Answers calls from the batches of a state folder."""

    def __init__(self, batches: Batches, options: Options, clock: Callable[[], float]) -> None:
        self.batches, self.options, self.clock = batches, options, clock
        self._calls: dict[str, Callable[[Call], Reply]] = {
            "create": self._create,
            "list": self._list,
            "retrieve": self._retrieve,
            "delete": self._delete,
            "cancel": self._cancel,
            "results": self._results,
            "count_tokens": self._count_tokens,
            "models": self._models,
            "model": self._model,
        }

    def answer(self, call: Call) -> Reply:
        """What the API says to a call, its refusals included."""
        scenario = self.options.scenario or Scenario()
        return around(scenario.faults, self.batches.counters, call, lambda: self._proceed(call))

    def _proceed(self, call: Call) -> Reply:
        try:
            self._admit(call.headers)
            return self._calls[call.name](call)
        except Refused as refused:
            return refused.reply(call.request_id)

    def _admit(self, headers: Mapping[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        accepted = self.options.api_keys
        if not key or (accepted is not None and key not in accepted):
            raise Refused(401, "API key is invalid.")
        version = headers.get("anthropic-version")
        if not version:
            raise Refused(400, "anthropic-version: header is required")
        if version not in VERSIONS:
            raise Refused(400, f'anthropic-version: "{version}" is not a valid version')

    def _create(self, call: Call) -> Reply:
        with self.batches.incoming() as folder:
            body = spool(call.body(), folder / "body.json")
            lines = folder / "requests.jsonl"
            with create(lines) as stream:
                contents = split(body.path, stream, max_requests=self.options.max_requests)
            self._admit_to_queue(call, contents.requests)
            asked = Asked(
                call.headers["anthropic-version"],
                tuple(_betas(call.headers)),
                call.headers.get("anthropic-user-profile-id"),
            )
            requests, before, after = call.strangers or (0, 0, 0)
            for _ in range(before):
                self.batches.accept_stranger(requests, asked)
            record = self.batches.accept(
                lines, contents, asked, size=body.size, sha256=body.sha256, skew=call.skew
            )
            for _ in range(after):
                self.batches.accept_stranger(requests, asked)
        return ok(self._shown(record, call))

    def _admit_to_queue(self, call: Call, requests: int) -> None:
        if call.queue_limit is None or self.batches.waiting() + requests <= call.queue_limit:
            return
        headers = {"retry-after": f"{call.queue_retry_after:g}"}
        raise Refused(429, f"The queue holds {call.queue_limit} requests and is full", headers=headers)

    def _retrieve(self, call: Call) -> Reply:
        record = self.batches.get(call.target)
        reply = ok(self._shown(record, call))
        if record.counts is None and self.options.retry_after is not None:
            reply.headers["retry-after"] = str(self.options.retry_after)
        return reply

    def _list(self, call: Call) -> Reply:
        after, before = _one(call.query, "after_id"), _one(call.query, "before_id")
        if after and before:
            raise Refused(400, "after_id and before_id cannot be used together")
        records, has_more = self.batches.page(_limit(call.query), after, before, lag=call.lag)
        data = [self._shown(record, call) for record in records]
        return ok(page(data, has_more))

    def _cancel(self, call: Call) -> Reply:
        return ok(self._shown(self.batches.cancel(call.target), call))

    def _delete(self, call: Call) -> Reply:
        self.batches.delete(call.target)
        return ok({"id": call.target, "type": "message_batch_deleted"})

    def _results(self, call: Call) -> Reply:
        path = self.batches.results(call.target)
        name = f'attachment; filename="{call.target}_results.jsonl"'
        return Reply(file=path, content_type="application/x-jsonl", headers={"content-disposition": name})

    def _shown(self, record: Record, call: Call) -> dict[str, Json]:
        origin = self.options.foreign_results_url or call.origin
        running = self.batches.counts_so_far(record) if self.options.partial_counts else None
        return shown(record, self.clock(), f"{origin}{BATCHES}/{record.id}/results", running)

    def _count_tokens(self, call: Call) -> Reply:
        params = _json_object(b"".join(call.body()))
        try:
            model = check_countable(params, self.options.today)
        except ParamFault as fault:
            raise Refused(404 if fault.type == "not_found_error" else 400, str(fault)) from None
        return ok({"input_tokens": input_tokens(params, model)})

    def _models(self, call: Call) -> Reply:
        wanted = call.query.get("lifecycle[]") or call.query.get("lifecycle") or ["active", "deprecated"]
        models = [model for model in catalog.listed() if model.lifecycle(self.options.today) in wanted]
        ids = [model.id for model in models]
        after, before = _one(call.query, "after_id"), _one(call.query, "before_id")
        for cursor in (after, before):
            if cursor and cursor not in ids:
                raise Refused(404, f"model: {cursor}")
        limit = _limit(call.query)
        if before:
            end = ids.index(before)
            start = max(0, end - limit)
            return ok(page([catalog.shown(m, self.options.today) for m in models[start:end]], start > 0))
        start = ids.index(after) + 1 if after else 0
        found = [catalog.shown(model, self.options.today) for model in models[start : start + limit]]
        return ok(page(found, start + limit < len(models)))

    def _model(self, call: Call) -> Reply:
        model = catalog.models().get(call.target)
        if model is None:
            raise Refused(404, f"model: {call.target}")
        return ok(catalog.shown(model, self.options.today))


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise not_json(str(error)) from None
    if not isinstance(value, dict):
        raise Refused(400, "Input should be a valid dictionary")
    return value


def page(data: list[dict[str, Json]], has_more: bool) -> dict[str, Json]:
    ends = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": list(data), "has_more": has_more, "first_id": ends[0], "last_id": ends[1]}


def _one(query: Mapping[str, list[str]], name: str) -> str | None:
    return query[name][-1] if query.get(name) else None


def _betas(headers: Mapping[str, str]) -> tuple[str, ...]:
    names = (name.strip() for name in headers.get("anthropic-beta", "").split(","))
    return tuple(name for name in names if name)


def _limit(query: Mapping[str, list[str]]) -> int:
    text = _one(query, "limit")
    if text is None:
        return 20
    if not text.isdecimal():
        raise Refused(400, "limit: Input should be a valid integer, unable to parse string as an integer")
    if int(text) < 1:
        raise Refused(400, "limit: Input should be greater than or equal to 1")
    if int(text) > 1000:
        raise Refused(400, "limit: Input should be less than or equal to 1000")
    return int(text)
