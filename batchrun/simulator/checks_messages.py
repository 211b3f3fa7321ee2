"""The messages and the system text of one request: shape, block types, and what a version took away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

MOST_MESSAGES = 100_000
_ROLES = ("user", "assistant", "system")
_BLOCKS = frozenset(
    {
        "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use",
        "tool_result", "server_tool_use", "web_search_tool_result", "web_fetch_tool_result",
        "code_execution_tool_result", "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result", "tool_search_tool_result", "container_upload",
        "mcp_tool_use", "mcp_tool_result", "compaction", "tool_reference",
    }
)  # fmt: skip
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class ParamFault(Exception):
    """One request's params are wrong. `worker`: found while running it, so that the line has a request id."""

    def __init__(self, message: str, *, type: str = "invalid_request_error", worker: bool = False) -> None:
        super().__init__(message)
        self.type, self.worker = type, worker


def check_messages(params: Mapping[str, Any], *, newest: bool) -> None:
    """Raises ParamFault. `newest`: the rules of version 2026-10-21 hold as well (api-facts §1.1)."""
    if "messages" not in params:
        raise ParamFault("messages: Field required")
    messages = params["messages"]
    if not isinstance(messages, list):
        raise ParamFault("messages: Input should be a valid list")
    if not messages:
        raise ParamFault("messages: at least one message is required")
    if len(messages) > MOST_MESSAGES:
        raise ParamFault(f"messages: List should have at most {MOST_MESSAGES} items, not {len(messages)}")
    for position, message in enumerate(messages):
        _check_message(message, f"messages.{position}", newest)


def check_system(params: Mapping[str, Any]) -> None:
    system = params.get("system")
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise ParamFault("system: Input should be a valid string or list")
    for position, block in enumerate(system):
        at = f"system.{position}"
        if not isinstance(block, dict) or block.get("type") != "text":
            raise ParamFault(f"{at}.type: Input should be 'text'")
        _check_text(block, at)
        _check_cache_control(block, at)


def _check_message(message: object, at: str, newest: bool) -> None:
    if not isinstance(message, dict):
        raise ParamFault(f"{at}: Input should be a valid dictionary")
    for name in ("role", "content"):
        if name not in message:
            raise ParamFault(f"{at}.{name}: Field required")
    for name in message:
        if name not in ("role", "content"):
            raise ParamFault(f"{at}.{name}: Extra inputs are not permitted")
    role, content = message["role"], message["content"]
    if role not in _ROLES:
        raise ParamFault(f"{at}.role: Input should be 'user', 'assistant' or 'system'")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise ParamFault(f"{at}.content: Input should be a valid list")
    for position, block in enumerate(content):
        _check_block(block, f"{at}.content.{position}", role, newest)


def _check_block(block: object, at: str, role: str, newest: bool) -> None:
    if not isinstance(block, dict):
        raise ParamFault(f"{at}: Input should be a valid dictionary")
    kind = block.get("type")
    if kind is None:
        raise ParamFault(f"{at}.type: Field required")
    if kind not in _BLOCKS:
        raise ParamFault(
            f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    if kind == "text":
        _check_text(block, at)
    inner = block.get("content")
    if kind in ("tool_result", "search_result") and isinstance(inner, list):
        for position, part in enumerate(inner):
            _check_block(part, f"{at}.content.{position}", role, False)
    if kind in ("image", "document"):
        _check_source(block.get("source"), at, kind)
    _check_cache_control(block, at)
    if newest:
        _check_removed(block, at, role)


def _check_removed(block: Mapping[str, Any], at: str, role: str) -> None:
    """What 2026-10-21 no longer takes."""
    if role == "assistant" and block["type"] == "document":
        raise ParamFault(f"{at}: document blocks are not permitted in assistant turns")
    if role != "user":
        return
    inner = block.get("content") if block["type"] == "search_result" else None
    for place, text in [(at, block), *((f"{at}.content.{n}", b) for n, b in enumerate(inner or []))]:
        if isinstance(text, dict) and text.get("type") == "text" and text.get("citations"):
            raise ParamFault(f"{place}.citations: citations are not permitted on text blocks of user turns")


def _check_text(block: Mapping[str, Any], at: str) -> None:
    if not isinstance(block.get("text"), str):
        raise ParamFault(
            f"{at}.text: Field required"
            if "text" not in block
            else f"{at}.text: Input should be a valid string"
        )


def _check_cache_control(block: Mapping[str, Any], at: str) -> None:
    control = block.get("cache_control")
    if control is None:
        return
    if not isinstance(control, dict) or control.get("type") != "ephemeral":
        raise ParamFault(f"{at}.cache_control.type: Input should be 'ephemeral'")
    if control.get("ttl", "5m") not in ("5m", "1h"):
        raise ParamFault(f"{at}.cache_control.ttl: Input should be '5m' or '1h'")


def _check_source(source: object, at: str, kind: str) -> None:
    if not isinstance(source, dict) or "type" not in source:
        raise ParamFault(f"{at}.source: Field required")
    if source["type"] == "url":
        # The simulator fetches nothing: every address is taken as good but the ones reserved as bad.
        host = urlsplit(str(source.get("url"))).hostname or ""
        if not host or host.endswith((".invalid", ".test")):
            raise ParamFault("Unable to download the file. Please verify the URL and try again.", worker=True)
    if source["type"] == "base64":
        if not source.get("data") or not isinstance(source["data"], str):
            raise ParamFault(f"{at}.source.base64.data: Field required")
        if kind == "image" and source.get("media_type") not in _IMAGES:
            wanted = "', '".join(_IMAGES[:-1]) + f"' or '{_IMAGES[-1]}"
            raise ParamFault(f"{at}.source.base64.media_type: Input should be '{wanted}'")
