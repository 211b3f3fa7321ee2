"""A plain HTTP client of the batch calls, requests to send, and a clock to turn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import requests

from batchrun.simulator import Simulator

VERSIONS = ("2023-06-01", "2026-10-21")


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class Client:
    """One kept-alive connection to a simulator."""

    def __init__(self, simulator: Simulator, *, version: str = VERSIONS[0], **headers: str) -> None:
        self.base = f"{simulator.url}/v1/messages/batches"
        self.url = simulator.url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers.update({"x-api-key": "a key", "anthropic-version": version, **headers})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def post(self, body: Any, **headers: str) -> requests.Response:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.http.post(self.base, data=data, headers=headers, timeout=30)

    def create(self, *entries: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        reply = self.post({"requests": entries}, **headers)
        assert reply.status_code == 200, reply.text
        batch: dict[str, Any] = reply.json()
        return batch

    def get(self, path: str = "", **query: Any) -> requests.Response:
        return self.http.get(self.base + (f"/{path}" if path else ""), params=query, timeout=30)

    def batch(self, batch_id: str) -> dict[str, Any]:
        reply = self.get(batch_id)
        assert reply.status_code == 200, reply.text
        batch: dict[str, Any] = reply.json()
        return batch

    def cancel(self, batch_id: str) -> requests.Response:
        return self.http.post(f"{self.base}/{batch_id}/cancel", json={}, timeout=30)

    def delete(self, batch_id: str) -> requests.Response:
        return self.http.delete(f"{self.base}/{batch_id}", timeout=30)

    def results(self, batch_id: str) -> dict[str, dict[str, Any]]:
        """Results by custom_id."""
        reply = self.get(f"{batch_id}/results")
        assert reply.status_code == 200, reply.text
        lines = [orjson.loads(line) for line in reply.content.split(b"\n")]
        return {line["custom_id"]: line["result"] for line in lines}

    def run(self, *entries: Mapping[str, Any], **headers: str) -> dict[str, dict[str, Any]]:
        """Create a batch that ends at once, and fetch its results."""
        return self.results(self.create(*entries, **headers)["id"])

    def run_one(self, params: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        return self.run({"custom_id": "one", "params": params}, **headers)["one"]


def params(text: str = "Name a colour.", **more: Any) -> dict[str, Any]:
    base = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return {**base, **more}


def entry(custom_id: str, text: str = "Name a colour.", **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "params": params(text, **more)}


def ledger(state: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (state / "ledger.jsonl").read_bytes().splitlines()]


def error_of(reply: requests.Response) -> tuple[int, str, str]:
    error = reply.json()["error"]
    return reply.status_code, error["type"], error["message"]
