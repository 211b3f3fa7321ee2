from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson
import pytest

from batchrun.cost.prices import only_tokens_cost
from batchrun.cost.usage import searches_of, tokens_of, usage_of
from batchrun.model import RequestError, Result, ResultType, Usage
from batchrun.results.lines import parse, result_of, usual
from tests.resultlines import custom_id, ended, errored, line, message, succeeded, usage


def test_a_succeeded_line_gives_its_message() -> None:
    result = parse(succeeded("a", "Blue."))
    assert (result.custom_id, result.type) == (custom_id("a"), ResultType.SUCCEEDED)
    assert result.message is not None and result.message["content"] == [{"type": "text", "text": "Blue."}]
    assert result.error is None


@pytest.mark.parametrize("kind", ["canceled", "expired"])
def test_a_line_with_only_a_type(kind: str) -> None:
    result = parse(ended("a", kind))
    assert (result.type, result.message, result.error) == (ResultType(kind), None, None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"type": "error", "error": {"type": "api_error", "message": "no"}, "request_id": "req_1"},
            RequestError("api_error", "no", "req_1"),
        ),
        (
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "messages: Field required",
                    "details": {"error_visibility": "user_facing"},
                },
                "request_id": None,
            },
            RequestError("invalid_request_error", "messages: Field required"),
        ),
        ({"type": "overloaded_error", "message": "busy"}, RequestError("overloaded_error", "busy")),
        ({"type": "error", "error": None}, RequestError("unknown_error", '{"type":"error","error":null}')),
        ({"weird": 1}, RequestError("unknown_error", '{"weird":1}')),
        ("text", RequestError("unknown_error", '"text"')),
        (None, RequestError("unknown_error", "")),
    ],
)
def test_errors_are_taken_nested_and_flat(error: Any, expected: RequestError) -> None:
    assert parse(line("a", {"type": "errored", "error": error})).error == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON: "),
        (b"[]", "the line is not an object"),
        (b'{"result":{"type":"expired"}}', "custom_id is not a string"),
        (b'{"custom_id":7,"result":{"type":"expired"}}', "custom_id is not a string"),
        (b'{"custom_id":"","result":{"type":"expired"}}', "custom_id is not a string"),
        (b'{"custom_id":"a"}', "result is not an object"),
        (b'{"custom_id":"a","result":{"type":"paused"}}', "unknown result type 'paused'"),
        (b'{"custom_id":"a","result":{"type":["expired"]}}', "result type is not a string"),
        (b'{"custom_id":"a","result":{"type":"succeeded"}}', "a succeeded result has no message"),
        (b'{"custom_id":"a","result":{"type":"expired"}', "not JSON: "),
    ],
)
def test_what_is_no_result_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value).startswith(reason)


def test_line_separators_and_returns_inside_a_line_are_text() -> None:
    text = "a\u2028b\rc\x85d"
    assert parse(succeeded("a", text)).message == message(text)
    assert parse(succeeded("a") + b"\r").type is ResultType.SUCCEEDED


