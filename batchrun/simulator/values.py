"""JSON values that fit a JSON Schema, chosen by a number: a small generator for structured output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batchrun.model import Json

_DEEP = 6  # from here on: optional properties are left out, arrays are as short as they may be
_TOO_DEEP = 40
_TOO_MANY = 10_000  # values in one: such a schema does not end
_MASK = (1 << 64) - 1
_FORMATS = {
    "date": "2026-0{0}-1{0}",
    "date-time": "2026-0{0}-1{0}T12:00:00Z",
    "time": "12:0{0}:00Z",
    "email": "user{0}@example.com",
    "hostname": "host{0}.example.com",
    "uri": "https://example.com/{0}",
    "uuid": "00000000-0000-4000-8000-00000000000{0}",
    "ipv4": "192.0.2.{0}",
    "ipv6": "2001:db8::{0}",
    "duration": "P{0}D",
}


class Choices:
    """A stream of numbers that follows from its seed alone (splitmix64)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def below(self, n: int) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % n


def fitting(schema: Mapping[str, Any], choices: Choices, words: Sequence[str]) -> Json:
    """A value that `schema` accepts; strings are made of `words`. Knows no `pattern`, `not` or `if`.

    Raises ValueError for what is no schema, and for one that has no finite value.
    """
    try:
        return _Maker(schema, choices, words or ("text",)).make(schema, 0)
    except (AttributeError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a JSON Schema: {error}") from None


class _Maker:
    def __init__(self, root: Mapping[str, Any], choices: Choices, words: Sequence[str]) -> None:
        self.root, self.choices, self.words = root, choices, words
        self.left = _TOO_MANY

    def make(self, schema: Any, depth: int) -> Json:
        self.left -= 1
        if depth > _TOO_DEEP or not self.left:
            raise ValueError("no value of this JSON Schema comes to an end")
        if schema is True:
            return None
        schema = self._flat(schema, depth)
        if "const" in schema:
            fixed: Json = schema["const"]
            return fixed
        if schema.get("enum"):
            one: Json = schema["enum"][self.choices.below(len(schema["enum"]))]
            return one
        kind = schema.get("type") or ("object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = "null" if depth >= _DEEP and "null" in kind else kind[self.choices.below(len(kind))]
        return self._of_kind(kind, schema, depth)

    def _of_kind(self, kind: str, schema: Mapping[str, Any], depth: int) -> Json:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return self.choices.below(2) == 1
            case "null":
                return None
        return self._string(schema)

    def _flat(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """`schema` with its references followed, its alternatives chosen and its `allOf` merged."""
        for _ in range(_TOO_DEEP):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._target(schema["$ref"]), **rest}
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
                schema = {**rest, **self._branch(branches, depth)}
            elif parts := schema.get("allOf"):
                rest = {key: value for key, value in schema.items() if key != "allOf"}
                schema = _merged([rest, *(self._flat(part, depth) for part in parts)])
            else:
                return schema
        raise ValueError("the references of this JSON Schema lead nowhere")

    def _branch(self, branches: Sequence[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
        if depth >= _DEEP:  # toward an end: the first branch that holds nothing more
            simple = [b for b in branches if "$ref" not in b and b.get("type") not in ("object", "array")]
            return (simple or branches)[0]
        return branches[self.choices.below(len(branches))]

    def _target(self, pointer: str) -> Mapping[str, Any]:
        found: Any = self.root
        for step in pointer.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Json]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        made = {
            name: self.make(inner, depth + 1)
            for name, inner in properties.items()
            if depth < _DEEP or name in required
        }
        return made | {name: self._string({}) for name in required if name not in made}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Json]:
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", least + 2), least + 2)
        length = least if depth >= _DEEP else least + self.choices.below(most - least + 1)
        first = schema.get("prefixItems", [])
        made: list[Json] = []
        for place in range(max(length, len(first))):
            inner = first[place] if place < len(first) else schema.get("items", {})
            made.append(self.make(inner, depth + 1))
        return _distinct(made, least) if schema.get("uniqueItems") else made

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> int | float:
        step = schema.get("multipleOf", 1 if whole else 0.5)
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None:
            low = 0 if high is None or high >= 0 else high - 10 * step
        if high is None:
            high = low + 10 * step
        if not whole and "multipleOf" not in schema:
            step = (high - low) / 16 or 1
        first = -(-low // step)  # the smallest multiple that is not below
        if "exclusiveMinimum" in schema and first * step <= schema["exclusiveMinimum"]:
            first += 1
        last = high // step
        if "exclusiveMaximum" in schema and last * step >= schema["exclusiveMaximum"]:
            last -= 1
        value = (first + self.choices.below(max(1, int(last - first) + 1))) * step
        return int(value) if whole else min(float(value), float(high))

    def _string(self, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]].format(1 + self.choices.below(8))
        start = self.choices.below(len(self.words))
        text = " ".join(self.words[start : start + 1 + self.choices.below(4)])
        most = schema.get("maxLength", 80)
        least = schema.get("minLength", 0)
        return text[:most] if len(text) >= least else (text + "." * least)[:least]


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                whole[key] = {**whole.get(key, {}), **value}
            elif key == "required":
                whole[key] = [*whole.get(key, ()), *value]
            else:
                whole[key] = value
    return whole


def _distinct(values: list[Json], least: int) -> list[Json]:
    """Without repeats, unless that makes it too short."""
    once = [value for place, value in enumerate(values) if value not in values[:place]]
    return once if len(once) >= least else values
