"""Requests whose keys must never change: each is a spec's request over one data file. `keys.json` has the keys."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from batchrun.fs import files
from batchrun.run.prepare import prepare
from batchrun.rundir.store import Store
from batchrun.spec import load

KEYS = Path(__file__).with_name("keys.json")
DAY = date(2026, 11, 22)
PNG = b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", b"x\x9cc`\x00\x00\x00\x02\x00\x01"), (b"IEND", b""),
    )
)  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n" + PNG


@dataclass(frozen=True)
class Golden:
    """`data` is text of JSON Lines, or of CSV where it does not begin with a brace."""

    name: str
    content: Any
    data: str
    request: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)


def keys_of(golden: Golden, folder: Path) -> list[str]:
    """The keys of a case's rows, in order, as a run finds them."""
    lines = golden.data.startswith("{")
    ready = golden.spec.get("input", {}).get("format") == "requests"
    request = {"model": "claude-haiku-4-5", "max_tokens": 50, **golden.request}
    request["messages"] = [{"role": "user", "content": golden.content}]
    source = {"path": "rows.jsonl" if lines else "rows.csv", **golden.spec.get("input", {})}
    spec = {"version": 1, "output": {"path": "out.jsonl"}, **golden.spec, "input": source}
    (folder / source["path"]).write_text(golden.data, "utf-8", newline="")
    (folder / "a.png").write_bytes(PNG)
    (folder / "job.yaml").write_bytes(orjson.dumps(spec if ready else {**spec, "request": request}))
    job = load(folder / "job.yaml", today=DAY).job
    store = Store(job.root, job.name)
    with store.locked():
        found = prepare(job, None, store)
        lines_of_rows = files.lines(store.rows(found.expansion.rows_file))
        return [key for line in lines_of_rows for key in orjson.loads(line)["keys"]]


NUMBERS = (
    "1e20", "1E+20", "1e16", "9999999999999998.0", "1e15", "12345678901234567890", "123456789012345680", "1.5e300", "-2.5e22",
    "1.7976931348623157e308", "1e-5", "0.000015", "1e-6", "1e-7", "5e-324", "2.2250738585072014e-308", "-0.0",
    "0.0", "-0", "1.0", "100.0", "0.1", "2.5", "18446744073709551615", "-9223372036854775808",
    "9007199254740993", "9223372036854775808.0",
)  # fmt: skip
TEXTS = (
    "plain", "ü é ß", "日本語", "\U0001f600 \U0001f468\u200d\U0001f469", "e\u0301", "\u2028\u2029\ufeff\ufffd",
    "a\\b/c\"d'e", "\t\r\n", "\x01\x08\x0b\x0c\x1f\x7f\x80", "100 % {x} </b>&amp;", "1e20 1e+20 5e+3", "\ue000\uffff",
)  # fmt: skip

_L = "{% if true %}{% endif %}"
"""Takes a template off the fast path."""

