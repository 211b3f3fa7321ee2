"""What the rules say of a request, as lines: the path, `~` in front of a warning."""

from __future__ import annotations

from typing import Any

from batchrun.requests.params import check

USER: dict[str, Any] = {"role": "user", "content": "hi"}


def told(*, version: str = "2023-06-01", model: str = "claude-haiku-4-5", **params: Any) -> list[str]:
    body = {"model": model, "max_tokens": 5000, "messages": [USER], **params}
    return [
        f"{'~' * p.warning}{'.'.join(map(str, p.path))}: {p.message}"
        for p in check(body, api_version=version, betas=())
    ]


def turn(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}
