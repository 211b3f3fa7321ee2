"""The client's checks and the simulator's, written apart from the same facts, over all cases: what the API ends in an
error is refused by both, what it takes by neither. Where they disagree, a test shows it."""

from __future__ import annotations

from base64 import b64encode
from datetime import date
from typing import Any

import pytest

from batchrun.requests.params import check as client_check
from batchrun.simulator.checks import Setting, check
from batchrun.simulator.checks_messages import ParamFault
from tests.media.files import HTML, SVG, gif, heic, jpeg, pdf, png, webp
from tests.simulator.helpers import params

OLD = "2023-06-01"
TODAY = date(2026, 11, 22)
USER: dict[str, Any] = {"role": "user", "content": "hi"}
LOOK: dict[str, Any] = {"name": "look", "input_schema": {"type": "object"}}
SHORT, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
THINKING: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 5000}
CLOSED: dict[str, Any] = {"type": "object", "additionalProperties": False}


def asking(*blocks: Any, **more: Any) -> dict[str, Any]:
    return params(messages=[{"role": "user", "content": list(blocks)}], **more)


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def begun(content: Any, **more: Any) -> dict[str, Any]:
    return params(messages=[USER, {"role": "assistant", "content": content}], **more)


def talk(*turns: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return params(messages=[{"role": roles[n % 2], "content": turn} for n, turn in enumerate(turns)])


def call(id: str = "a") -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": id, "name": "look", "input": {}}]


def result(id: str = "a", content: Any = "12") -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": id, "content": content}]


def image(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}
    return asking({"type": "image", "source": source})


def document(data: bytes, **more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": b64encode(data).decode()}
    return asking({"type": "document", "source": source}, **more)


def answer(schema: Any) -> dict[str, Any]:
    return params(output_config={"format": {"type": "json_schema", "schema": schema}})


def strict(schema: Any, *, strict: bool = True) -> dict[str, Any]:
    return params(tools=[{"name": "t", "strict": strict, "input_schema": schema}])


def one(schema: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": {"a": schema}}


CITING = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "x"},
    "citations": {"enabled": True},
}
EMPTY, BLANK = "text content blocks must be non-empty", "text content blocks must contain non-whitespace text"
SPACE = "messages: final assistant content cannot end with trailing whitespace"
HAPPY: list[dict[str, Any]] = [
    asking(text("x"), text("y")),
    begun("Title:"),
    begun([text("a "), text("Title:")]),
    begun(""),
    talk("hi", "Yes. ", "Go on."),
    params(system=[text("x", cache_control=HOUR)] * 4),
    params(tools=[{**LOOK, "cache_control": HOUR}], system=[text("x", cache_control=SHORT)]),
    params(temperature=0.2),
    params(top_p=0.9),
    params(**THINKING, tools=[LOOK], tool_choice={"type": "auto"}),
    params(**THINKING, temperature=1),
    asking(CITING, text("Who?")),
    answer(one({"type": "array", "minItems": 1, "items": {"type": "string", "format": "date"}})),
    answer({**one({"$ref": "#/$defs/x"}), "$defs": {"x": one({"enum": ["x", 1, None]})}}),
    strict({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}, strict=False),
    *[image(data, kind) for data, kind in (
        (png(), "image/png"), (jpeg(), "image/jpeg"), (gif(), "image/gif"), (webp(), "image/webp"),
        (png(8000, 1), "image/png"),
    )],
    document(pdf(100)),
    document(pdf(600, packed=True), model="claude-opus-5"),
    params(stop_sequences=["\nEND"]),
    params(tools=[{**LOOK, "name": "a" * 128}]),
    talk("hi", call(), result()),
    talk("hi", call(), [*result(), text("And?")], call("b"), result("b")),
    talk("hi", call(), result(content=[text("12")])),
]  # fmt: skip

REFUSED: list[tuple[dict[str, Any], str]] = [
    (params(""), "messages.0: all messages must have non-empty content except for the optional final assistant message"),
    (params(" \n"), f"messages: {BLANK}"),
    (params("\u3000"), f"messages: {BLANK}"),
    (asking(), "messages.0: all messages must have non-empty content except for the optional final assistant message"),
    (asking(text("x"), text("")), f"messages: {EMPTY}"),
    (asking(text("x"), text("\t")), f"messages: {BLANK}"),
    (params(system=""), f"system: {EMPTY}"),
    (params(system=[text("x"), text(" ")]), f"system: {BLANK}"),
    (talk("hi", call(), result(content="")), f"messages: {EMPTY}"),
    (talk("hi", call(), result(content=[text("")])), f"messages: {EMPTY}"),
    (asking({"type": "search_result", "content": [text("")]}), f"messages: {EMPTY}"),
    (begun("Title: "), SPACE),
    (begun("Title:\n"), SPACE),
    (begun([text("Title:\t")]), SPACE),
    (params(system=[text("x", cache_control=HOUR)] * 5), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    (params(system=[text("x", cache_control=HOUR)] * 4, cache_control=HOUR), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    (params(tools=[{**LOOK, "cache_control": SHORT}], system=[text("x", cache_control=HOUR)]), "system: a ttl='1h' cache_control block must not come after"),
    (asking(text("x", cache_control=HOUR), system=[text("x", cache_control=SHORT)]), "messages: a ttl='1h' cache_control block must not come after"),
    (params(temperature=0.2, top_p=0.9), "`temperature` and `top_p` cannot both be specified for this model."),
    (params(temperature=0.2, top_p=0.9, model="claude-opus-4-6"), "`temperature` and `top_p` cannot both be specified"),
    (params(temperature=1, top_p=1, model="claude-opus-5"), "`temperature` and `top_p` cannot both be specified"),
    (params(**THINKING, tools=[LOOK], tool_choice={"type": "any"}), "Thinking may not be enabled when tool_choice forces tool use."),
    (params(thinking={"type": "adaptive"}, model="claude-opus-4-8", tools=[LOOK], tool_choice={"type": "tool", "name": "look"}), "Thinking may not be enabled"),
    (params(**THINKING, temperature=0), "`temperature` may only be set to 1 when thinking is enabled."),
    (params(**THINKING, top_k=40), "`top_k` must be unset when thinking is enabled."),
    (begun("Score:", **THINKING), "An assistant message cannot be prefilled when thinking is enabled."),
    (asking(CITING, **{k: v for k, v in answer(CLOSED).items() if k == "output_config"}), "citations are not supported together with output_config.format"),
    *[
        (make(schema), message)
        for make in (answer, strict)
        for schema, message in (
            ({"type": "object"}, "'additionalProperties' must be explicitly set to false"),
            ({**CLOSED, "additionalProperties": True}, "'additionalProperties' must be explicitly set to false"),
            (one({"type": "object"}), "'additionalProperties' must be explicitly set to false"),
            (one({"anyOf": [{"type": "null"}, {"type": "object"}]}), "'additionalProperties' must be"),
            ({**CLOSED, "$defs": {"x": {"type": "object"}}}, "'additionalProperties' must be"),
            (one({"type": "integer", "minimum": 1, "maximum": 3}), "For 'integer' type, properties maximum, minimum are not supported"),
            (one({"type": "number", "multipleOf": 2}), "properties multipleOf are not supported"),
            (one({"type": "string", "maxLength": 2}), "For 'string' type, properties maxLength are not supported"),
            (one({"type": "array", "maxItems": 2}), "properties maxItems are not supported"),
            (one({"type": "array", "minItems": 2}), "'minItems' values other than 0 or 1 are not supported"),
            ({**CLOSED, "patternProperties": {"^x": {}}}, "properties patternProperties are not supported"),
            (one({"$ref": "#"}), "recursive schemas are not supported"),
            ({**one({"$ref": "#/$defs/x"}), "$defs": {"x": one({"$ref": "#/$defs/x"})}}, "recursive schemas are not supported"),
            (one({"$ref": "https://example.com/a.json"}), "external $ref is not supported"),
        )
    ],
    (image(jpeg()), "The image was specified using the image/png media type, but the image appears to be a image/jpeg image"),
    (image(png(), "image/webp"), "the image appears to be a image/png image"),
    *[(image(data), "Could not process image") for data in (HTML, SVG, heic(), png()[:-20], b"\0\1")],
    (image(jpeg()[:-2], "image/jpeg"), "Could not process image"),
    (image(gif()[:-1], "image/gif"), "Could not process image"),
    (image(webp()[:-1], "image/webp"), "Could not process image"),
    (image(b""), "source.base64.data: Field required"),
    *[
        (image(data, kind), "At least one of the image dimensions exceed max allowed size: 8000 pixels")
        for data, kind in (
            (png(8001, 1), "image/png"), (jpeg(1, 9000), "image/jpeg"), (gif(9000, 1), "image/gif"),
            (webp(9000, 1), "image/webp"),
        )
    ],
    (image(png(more=6_000_000)), "image exceeds 5 MB maximum"),
    (image(png(), "image/svg+xml"), "media_type: Input should be"),
    (document(pdf(locked=True)), "The PDF specified is password protected."),
    (document(HTML), "The PDF specified was not valid."),
    (document(png()), "The PDF specified was not valid."),
    (document(pdf(101)), "A maximum of 100 PDF pages may be provided."),
    (document(pdf(601, packed=True), model="claude-opus-5"), "A maximum of 600 PDF pages may be provided."),
    *[
        (params(tools=[{**LOOK, "name": name}]), "tools.0.custom.name: String should match pattern")
        for name in ("look up", "devserver.stop", "", "a" * 129)
    ],
    (params(tools=[LOOK, LOOK]), "tools: Tool names must be unique."),
    (params(tools=[{"name": "x", "input_schema": {"type": "array"}}]), "tools.0.custom.input_schema.type: Input should be 'object'"),
    (params(tool_choice={"type": "any"}), "tool_choice: may only be specified while providing tools"),
    (params(tool_choice={"type": "auto"}, tools=[]), "tool_choice: may only be specified while providing tools"),
    (params(stop_sequences=["\n"]), "stop_sequences: each stop sequence must contain non-whitespace"),
    (params(stop_sequences=["END", ""]), "stop_sequences: each stop sequence must contain non-whitespace"),
    (talk("hi", call(), "And?"), "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a."),
    (talk("hi", call()), "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a."),
    (talk(result("z")), "messages.0: unexpected `tool_use_id` found in `tool_result` blocks: z."),
    (talk("hi", call("bad id!"), result("bad id!")), "String should match pattern '^[a-zA-Z0-9_-]+$'"),
    (asking({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}), "Input tag 'image_url' found"),
    (asking({"type": "input_text", "text": "x"}), "Input tag 'input_text' found"),
    (params(messages=[{"from": "human", "value": "hi"}]), "messages.0.role: Field required"),
    (talk("hi", call(), result(content=[{"type": "image_url"}])), "Input tag 'image_url' found"),
    (params(messages=[{**USER, "tool_calls": []}]), "messages.0.tool_calls: Extra inputs are not permitted"),
    (params(thread={"id": "t"}), "`thread` is not supported in the Message Batches API"),
    (params("lorem ipsum dolor sit amet " * 100_000), "prompt is too long: 675004 tokens > 200000 maximum"),
]  # fmt: skip


def refused_by_the_client(given: dict[str, Any]) -> list[str]:
    problems = client_check(given, api_version=OLD, betas=(), today=TODAY)
    return [problem.message for problem in problems if not problem.warning]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_both_refuse(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamFault) as caught:
        check(given, Setting(OLD, (), TODAY))
    assert message in str(caught.value)
    assert refused_by_the_client(given)


@pytest.mark.parametrize("given", HAPPY, ids=lambda value: str(value)[:60])
def test_both_take(given: dict[str, Any]) -> None:
    check(given, Setting(OLD, (), TODAY))
    assert refused_by_the_client(given) == []


def test_the_two_share_nothing_but_the_facts() -> None:
    import ast
    from pathlib import Path

    import batchrun.simulator

    folder = Path(batchrun.simulator.__file__).parent
    files = sorted(folder.glob("checks*.py"))
    assert len(files) >= 6
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(("batchrun.requests", "batchrun.media"))
