"""From a seed of the corpus to an input that nobody thought of: the same one for the same random numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

import orjson

from batchrun.model import Json

_CHANGES = (1, 1, 1, 2, 2, 3, 5, 8)

MAX_SIZE = 60_000
"""Bytes: what is larger than this is a case of the corpus, as chance would only make more of the same."""

WORDS = [
    *(
        b"\0",
        b"\r",
        b"\n",
        b"\r\n",
        b"\t",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\x1b[2J",
    ),
    *(
        "\u2028".encode(),
        "\u202e".encode(),
        "\x85".encode(),
        b"\\ud83d",
        b"\\u0000",
        b"\\",
        b'"',
        b"'",
        b'""',
    ),
    *(
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"0x10",
        b"9" * 40,
        b"1" + b"0" * 400,
        b"true",
        b"null",
        b"~",
        b"1.5",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"[" * 300,
        b'{"a":' * 300,
        b",",
        b":",
        b": ",
        b"- ",
        b"? ",
        b"#",
        b"---\n",
        b"...\n",
    ),
    *(
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!binary ",
        b"!",
        b"|",
        b">",
        b"%",
        b"@",
        b"`",
        b"{{ ",
        b" }}",
        b"{% ",
        b" %}",
        b"{#",
    ),
    *(
        b"{{ text }}",
        b"{% for x in row %}",
        b"{% set text = text ~ text %}",
        b"|join",
        b"|replace('', text)",
        b" * ",
    ),
    *(
        b"$row: ",
        b"$file: ",
        b"$base64: ",
        b"../",
        b"/etc/passwd",
        b".batchrun/",
        b"*",
        b"?",
        b"[a-",
        b"custom_id",
    ),
    *(
        b"type",
        b"succeeded",
        b"errored",
        b"message",
        b"$ref",
        b"anyOf",
        b"#/$defs/a",
        b"2026-11-22T10:00:00Z",
    ),
    *(
        b"0001-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:59-23:59",
        b";",
        b"\\n",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
    ),
]

_VALUES = [
    *(
        b"null",
        b"true",
        b"0",
        b"-1",
        b"1.5",
        b"1e300",
        b"18446744073709551615",
        b'""',
        b'"x"',
        b"[]",
        b"{}",
        b"[[]]",
    ),
    *(
        b'"\\u001b[31m"',
        b'"\\u202e"',
        b'"\\u0000"',
        b'{"$ref": "#"}',
        b'{"a": [null]}',
        b'["x", 1, null]',
        b'"0001-01-01"',
    ),
    *(
        b'"9999-12-31T23:59:59-23:59"',
        b'"{{ x }}"',
        b'"succeeded"',
        b'"' + b"x" * 400 + b'"',
        b"[" * 200 + b"]" * 200,
    ),
]
"""JSON, and YAML as well."""

Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]


def mutated(seed: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """`seed` after one to eight changes; `others` are there to borrow from."""
    data = seed
    for _ in range(random.choice(_CHANGES)):
        data = random.choice(_MUTATIONS)(data, others, random)[:MAX_SIZE]
    return data


def _cut(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + int(random.expovariate(1 / 20)))


def _flip(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _remove(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _cut(data, random)
    return data[:start] + data[end:]


def _repeat(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _cut(data, random)
    return data[:end] + data[start:end] * random.choice((1, 2, 10, 500)) + data[end:]


def _insert(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _cut(data, random)
    return data[:start] + random.choice(WORDS) + data[random.choice((start, end)) :]


def _borrow(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others)
    start, end = _cut(other, random)
    at = random.randint(0, len(data))
    return data[:at] + (other[start:end] if random.random() < 0.7 else other[start:]) + data[at:]


def _move(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _cut(data, random)
    rest = data[:start] + data[end:]
    at = random.randint(0, len(rest))
    return rest[:at] + data[start:end] + rest[at:]


def _line(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Twice, or elsewhere: duplicate keys, rows, ids."""
    lines = data.split(b"\n")
    lines.insert(random.randint(0, len(lines)), random.choice(lines))
    return b"\n".join(lines)


def _scalar(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Another value for some key of a YAML or JSON text."""
    places = list(re.finditer(rb":\s*([^\s,}\]]+)", data))
    if not places:
        return data
    start, end = random.choice(places).span(1)
    return data[:start] + random.choice((*WORDS, *_VALUES)) + data[end:]


def _node(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Another value for some part of a line of JSON, at any depth."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    try:
        lines[at] = orjson.dumps(_changed(orjson.loads(lines[at]), random))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return data
    return b"\n".join(lines)


def _changed(value: Json, random: Random) -> Json:
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        return [*value[:at], _changed(value[at], random), *value[at + random.randrange(2) :]]
    odd: Json = orjson.loads(random.choice(_VALUES))
    return odd


def _truncate(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


_MUTATIONS: Sequence[Mutation] = (
    *(_flip, _remove, _repeat, _insert, _borrow, _move, _line, _truncate),
    *(_scalar, _scalar, _scalar, _node, _node, _node),
)
