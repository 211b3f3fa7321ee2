from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError, MissingInput
from batchrun.model import FromFile, FromRow, Job, Json, Limits, Place, Row, Slice, Template, Timing
from batchrun.requests.expand import (
    KEY_BYTES,
    Expander,
    Request,
    expand,
    facts_of,
    key_of,
    media_in,
    parts_of,
    settings_of,
)
from batchrun.requests.rendering import Renderer, canonical
from batchrun.templates.compiled import to_text
from tests.jobs import job, node
from tests.media.files import png

PLACE = Place("job.yaml", 7, 3)
ROOT = Path("/nowhere")
BASE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say {{ text }}"}],
}


def a_job(request: Mapping[str, Any] | None = None, **changes: Any) -> Job:
    whole = {**BASE, **(request or {})}
    return replace(job(ROOT, request={k: tree(v) for k, v in whole.items()}), **changes)


def tree(value: Any) -> Any:
    """As `node`, with FromRow and FromFile left as they are."""
    if isinstance(value, FromRow | FromFile):
        return value
    if isinstance(value, dict):
        return {k: tree(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(tree(v) for v in value)
    return node(value)


def column(name: str) -> FromRow:
    return FromRow(name, PLACE)


def binary(path: str) -> FromFile:
    return FromFile(Template(path, PLACE))


def row(number: int = 1, **values: Json) -> Row:
    return Row(number, str(number), values, f"rows.csv:{number + 1}")


def no_files(_path: str) -> bytes:
    raise AssertionError("no file is asked for")


def requests(a: Job, *rows: Row, read: Callable[[str], bytes] = no_files) -> list[Request]:
    return [request for _, found in expand(rows, a, read) for request in found]


def params(a: Job, *rows: Row, read: Callable[[str], bytes] = no_files) -> list[Any]:
    return [orjson.loads(r.params) for r in requests(a, *rows, read=read)]


# ---- the bytes


def test_a_request() -> None:
    (found,) = requests(a_job(), row(text="hi"))
    assert found.params == (
        b'{"max_tokens":50,"messages":[{"content":"Say hi","role":"user"}],"model":"claude-haiku-4-5"}'
    )
    assert found.key == hashlib.blake2b(found.params, digest_size=16).digest()
    assert (found.media, found.model, found.max_tokens) == (0, "claude-haiku-4-5", 50)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3), max_leaves=6
)
PLAIN = TEXT.filter(lambda text: "{" not in text)
ORDERED = ("schema", "input_schema", "input")
NAMES = st.sampled_from(["b", "a", "c", "Zoë", 'q"%', *ORDERED])
STRINGS = (
    st.builds(lambda a, b: f"{a}{{{{ x }}}}{b}", PLAIN, PLAIN) | PLAIN | st.just("{{ y }}%{{ x|upper }}")
)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | STRINGS | st.just(column("x")) | st.just(column("z")),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part, max_size=4),
    max_leaves=10,
)


def naive(value: Any, values: Mapping[str, Any], ordered: bool = False) -> Any:
    """The same by building, sorting and dumping, without a pattern."""
    match value:
        case FromRow():
            found = values[value.column]
            return found if ordered else canonical(found)
        case str():
            for name in ("x", "y"):
                value = value.replace(f"{{{{ {name} }}}}", f"\0{name}\0")
            value = value.replace("{{ x|upper }}", "\0X\0")
            for name, text in (("x", to_text(values["x"])), ("y", to_text(values["y"]))):
                value = value.replace(f"\0{name}\0", text)
            return value.replace("\0X\0", to_text(values["x"]).upper())
        case dict():
            items = list(value.items()) if ordered else sorted(value.items())
            return {k: naive(v, values, ordered or k in ORDERED) for k, v in items}
        case list():
            return [naive(v, values, ordered) for v in value]
    return value


@given(TREES, TEXT.filter(lambda t: "\0" not in t), SCALARS.filter(lambda v: "\0" not in to_text(v)), VALUES)
def test_the_bytes_are_those_of_a_naive_build(part: Any, x: str, y: Json, z: Json) -> None:
    if "\0" in repr(part):
        return
    a = a_job({"metadata": part})
    # Not a request the API would take: only the bytes count here.

    assert a.request is not None
    found = Renderer(a.request, no_files)({"text": "hi", "x": x, "y": y, "z": z}).params
    whole = naive(
        {**BASE, "messages": [{"role": "user", "content": "Say hi"}], "metadata": part},
        {"x": x, "y": y, "z": z},
    )
    assert found == orjson.dumps(whole)