_VALUES: dict[str, Any] = {
    "s": "a <b> & 'c' \"d\" é\nline two\n", "t": "word, Word; x-y_z", "n": 7, "f": 2.5, "big": 1e20, "small": 1e-7,
    "neg": -3.75, "yes": True, "none": None, "list": [3, 1, 2, 3], "words": ["b", "A", "c"], "mixed": [1e300, "x", None],
    "people": [{"name": "Ann", "age": 30}, {"name": "bob", "age": 25}, {"name": "Cy", "age": 30}],
    "map": {"b": 1.5, "a": [], "é": {"k": 1e16}}, "url": "a b/ü?&=",
}  # fmt: skip
_FILTERS = (
    "neg|abs", "list|batch(2, 0)|list", "n|bool", "t|capitalize", "list|chain([9])|list", "words|count", "none|default(1, true)",
    "nothing|d('-')", "map|dictsort", "map|dictsort(reverse=true)", "s|e", "s|escape", "list|first", "n|float",
    "'1e20'|float", "people|groupby('age')|map('first')|list", "s|indent", "s|indent(2, true)", "f|int", "'12'|int",
    "map|items|list", "words|join(', ')", "people|join('; ', attribute='name')", "words|last", "t|length", "s|lines",
    "t|list|length", "t|lower", "people|map(attribute='name')|join(',')", "list|map('string')|list", "list|max", "list|min",
    "list|reject('odd')|list", "people|rejectattr('age', 'eq', 30)|list", "t|replace('w', 'ww')", "t|reverse",
    "f|round", "neg|round(1)", "s|safe", "list|select('odd')|list", "people|selectattr('age', 'eq', 30)|list",
    "list|slice(2)|list", "words|sort", "people|sort(attribute='name')|map(attribute='name')|list", "t|split(',')|list",
    "t|split", "big|string", "n|string", "list|sum", "t|title", "s|tojson", "map|tojson", "mixed|tojson", "people|tojson(2)",
    "map|tojson(indent=1)", "big|tojson", "small|tojson", "yes|tojson", "none|tojson", "row|tojson", "map|tojson|e", "list|join", "mixed|join(yes)", "range(3)|join('-')", "s|trim", "t|trim('wx')",
    "list|unique|list", "t|upper", "url|urlencode", "map|urlencode", "list|zip(words)|list", "people|map(attribute='age')|sum",
)  # fmt: skip
_LOGIC = (
    "{% if n > 3 %}many{% elif n %}few{% else %}none{% endif %}",
    "{% for w in words %}{{ loop.index }}/{{ loop.length }} {{ w }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for k, v in map|items %}{{ k }}={{ v }};{% endfor %}",
    "{% set x = n * 2 %}{{ x }} {{ x / 4 }} {{ x // 4 }} {{ x % 4 }} {{ 2 ** 10 }} {{ f * 1e20 }} {{ 0.1 + 0.2 }}",
    "{{ n ~ '-' ~ f ~ '-' ~ s }} {{ big ~ '' }} {{ small ~ '' }}",
    "{{ 'a' if yes else 'b' }} {{ 'A' in words }} {{ n in list }} {{ not yes }} {{ none is none }} {{ f is number }}",
    "{{ s[2:5] }} {{ list[-1] }} {{ people[0].name }} {{ map['é'].k }} {{ t.upper() }} {{ t.split(',')[0] }}",
    "{%- filter upper %} {{ t }} {% endfilter -%}",
    "{% raw %}{{ kept }}{% endraw %}{# gone #} {{ '{{' }}",
    "{% with a = n, b = f %}{{ a }}{{ b }}{% endwith %}{% for i in range(3) %}{{ i }}{% endfor %}",
    "{{ big }} {{ mixed }} {{ map }} {{ yes }} {{ none }} {{ row.n }} {{ 18446744073709551615 }} {{ 1e16 }}",
)  # fmt: skip
_SCHEMA = {
    "type": "object",
    "properties": {"z": {"type": "number", "enum": [1e20, 0]}, "a": {"enum": ["b", "a", 1e-7]}},
    "required": ["z", "a"], "additionalProperties": False,
}  # fmt: skip
_TOOLS = [
    {"name": "look", "description": "Looks «up»\t{{ t }}", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}, "a": {"type": "integer", "minimum": -(2**53)}}}},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
]  # fmt: skip


def _json(**values: Any) -> str:
    return orjson.dumps(values).decode() + "\n"


def _csv(*texts: str) -> str:
    return "text,id\n" + "".join('"{}",{}\n'.format(t.replace('"', '""'), n) for n, t in enumerate(texts))


