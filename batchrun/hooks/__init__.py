"""Calling a hook: a command or a webhook. Whatever it does, the job does not notice."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from batchrun.model import Hook


@dataclass(frozen=True, slots=True)
class Message:
    """What a hook gets: the JSON `body`; `variables` for commands, `headers` for webhooks."""

    body: bytes
    variables: Mapping[str, str]
    headers: Mapping[str, str]


def call(
    hook: Hook, message: Message, environ: Mapping[str, str], *, timeout: float, secret: str = ""
) -> str:
    """Call `hook`, for `timeout` seconds at most; what is wrong with how that went, or "".

    `environ` is what commands see and what leads webhooks to a proxy. `secret` signs what is posted.
    """
    if hook.run:
        from batchrun.hooks.command import run

        return run(hook, message.body, {**environ, **message.variables}, timeout)
    from batchrun.hooks.webhook import post

    headers = dict(message.headers)
    if secret:
        digest = hmac.new(secret.encode(), message.body, hashlib.sha256).hexdigest()
        headers["x-batchrun-signature"] = f"sha256={digest}"
    return post(hook.post, message.body, headers, environ, timeout)