@pytest.mark.parametrize("text", ["100 %", "%b %s %(a)s %%", "{{ text }} % {{ text }}%b", '"\\\n\u2028 %'])
def test_percent_signs_and_quotes_in_a_text(text: str) -> None:
    a = a_job({"messages": [{"role": "user", "content": text}]})
    ((message,),) = (p["messages"] for p in params(a, row(text="5 %b")))
    assert message["content"] == text.replace("{{ text }}", "5 %b")


def test_a_row_is_never_a_template() -> None:
    (found,) = params(a_job(), row(text="{{ secret }} {% raw %}", secret="s"))
    assert found["messages"][0]["content"] == "Say {{ secret }} {% raw %}"


def test_typed_values() -> None:
    messages: Json = [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}
    ]
    a = a_job({"messages": column("messages"), "max_tokens": column("limit")})
    (found,) = requests(a, row(messages=messages, limit=7))
    assert orjson.loads(found.params)["messages"] == messages
    assert found.max_tokens == 7


def test_files_are_put_in_as_base64() -> None:
    image = {"type": "base64", "media_type": "image/png", "data": binary("img/{{ name }}.png")}
    content = [{"type": "image", "source": image}, {"type": "text", "text": "What is it?"}]
    a = a_job({"messages": [{"role": "user", "content": content}]})
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return png(more=40 * len(path))

    first, second = requests(a, row(1, name="a"), row(2, name="bc"), read=read)
    assert asked == ["img/a.png", "img/bc.png"]
    data = orjson.loads(second.params)["messages"][0]["content"][0]["source"]["data"]
    assert data == b64encode(png(more=40 * len("img/bc.png"))).decode()
    assert second.media - 2 <= len(data) <= second.media
    assert first.media < second.media


# ---- keys


def test_a_key_does_not_depend_on_the_order_of_lines() -> None:
    content = [{"type": "text", "text": "{{ text }}"}]
    written = {
        "system": "s",
        "metadata": {"user_id": "u"},
        "messages": [{"role": "user", "content": content}],
    }
    turned = {k: written[k] for k in reversed(written)}
    turned["messages"] = [{"content": [dict(reversed(content[0].items()))], "role": "user"}]
    assert requests(a_job(written), row(text="x")) == requests(a_job(turned), row(text="x"))
    assert parts_of(a_job(written)) == parts_of(a_job(turned))


SCHEMA: dict[str, Json] = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}}}


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("name", ["input_schema", "schema"])
def test_below_a_schema_the_order_is_the_users(name: str, typed: bool) -> None:
    def with_schema(schema: Any) -> dict[str, Any]:
        value = column("s") if typed else schema
        if name == "schema":
            return {"output_config": {"format": {"type": "json_schema", "schema": value}}}
        return {"tools": [{"name": "t", "description": "d", "input_schema": value}]}

    properties = SCHEMA["properties"]
    assert isinstance(properties, dict)
    turned = {**SCHEMA, "properties": dict(reversed(properties.items()))}

    found = []
    for schema in (SCHEMA, turned):
        request = a_job(with_schema(schema)).request
        assert request is not None
        found.append(Renderer(request, no_files)({"text": "t", "s": schema})[0])
    assert found[0] != found[1]
    assert b'"z":{"type":"string"},"a":' in found[0]


def test_typed_values_elsewhere_are_sorted() -> None:
    a = a_job({"metadata": column("m")})
    first, second = requests(a, row(text="x", m={"user_id": "u"}), row(2, text="x", m={"user_id": "u"}))
    assert first == second
    content: list[Json] = [{"text": "t", "type": "text"}]
    b = a_job({"messages": [{"role": "user", "content": column("c")}]})
    turned: list[Json] = [dict(reversed(list(c.items()))) for c in content if isinstance(c, dict)]
    assert requests(b, row(c=content))[0].key == requests(b, row(c=turned))[0].key


def test_samples_ask_the_same_again_under_keys_of_their_own() -> None:
    first, second, third = requests(a_job(samples=3), row(text="x"))
    assert first.params == second.params == third.params
    assert len({first.key, second.key, third.key}) == 3
    assert first == requests(a_job(), row(text="x"))[0]
    assert (first.key, second.key) == (key_of(first.params), key_of(first.params, 2))
    assert {len(r.key) for r in (first, second, third)} == {KEY_BYTES} == {16}