def test_half_a_surrogate_pair_does_not_lose_the_answer() -> None:
    cut = succeeded("a", "smile CUT and on").replace(b"CUT", rb"\ud83d")
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(cut)
    assert parse(cut).message == message("smile � and on")
    whole = succeeded("a", "smile CUT").replace(b"CUT", rb"\ud83d\ude00")
    assert parse(whole).message == message("smile 😀")
    with pytest.raises(ValueError, match="not JSON"):
        parse(cut[:-1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (usage(), Usage(1000, 200)),
        (usage(cache_read_input_tokens=5), Usage(1000, 200, cache_read=5)),
        (
            usage(
                cache_creation_input_tokens=30,
                cache_creation={"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            ),
            Usage(1000, 200, 10, 20),
        ),
        (usage(cache_creation_input_tokens=30, cache_creation=None), Usage(1000, 200, 30)),
        ({"input_tokens": 3, "output_tokens": None, "cache_read_input_tokens": -1}, Usage(3)),
        ({"input_tokens": True, "output_tokens": "4"}, Usage()),
        (None, Usage()),
    ],
)
def test_usage_of_a_message(given: Any, expected: Usage) -> None:
    assert usage_of(message(usage=given)) == expected


def test_searches_of_a_message() -> None:
    assert searches_of(message()) == 0
    assert searches_of(message(usage=usage(server_tool_use=None))) == 0
    assert searches_of(message(usage=usage(server_tool_use={"web_search_requests": 3}))) == 3
    assert searches_of({}) == 0


def test_errored_helper_is_nested() -> None:
    assert parse(errored("a", "api_error", "oh")).error == RequestError("api_error", "oh")


def test_an_error_that_is_too_deep_to_be_shown_is_still_an_error() -> None:
    deep = "[" * 900 + "]" * 900
    result = parse(f'{{"custom_id":"a","result":{{"type":"errored","error":{deep}}}}}'.encode())
    assert result.error == RequestError("unknown_error", "(too deep to be shown)")
    with pytest.raises(ValueError, match=r"^result type is not a string$"):
        parse(f'{{"custom_id":"a","result":{{"type":{deep}}}}}'.encode())


def test_counts_that_cannot_be_are_no_counts() -> None:
    assert usage_of({"usage": {"input_tokens": 1 << 63, "output_tokens": 3}}) == Usage(0, 3)


# ---- the usual result --------------------------------------------------------------------------

ODD: list[Any] = [None, 0, 7, True, -1, 1 << 40, 2.0, "", "us", "refusal", [], ["text"], {}, {"type": "text"}]
ODD += [{"web_search_requests": 2}, {"ephemeral_5m_input_tokens": 3}]


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key != name}


def odd_results() -> Iterator[Any]:
    """Results that are wrong, or rare, in one place."""
    usages = [usage(**{name: odd}) for name in (*usage(), "inference_geo", "server_tool_use") for odd in ODD]
    usages += [without(usage(), name) for name in usage()]
    messages = [message(**{name: odd}) for name in message() for odd in [*ODD, *usages]]
    messages += [without(message(), name) for name in message()]
    for found in [*messages, *ODD]:
        yield {"type": "succeeded", "message": found}
    yield from ({"type": odd, "message": message()} for odd in ODD)
    yield from ODD


def test_a_usual_result_is_what_the_general_way_makes_of_it() -> None:
    values: list[Any] = [{"custom_id": "a", "result": result} for result in odd_results()]
    values += [{"custom_id": odd, "result": {"type": "succeeded", "message": message()}} for odd in ODD]
    for value in [*values, *ODD]:
        parts = usual(value)
        if parts is None:
            continue
        custom_id, found, model, stop, fresh, out, cached = parts
        assert Result(custom_id, ResultType.SUCCEEDED, found) == result_of(deepcopy(value))
        assert (model, stop) == (found["model"], found["stop_reason"])
        assert tokens_of(found) == (fresh, out, 0, 0, cached)
        assert only_tokens_cost(found)
        assert searches_of(found) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"usage": usage(cache_read_input_tokens=7)},
        {"usage": {"input_tokens": 3, "output_tokens": 4}},
        {"usage": usage(inference_geo="global", server_tool_use=None, service_tier="batch")},
        {"stop_reason": "max_tokens", "content": []},
    ],
)
def test_results_that_are_usual(changes: dict[str, Any]) -> None:
    assert usual(orjson.loads(succeeded("a", **changes))) is not None


@pytest.mark.parametrize(
    "line",
    [
        errored("a", "api_error"),
        ended("a", "expired"),
        succeeded("a", stop_reason="refusal"),
        succeeded("a", usage=usage(inference_geo="us")),
        succeeded("a", usage=usage(server_tool_use={"web_search_requests": 1})),
        succeeded("a", usage=usage(cache_creation_input_tokens=1)),
        b"[]",
        b"7",
    ],
)
def test_results_that_are_not(line: bytes) -> None:
    assert usual(orjson.loads(line)) is None
