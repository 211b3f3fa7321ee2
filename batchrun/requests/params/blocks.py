"""Turns and their blocks: their shape, and what people bring from other services (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, Dynamic, ParamProblem, Steps, missing
from batchrun.requests.params.walk import nested
from batchrun.safetext import plain

MAX_MESSAGES = 100_000
"""In one request (api-facts §4)."""

ROLES = ("user", "assistant", "system")
_ROLE_HINTS = {
    "human": "write user",
    "customer": "write user",
    "developer": "write system",
    "gpt": "write assistant",
    "chatgpt": "write assistant",
    "bot": "write assistant",
    "ai": "write assistant",
    "model": "write assistant",
    "tool": "a tool's answer is a block {type: tool_result, tool_use_id: …, content: …} in a user turn",
    "function": "a tool's answer is a block {type: tool_result, tool_use_id: …, content: …} in a user turn",
}

_IMAGE = "an image is {type: image, source: {type: url, url: …}}, or type: base64 with media_type and data"
_DOCUMENT = "a file is {type: document, source: {type: base64, media_type: application/pdf, data: …}}"
_TEXT = "a text is {type: text, text: …}"
_CALL = "a call is {type: tool_use, id: …, name: …, input: {…}}"
_RESULT = "a result is {type: tool_result, tool_use_id: …, content: …}"
_NO_SOUND = "the Messages API takes text, images and documents"
_DIALECTS: Mapping[str, str] = {
    "image_url": _IMAGE,
    "input_image": _IMAGE,
    "image_file": _IMAGE,
    "inline_data": _IMAGE,
    "media": _IMAGE,
    "picture": _IMAGE,
    "img": _IMAGE,
    "input_text": _TEXT,
    "output_text": _TEXT,
    "summary_text": _TEXT,
    "string": _TEXT,
    "refusal": _TEXT,
    "markdown": _TEXT,
    "message": "a turn is {role: …, content: …}, and holds no other",
    "input_file": _DOCUMENT,
    "file": _DOCUMENT,
    "file_url": _DOCUMENT,
    "pdf": _DOCUMENT,
    "document_url": _DOCUMENT,
    "input_audio": _NO_SOUND,
    "audio": _NO_SOUND,
    "audio_url": _NO_SOUND,
    "video": _NO_SOUND,
    "video_url": _NO_SOUND,
    "function": _CALL,
    "function_call": _CALL,
    "tool_call": _CALL,
    "tool_calls": _CALL,
    "toolUse": _CALL,
    "function_call_output": _RESULT,
    "function_response": _RESULT,
    "tool_response": _RESULT,
    "toolResult": _RESULT,
    "reasoning": "thinking is sent back as it came, {type: thinking, thinking: …, signature: …}",
}
"""Types of blocks of other APIs, and what they are here."""

KNOWN_BLOCKS = frozenset(
    {
        "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use",
        "tool_result", "server_tool_use", "web_search_tool_result", "web_fetch_tool_result",
        "code_execution_tool_result", "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result", "tool_search_tool_result", "tool_reference",
        "container_upload", "mcp_tool_use", "mcp_tool_result", "advisor_tool_result", "compaction",
    }
)  # fmt: skip

_MESSAGE_HINTS: Mapping[str, str] = {
    "from": "'from' and 'value' of ShareGPT are 'role' and 'content' here, human is user and gpt assistant",
    "parts": "'parts' of Gemini are blocks below 'content', each {type: text, text: …}",
    "tool_calls": _CALL,
    "function_call": _CALL,
    "tool_call_id": _RESULT,
}
_MESSAGE = "a message is {role: user, content: …}"


def messages(call: Call) -> Iterator[ParamProblem]:
    turns = call.params.get("messages")
    if "messages" not in call.params:
        yield missing("messages")
    elif isinstance(turns, Dynamic):
        return
    elif not isinstance(turns, list) or not turns:
        yield ParamProblem(("messages",), "must be a list of at least one message")
    elif len(turns) > MAX_MESSAGES:
        yield ParamProblem(("messages",), f"holds {len(turns):,} messages; the most is {MAX_MESSAGES:,}")
    else:
        for index, turn in enumerate(turns):
            yield from _message(turn, ("messages", index), call)


def _message(message: object, path: Steps, call: Call) -> Iterator[ParamProblem]:
    if isinstance(message, Dynamic):
        return
    if not isinstance(message, Mapping) or "role" not in message or "content" not in message:
        keys = message if isinstance(message, Mapping) else ()
        hint = next((hint for key, hint in _MESSAGE_HINTS.items() if key in keys), "")
        yield ParamProblem(path, "must be a mapping with role and content", hint)
        return
    role, content = message["role"], message["content"]
    if not isinstance(role, Dynamic) and role not in ROLES:
        hint = _ROLE_HINTS.get(role.lower(), "") if isinstance(role, str) else ""
        shown = plain(repr(role), 80)
        yield ParamProblem((*path, "role"), f"must be 'user', 'assistant' or 'system', not {shown}", hint)
    for key in message:
        if key not in ("role", "content"):
            hint = _MESSAGE_HINTS.get(str(key), "take it out")
            what = f"{plain(str(key), 80)!r} is not a key of a message"
            yield ParamProblem((*path, str(key)), what, hint, warning=bool(call.betas))
    if not isinstance(content, str | list | Dynamic):
        yield ParamProblem((*path, "content"), "must be a string or a list of content blocks")
    elif isinstance(content, list):
        yield from _blocks(content, (*path, "content"))


def system(call: Call) -> Iterator[ParamProblem]:
    given = call.params.get("system")
    if given is None or isinstance(given, str | Dynamic):
        return
    if not isinstance(given, list):
        yield ParamProblem(("system",), "must be a string or a list of text blocks")
        return
    for index, block in enumerate(given):
        if isinstance(block, Dynamic):
            continue
        if not isinstance(block, Mapping) or block.get("type") != "text":
            if not (isinstance(block, Mapping) and isinstance(block.get("type"), Dynamic)):
                yield ParamProblem(("system", index), "must be a text block", _TEXT)
        elif not isinstance(block.get("text"), str | Dynamic):
            yield ParamProblem(("system", index, "text"), "must be a string")


def _blocks(blocks: list[object], path: Steps) -> Iterator[ParamProblem]:
    for index, block in enumerate(blocks):
        here = (*path, index)
        if isinstance(block, Dynamic):
            continue
        if not isinstance(block, Mapping):
            yield ParamProblem(here, "must be a content block: a mapping with a type", _TEXT)
            continue
        yield from _block(block, here)
        for name, inner in nested(block):
            if isinstance(inner, list) and block.get("type") in ("tool_result", "search_result", "document"):
                yield from _blocks(inner, (*here, *name))


def _block(block: Mapping[str, object], path: Steps) -> Iterator[ParamProblem]:
    kind = block.get("type")
    if "type" not in block:
        yield ParamProblem(path, "has no type", _TEXT if "text" in block else "every block needs one")
    elif isinstance(kind, Dynamic):
        return
    elif not isinstance(kind, str):
        yield ParamProblem((*path, "type"), "must be the name of a kind of block")
    elif kind in KNOWN_BLOCKS:
        if kind == "text" and not isinstance(block.get("text"), str | Dynamic):
            yield ParamProblem((*path, "text"), "must be a string", _TEXT)
        if kind in ("image", "document") and not isinstance(block.get("source"), Mapping | Dynamic):
            yield ParamProblem(path, "has no source", _IMAGE if kind == "image" else _DOCUMENT)
    else:
        yield from _unknown_kind(kind, (*path, "type"))


def _unknown_kind(kind: str, path: Steps) -> Iterator[ParamProblem]:
    """Another service's is surely wrong; any other may be newer than batchrun."""
    shown = plain(kind, 80)
    if kind in _DIALECTS:
        yield ParamProblem(path, f"{shown!r} is no type of block", _DIALECTS[kind])
    else:
        from difflib import get_close_matches  # only for who misspelt one

        near = get_close_matches(kind, KNOWN_BLOCKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        message = f"{shown!r} is not a type of block that this version knows"
        yield ParamProblem(path, message, hint, warning=True)