def goldens() -> Iterator[Golden]:
    numbers = "".join(f'{{"x": {n}}}\n' for n in NUMBERS)
    nested = "".join(f'{{"x": [{n}, {{"k": {n}, "a": "1e20"}}]}}\n' for n in NUMBERS)
    texts = "".join(_json(x=t) for t in TEXTS)
    escapes = (
        '{"x": "\\ud83d\\ude00 \\u00e9 \\u0041\\/ \\u2028 \\u0000\\u001f\\u007f"}\n{"x": "\\b\\f\\n\\r\\t"}\n'
    )
    yield Golden("numbers in a text", "is {{ x }}", numbers)
    yield Golden("numbers in a text, by the engine", "is {{ x }}" + _L, numbers)
    yield Golden("numbers in a list in a text", "is {{ x }}", nested)
    yield Golden("numbers in a list, by tojson", "is {{ x|tojson }}", nested)
    yield Golden("numbers in place", {"$row": "c"}, "".join(
        f'{{"c": [{{"type": "text", "text": "t", "citations": {{"b": {n}, "a": [{n}]}}}}]}}\n' for n in NUMBERS
    ))  # fmt: skip
    yield Golden("numbers as max_tokens", "x", '{"m": 5}\n{"m": 60}\n', {"max_tokens": {"$row": "m"}})
    yield Golden("texts", "is {{ x }}", texts)
    yield Golden("texts, by the engine", "is {{ x }}" + _L, texts)
    yield Golden("texts, by tojson", "is {{ x|tojson }}", texts)
    yield Golden("escapes", "is {{ x }}", escapes)
    yield Golden("texts of a table", "is {{ text }} and {{ text }}", _csv(*TEXTS))
    yield Golden(
        "texts of a table, by a plain condition",
        "is {% if id == '2' %}x{% else %}{{ text|upper }}{% endif %}",
        _csv(*TEXTS),
    )
    yield Golden(
        "texts of a table, by logic",
        "{{ text|replace('a', 'b')|tojson }} {{ [text, 1e20]|tojson }}",
        _csv(*TEXTS),
    )
    yield Golden("numbers made of a table's text", "{{ (id|float) * 1e20 }} {{ id|int * 3 }}", _csv(*TEXTS))
    yield Golden("texts in the spec", "".join(t for t in TEXTS if t.isprintable() or "\t" in t), '{"x": 1}\n')
    yield Golden("names that need escapes", 'a {{ row["a \\"b\\" é"] }}', '{"a \\"b\\" é": "v"}\n')
    for number, some in enumerate(_chunks(_FILTERS, 4), 1):
        yield Golden(f"filters {number}", " | ".join("{{ " + one + " }}" for one in some), _json(**_VALUES))
    for number, logic in enumerate(_LOGIC, 1):
        yield Golden(f"logic {number}", logic, _json(**_VALUES))
    form = {"format": {"type": "json_schema", "schema": _SCHEMA}}
    yield Golden("a schema", "{{ text }}", _csv("a", "b"), {"output_config": form})
    yield Golden(
        "a schema of the row",
        "x",
        _json(s=_SCHEMA),
        {"output_config": {"format": {"type": "json_schema", "schema": {"$row": "s"}}}},
    )
    yield Golden("tools", "{{ t }}", _json(t="x"), {"tools": _TOOLS, "tool_choice": {"type": "auto"}})
    yield Golden(
        "sampling",
        "{{ text }}",
        _csv("a"),
        {"temperature": 1e-5, "stop_sequences": ["\n\nX", "END é"]},
    )
    yield Golden("sampling of whole floats", "{{ text }}", _csv("a"), {"temperature": 1.0})
    blocks = [
        {"type": "text", "text": "{{ text }}", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "é"},
    ]
    yield Golden("blocks", blocks, _csv("a", "b"), {"system": [{"type": "text", "text": "S {{ id }}"}]})
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": {"$base64": "{{ f }}"}},
    }
    yield Golden("a file", [image, {"type": "text", "text": "{{ x }}"}], '{"f": "a.png", "x": 1e20}\n')
    yield Golden(
        "metadata and thinking",
        "{{ text }}",
        _csv("a"),
        {
            "metadata": {"user_id": "u-1"},
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
        },
    )
    yield Golden(
        "what is passed through",
        "{{ text }}",
        _csv("a"),
        {"passthrough": {"new": {"b": [1e16, 1e-6, -0.0], "a": None}}},
        {"betas": ["new-1"]},
    )
    yield Golden("samples", "{{ text }}", _csv("a"), spec={"samples": 3})
    ready = {"input": {"path": "rows.jsonl", "format": "requests"}}
    params = '{"model": "claude-haiku-4-5", "messages": [{"content": "é \\u0041", "role": "user"}], "max_tokens": 9, "metadata": {"user_id": "%s"}}'
    line = '{"custom_id": "%d", "params": ' + params + "}\n"
    yield Golden("whole requests", "", "".join(line % (n, n) for n in range(3)), spec=ready)
    tool = '{"custom_id": "t", "params": {"max_tokens": 9, "model": "claude-haiku-4-5", "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"b": {"maximum": 1e20}, "a": {"minimum": -1E-7}}}}], "messages": [{"role": "user", "content": "x"}]}}\n'
    yield Golden("a whole request with tools", "", tool, spec=ready)


def _chunks(items: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
