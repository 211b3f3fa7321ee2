"""JSON Schemas of the request: slips in any of them, and the subset that structured output takes
(api-facts §3.2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.requests.params.base import Call, Dynamic, ParamProblem, Steps
from batchrun.requests.params.walk import tools_of

_JSON_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_DEEPEST = 64
"""Steps into a schema; what lies deeper is not worth the recursion."""

_BOUNDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "maxItems", "patternProperties",
)  # fmt: skip
"""Not taken (§3.2a); the official client moves them into `description`."""
_DOUBTFUL = (
    "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "minProperties", "maxProperties",
    "propertyNames", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties",
    "unevaluatedItems", "not", "if", "then", "else", "oneOf",
)  # fmt: skip
"""The official client moves these away as well; whether the API refuses them no source says."""
_MOST_MIN_ITEMS = 1
_SAY_IT = "say it in its description"


def schemas(call: Call) -> Iterator[ParamProblem]:
    config = call.params.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    if isinstance(form, Mapping) and form.get("type") == "json_schema" and "schema" in form:
        path: Steps = ("output_config", "format", "schema")
        yield from _slips(form["schema"], path)
        yield from _subset(form["schema"], path)
    for path, tool in tools_of(call):
        if "input_schema" in tool:
            here = (*path, "input_schema")
            yield from _slips(tool["input_schema"], here)
            if tool.get("strict") is True:
                yield from _subset(tool["input_schema"], here)


# ---- slips that people make --------------------------------------------------------------------


def _slips(schema: object, path: Steps) -> Iterator[ParamProblem]:
    if isinstance(schema, Dynamic | bool) or len(path) > _DEEPEST:
        return
    if not isinstance(schema, Mapping):
        yield ParamProblem(path, "must be a JSON Schema: a mapping")
        return
    yield from _type(schema.get("type", "object"), (*path, "type"))
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping | Dynamic):
        yield ParamProblem((*path, "properties"), "must be a mapping of names to schemas")
    elif isinstance(properties, Mapping):
        for name, inner in properties.items():
            yield from _slips(inner, (*path, "properties", name))
    if not isinstance(required, list | Dynamic):
        yield ParamProblem((*path, "required"), "must be a list of names")
    if "items" in schema:
        yield from _slips(schema["items"], (*path, "items"))


def _type(kind: object, path: Steps) -> Iterator[ParamProblem]:
    for name in kind if isinstance(kind, list) else [kind]:
        if not isinstance(name, Dynamic) and not (isinstance(name, str) and name in _JSON_TYPES):
            yield ParamProblem(
                path, f"{name!r} is not a type of JSON Schema", f"one of {', '.join(sorted(_JSON_TYPES))}"
            )


# ---- the subset --------------------------------------------------------------------------------


def _subset(schema: object, path: Steps) -> Iterator[ParamProblem]:
    """Holds a whole schema against the subset."""
    if isinstance(schema, Mapping):
        yield from _within_subset(schema, path)
        for steps, reference in _recursive(schema):
            message = f"{reference} leads back to itself; a schema cannot be recursive"
            yield ParamProblem((*path, *steps, "$ref"), message, "write out as many levels as are needed")


def _within_subset(schema: object, path: Steps) -> Iterator[ParamProblem]:
    if not isinstance(schema, Mapping) or len(path) > _DEEPEST:
        return
    yield from _bounds(schema, path)
    if _is_object(schema) and schema.get("additionalProperties") is not False:
        yield from _open_object(schema, path)
    for steps, inner in _inner(schema):
        yield from _within_subset(inner, (*path, *steps))


def _bounds(schema: Mapping[str, object], path: Steps) -> Iterator[ParamProblem]:
    for key in _BOUNDS:
        if key in schema:
            yield ParamProblem((*path, key), f"{key} is not taken in a schema of the answer", _SAY_IT)
    least = schema.get("minItems")
    if isinstance(least, int) and least > _MOST_MIN_ITEMS:
        yield ParamProblem((*path, "minItems"), f"minItems can only be 0 or 1, not {least}", _SAY_IT)
    for key in _DOUBTFUL:
        if key in schema:
            message = f"{key} may not be taken in a schema of the answer"
            yield ParamProblem((*path, key), message, _SAY_IT, warning=True)
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield ParamProblem((*path, "$ref"), "a $ref can only point into the schema itself", "write it out")


def _is_object(schema: Mapping[str, object]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _open_object(schema: Mapping[str, object], path: Steps) -> Iterator[ParamProblem]:
    if "additionalProperties" not in schema:
        yield ParamProblem(
            path, "additionalProperties: false is missing", "every object of the schema needs it"
        )
    elif not isinstance(schema["additionalProperties"], Dynamic):
        message = "additionalProperties can only be false"
        yield ParamProblem((*path, "additionalProperties"), message, "every object of the schema needs it")


_NAMED = ("properties", "$defs", "definitions", "patternProperties")
_LISTED = ("anyOf", "allOf", "oneOf", "prefixItems")
_SINGLE = ("items", "not", "if", "then", "else", "contains", "additionalProperties", "additionalItems")


def _inner(schema: Mapping[str, object]) -> Iterator[tuple[Steps, object]]:
    """The schemas right inside a schema."""
    for key in _NAMED:
        held = schema.get(key)
        if isinstance(held, Mapping):
            yield from (((key, name), inner) for name, inner in held.items())
    for key in _LISTED:
        held = schema.get(key)
        if isinstance(held, list):
            yield from (((key, place), inner) for place, inner in enumerate(held))
    for key in _SINGLE:
        held = schema.get(key)
        if isinstance(held, Mapping):
            yield (key,), held
        elif isinstance(held, list):
            yield from (((key, place), inner) for place, inner in enumerate(held))


def _refs(schema: object, path: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Every `$ref` in a schema, and where it stands."""
    if not isinstance(schema, Mapping) or len(path) > _DEEPEST:
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield path, reference
    for steps, inner in _inner(schema):
        yield from _refs(inner, (*path, *steps))