# ---- ready-made requests


def test_ready_made_requests() -> None:
    a = replace(job(ROOT), request=None)
    line: Json = {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9,
    }
    (found,) = requests(a, row(custom_id="mine", params=line))
    assert found.params == orjson.dumps(line, option=orjson.OPT_SORT_KEYS)
    assert found.max_tokens == 9


def test_every_ready_made_request_is_checked() -> None:
    a = replace(job(ROOT), request=None)
    good: dict[str, Json] = {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9,
    }
    with pytest.raises(DataError, match=r"^row 2 \(rows\.csv:3\): stream: "):
        requests(a, row(1, params=good), row(2, params={**good, "stream": True}))


# ---- what is wrong with a row


@pytest.mark.parametrize(
    ("request_", "values", "message"),
    [
        ({}, {"txt": "x"}, "row 7 (rows.csv:8): 'text' is not a column of the input"),
        ({"metadata": column("m")}, {"text": "x"}, "row 7 (rows.csv:8): 'm' is not a column of the input"),
        (
            {"system": "{{ text.nope }}"},
            {"text": "x"},
            "row 7 (rows.csv:8): template: `text.nope` is undefined",
        ),
        (
            {"messages": column("m")},
            {"m": [{"role": "user", "content": "\ud800"}]},
            "row 7 (rows.csv:8): a value cannot be written as JSON: str is not valid UTF-8: surrogates not allowed",
        ),
        (
            {},
            {"text": "\ud800"},
            "row 7 (rows.csv:8): a value cannot be written as JSON: str is not valid UTF-8: surrogates not allowed",
        ),
    ],
)
def test_the_row_is_named(request_: dict[str, Any], values: dict[str, Json], message: str) -> None:
    with pytest.raises(DataError) as caught:
        requests(a_job(request_), row(7, **values))
    assert str(caught.value) == message


def test_a_value_nested_too_deep_names_its_row() -> None:
    deep: Json = "x"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(DataError, match=r"^row 1 \(rows\.csv:2\): a value cannot be written as JSON: "):
        requests(a_job({"metadata": column("m")}), row(text="x", m=deep))


def test_a_missing_file_names_its_row() -> None:
    image = {"type": "base64", "media_type": "image/png", "data": binary("{{ name }}.png")}
    a = a_job({"messages": [{"role": "user", "content": [{"type": "image", "source": image}]}]})

    def read(path: str) -> bytes:
        raise MissingInput(f"no such file: {path}")

    with pytest.raises(MissingInput) as caught:
        requests(a, row(3, name="cat"), read=read)
    assert str(caught.value) == "row 3 (rows.csv:4): no such file: cat.png"


@pytest.mark.parametrize(
    ("request_", "bad"),
    [
        ({"max_tokens": column("n")}, {"n": 0}),
        ({"temperature": column("n")}, {"n": 7}),
        ({"messages": column("n")}, {"n": [{"role": "nobody", "content": "x"}]}),
        ({"messages": [{"role": "{{ n }}", "content": "x"}]}, {"n": "nobody"}),
    ],
)
def test_what_a_row_can_spoil_is_checked_in_every_row(request_: dict[str, Any], bad: dict[str, Json]) -> None:
    good: dict[str, Any] = {"max_tokens": 9, "temperature": 1, "messages": [{"role": "user", "content": "x"}]}
    (name,) = request_
    fine = "user" if isinstance(request_[name], list) else good[name]
    with pytest.raises(DataError, match=r"^row 2 \(rows\.csv:3\): \w+"):
        requests(a_job(request_), row(1, text="a", n=fine), row(2, text="b", **bad))


def test_models_may_differ_from_row_to_row() -> None:
    a = a_job({"model": "{{ m }}", "max_tokens": column("n")})
    found = requests(
        a, row(1, text="x", m="claude-haiku-4-5", n=1), row(2, text="x", m="claude-sonnet-4-5", n=2)
    )
    assert [(r.model, r.max_tokens) for r in found] == [("claude-haiku-4-5", 1), ("claude-sonnet-4-5", 2)]


# ---- facts and digests


def test_media() -> None:
    source: Json = {"type": "base64", "data": "AAAA", "media_type": "image/png"}
    assert media_in({"a": [source, {"b": source}]}) == 8
    assert media_in({"type": "base64", "data": 4}) == 0
    assert facts_of({**BASE, "system": [source]}).media == 4


