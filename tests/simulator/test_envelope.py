from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchrun.simulator.envelope import Contents, split
from batchrun.simulator.replies import Refused

PARAMS = {"model": "m", "max_tokens": 1, "messages": []}


def cut(folder: Path, body: bytes, **limits: int) -> tuple[Contents, list[bytes]]:
    path = folder / "body"
    path.write_bytes(body)
    lines = BytesIO()
    contents = split(path, lines, **limits)
    return contents, lines.getvalue().splitlines()


def refusal(folder: Path, body: bytes, **limits: int) -> str:
    with pytest.raises(Refused) as caught:
        cut(folder, body, **limits)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return str(caught.value)


def item(custom_id: Any = "a", **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "params": PARAMS, **more}


def body(*items: Any) -> bytes:
    return orjson.dumps({"requests": items})


LONG = "x" * 65


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "requests: List should have at least 1 item after validation, not 0"),
        ([item(), {"params": PARAMS}], "requests.1.custom_id: Field required"),
        ([item(), item(LONG)], "requests.1.custom_id: String should have at most 64 characters"),
        ([item("a b")], "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        ([item("")], "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        ([item("ä")], "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        ([item("a\n")], "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        ([item(7)], "requests.0.custom_id: Input should be a valid string"),
        ([item("a"), item("b"), {"custom_id": "c"}], "requests.2.params: Field required"),
        ([item("a", params=[])], "requests.0.params: Input should be a valid dictionary"),
        ([item("a", extra=1)], "requests.0.extra: Extra inputs are not permitted"),
        ([item(), 7], "requests.1: Input should be a valid dictionary"),
        (
            [item("x-1"), item("x-2"), item("x-2"), item("x-1")],
            "requests: custom_id's must be unique within a batch. Duplicate custom_id found: x-2",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, items: list[Any], message: str) -> None:
    assert refusal(tmp_path, body(*items)) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The request body is not valid JSON: empty body"),
        (b"[]", "Input should be a valid dictionary"),
        (b"{}", "requests: Field required"),
        (b'{"requests":{}}', "requests: Input should be a valid list"),
        (b'{"wishes":[]}', "wishes: Extra inputs are not permitted"),
    ],
)
def test_what_is_refused_of_the_whole(tmp_path: Path, data: bytes, message: str) -> None:
    assert refusal(tmp_path, data) == message


@pytest.mark.parametrize(
    "data",
    [
        body(item())[:-1],
        body(item()) + b"x",
        body(item())[:-2] + b",]}",
        body(item("a"), item("b")).replace(b"},{", b"},,{"),
        b'{"requests":[nan]}',
        b'{"requests":[{"custom_id":"a","params":{"x":NaN}}]}',
        b'{"requests":[{"custom_id":"a","params":{"x":"\xff"}}]}',
        b"hello",
        b"{1:2}",
        b"{",
        b'{"requests"',
        b'{"requests":[',
    ],
)
def test_a_body_that_is_not_json(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, data).startswith("The request body is not valid JSON: ")


def test_a_fault_is_said_before_others_only_when_the_body_is_json(tmp_path: Path) -> None:
    assert refusal(tmp_path, body(item("a b"), item())[:-1]).startswith("The request body is not valid JSON")


def test_the_number_of_requests_is_bounded(tmp_path: Path) -> None:
    message = "requests: List should have at most 2 items after validation, not 3"
    assert refusal(tmp_path, body(item("a"), item("b"), item("c")), max_requests=2) == message
    assert cut(tmp_path, body(item("a"), item("b")), max_requests=2)[0].requests == 2


def test_lines_are_the_requests_byte_for_byte(tmp_path: Path) -> None:
    items = [item("first"), item("second", params={"x": 'line\u2028\r\n,{"custom_id":', "ä": 1e-7})]
    contents, lines = cut(tmp_path, body(*items))
    assert contents == Contents(2, "first", "second")
    assert lines == [orjson.dumps(one) for one in items]


def test_a_custom_id_inside_params_is_no_border(tmp_path: Path) -> None:
    nested = {"x": [item("in"), item("in")], "custom_id": "in"}
    contents, lines = cut(tmp_path, body(item("a", params=nested), item("b", params=nested)))
    assert contents == Contents(2, "a", "b")
    assert [orjson.loads(line)["params"] for line in lines] == [nested, nested]


def test_requests_larger_than_a_piece_of_the_file(tmp_path: Path) -> None:
    items = [item(f"r{n}", params={"data": chr(97 + n) * 3_000_000}) for n in range(4)]
    assert cut(tmp_path, body(*items))[1] == [orjson.dumps(one) for one in items]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=4),
    indent=st.sampled_from([None, 2]),
    ascii=st.booleans(),
    backwards=st.booleans(),
    spaced=st.booleans(),
)
def test_any_layout_gives_the_same_requests(
    tmp_path: Path, values: list[Any], indent: int | None, ascii: bool, backwards: bool, spaced: bool
) -> None:
    items = [item(f"r{n}", params=value) for n, value in enumerate(values)]
    if backwards:
        items = [dict(reversed(one.items())) for one in items]
    separators = None if spaced or indent else (",", ":")
    text = json.dumps({"requests": items}, indent=indent, ensure_ascii=ascii, separators=separators)
    try:
        data = text.encode()
        orjson.loads(data)
    except (UnicodeEncodeError, orjson.JSONDecodeError):
        return  # lone surrogates are no JSON here
    contents, lines = cut(tmp_path, data)
    assert contents.requests == len(items)
    assert [orjson.loads(line) for line in lines] == orjson.loads(data)["requests"]