def _recursive(schema: Mapping[str, object]) -> list[tuple[Steps, str]]:
    """The references that are part of a circle. Each is followed once, however many there are."""
    references = list(_refs(schema))
    targets = {target for _, name in references if (target := _target(name)) is not None}
    leads: dict[Steps, set[Steps]] = {target: set() for target in targets}
    inside: list[tuple[Steps, str, list[Steps], Steps]] = []
    for place, name in references:
        if (target := _target(name)) is None:
            continue
        holders = [place[:n] for n in range(len(place) + 1) if place[:n] in targets]
        inside.append((place, name, holders, target))
        for holder in holders:
            leads[holder].add(target)
    circular = _circular(leads)
    return [
        (place, name)
        for place, name, holders, target in inside
        if target in circular and circular.intersection(holders)
    ]


def _circular(leads: Mapping[Steps, set[Steps]]) -> set[Steps]:
    """What is left when all that leads nowhere is taken away, again and again: circles, and ways into them."""
    left = {start: len(ends) for start, ends in leads.items()}
    back: dict[Steps, list[Steps]] = {}
    for start, ends in leads.items():
        for end in ends:
            back.setdefault(end, []).append(start)
    done = [start for start, count in left.items() if not count]
    while done:
        end = done.pop()
        del left[end]
        for start in back.get(end, ()):
            left[start] -= 1
            if not left[start]:
                done.append(start)
    return set(left)


def _target(reference: str) -> Steps | None:
    """The steps that a local reference takes; None for any other. Places in lists are numbers."""
    if reference == "#":
        return ()
    if not reference.startswith("#/"):
        return None
    steps = (step.replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/"))
    return tuple(int(step) if step.isdecimal() else step for step in steps)