@given(VALUES)
def test_canonical_form(value: Json) -> None:
    found = canonical(value)
    assert found == value
    assert canonical(found) == found


def test_what_changes_the_settings() -> None:
    a = a_job()
    moved = Path("/elsewhere")
    same = [
        replace(a, timing=Timing(poll_interval=1)),
        replace(a, max_attempts=9),
        replace(a, limits=Limits(max_cost_usd=1, max_in_flight=2)),
        replace(a, root=moved, output=replace(a.output, path=moved / a.output.path.relative_to(a.root))),
    ]
    other = [
        a_job({"max_tokens": 51}),
        a_job({"system": "x"}),
        replace(a, samples=2),
        replace(a, betas=("b",)),
        replace(a, api_version="2026-10-21"),
        replace(a, limits=Limits(batch_requests=5)),
        replace(a, output=replace(a.output, include_input=True)),
        replace(a, output=replace(a.output, path=a.root / "elsewhere" / a.output.path.name)),
        replace(a, input=replace(a.input, id="x")),
    ]
    assert {settings_of(s) for s in same} == {settings_of(a)}
    assert settings_of(a) not in {settings_of(o) for o in other}
    assert len({settings_of(o) for o in other}) == len(other)


def test_the_parts_say_what_was_edited() -> None:
    before, after = parts_of(a_job({"system": "a"})), parts_of(a_job({"system": "b"}))
    assert [k for k in before if before[k] != after[k]] == ["system"]


# ---- many rows at once -------------------------------------------------------------------------

_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
CELLS = st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=6)


def slice_of(cells: Sequence[Sequence[str]], columns: Sequence[str] = ("text", "more")) -> Slice:
    ids = [str(number) for number in range(1, len(cells) + 1)]
    joined = ("\0".join(column).encode() for column in zip(*cells, strict=True))
    return Slice(1, ids, dict(zip(columns, joined, strict=True)), "rows.csv", 2)


@given(cells=CELLS, logic=st.booleans())
def test_a_slice_asks_what_its_rows_ask(cells: list[tuple[str, str]], logic: bool) -> None:
    more = "{% if text %}{{ text | upper }} %s{% endif %}{{ more }}" if logic else "{{more}}{{ text }}"
    expander = Expander(a_job({"system": "100 % {{ text }}\n" + more}), no_files)
    rows = slice_of(cells)
    one_by_one = [request for row in rows.rows() for request in expander.row(row)]
    bulk = expander.slice(rows)
    assert bulk is not None
    assert list(bulk.requests()) == one_by_one
    assert bulk.names == [request.key.hex().encode() for request in one_by_one]
    assert Counter(b"".join(bulk.params)) == Counter(bulk.same * len(cells) + bulk.text)


@given(cells=CELLS, count=st.integers(1, 7))
def test_the_parts_of_a_slice_have_its_rows(cells: list[tuple[str, str]], count: int) -> None:
    rows = slice_of(cells)
    parts = list(rows.parts(count))
    assert [row for part in parts for row in part.rows()] == list(rows.rows())
    assert {len(part.ids) for part in parts[:-1]} <= {count}
    assert len(parts[-1].ids) <= count


@pytest.mark.parametrize("content", ["{{ text }}", "{% if text %}{% endif %}"])
def test_the_longer_the_prompt_the_fewer_rows_at_once(content: str) -> None:
    """Their requests are in memory together."""
    short, long = (a_job({"system": "x" * size + content}) for size in (10, 10_000))
    assert Expander(short, no_files).at_once > 2_000
    assert 40 < Expander(long, no_files).at_once < 60
    assert Expander(a_job({"system": "x" * 1_000_000 + content}), no_files).at_once == 1


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        ({"system": "{% if text %}{{ nowhere }}{% endif %}"}, {}),
        ({"system": "{% if text %}\0{% endif %}"}, {}),
        ({"system": "{% set a = 1 %}{{ text }}\0"}, {}),
        ({"system": column("text")}, {}),
        ({"system": "{{ nowhere }}"}, {}),
        ({"model": "claude-{{ text }}"}, {}),
        ({"max_tokens": 0}, {}),
        ({}, {"samples": 2}),
        ({"messages": [{"role": "user", "content": "the same for all"}]}, {}),
    ],
)
def test_what_takes_a_look_at_each_row_is_not_done_for_a_slice(
    request_: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert Expander(a_job(request_, **changes), no_files).slice(slice_of([("a", "b"), ("c", "d")])) is None
