"""The part of JSON Schema that structured output takes (api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchrun.simulator.checks_messages import ParamFault

_UNSUPPORTED = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "maxItems", "patternProperties",
    }
)  # fmt: skip


def check_answer_schemas(params: Mapping[str, Any]) -> None:
    """Raises ParamFault."""
    form = (params.get("output_config") or {}).get("format")
    if form:
        _check(form["schema"], "output_config.format.schema")
    for position, tool in enumerate(params.get("tools") or ()):
        if tool.get("strict") is True and isinstance(tool.get("input_schema"), dict):
            _check(tool["input_schema"], f"tools.{position}.custom.input_schema")


def _check(schema: dict[str, Any], at: str) -> None:
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            _check_part(part, at)
            waiting += [inner for inner, _ in _parts(part, ())]
    _Circles(schema, at).check()


def _check_part(part: Mapping[str, Any], at: str) -> None:
    kinds = part.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if ("object" in kinds or "properties" in part) and part.get("additionalProperties") is not False:
        raise ParamFault(f"{at}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    refused = sorted(_UNSUPPORTED & set(part))
    if refused:
        names = ", ".join(refused)
        raise ParamFault(f"{at}: For '{kinds[0]}' type, properties {names} are not supported")
    if isinstance(part.get("minItems"), int) and part["minItems"] > 1:
        raise ParamFault(f"{at}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if not str(part.get("$ref", "#")).startswith("#"):
        raise ParamFault(f"{at}: external $ref is not supported")


def _parts(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions", "patternProperties") and isinstance(value, dict):
            for name, inner in value.items():
                yield inner, (*path, key, name)
        elif key in ("anyOf", "allOf", "oneOf", "prefixItems", "items") and isinstance(value, list):
            for position, inner in enumerate(value):
                yield inner, (*path, key, str(position))
        elif key in ("items", "not", "if", "then", "else", "contains", "additionalProperties"):
            yield value, (*path, key)


class _Circles:
    """Follows `$ref`s from the root, depth first: one that is met again on its own way goes round."""

    def __init__(self, schema: Mapping[str, Any], at: str) -> None:
        self._schema, self._at = schema, at
        self._done: set[tuple[str, ...]] = set()

    def check(self) -> None:
        """Raises ParamFault. Without recursion of our own: a schema may be deep."""
        stack: list[tuple[tuple[str, ...], Iterator[tuple[str, ...]]]] = [((), self._next(()))]
        on_the_way: set[tuple[str, ...]] = {()}
        while stack:
            here, further = stack[-1]
            following = next(further, None)
            if following is None:
                stack.pop()
                on_the_way.discard(here)
                self._done.add(here)
            elif following in on_the_way:
                raise ParamFault(f"{self._at}: recursive schemas are not supported")
            elif following not in self._done:
                on_the_way.add(following)
                stack.append((following, self._next(following)))

    def _next(self, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """The schemas inside a schema, and the one it refers to."""
        schema: Any = self._schema
        for step in place:
            schema = schema[int(step)] if isinstance(schema, list) else schema.get(step)
            if schema is None:
                return
        if not isinstance(schema, dict):
            return
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            yield tuple(reference.split("/")[1:])
        yield from (path for _, path in _parts(schema, place))
