"""Structured output: which JSON Schema a request asked for, and whether an answer follows it.

The API promises it; a refusal, a cut-off answer or a feature it does not enforce breaks the promise, and a
column that is silently empty is found too late.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import orjson

from batchrun.model import Json, Node, Template
from batchrun.safetext import plain

Check: TypeAlias = Callable[[Json], str | None]
"""What is wrong with a value, or None."""


def written_schema(request: Mapping[str, Node] | None) -> tuple[bool, Json]:
    """Whether the spec alone says the schema, and what it says."""
    if request is None:
        return False, None
    try:
        return True, schema_in({"output_config": _constant(request.get("output_config"))})
    except _DependsOnRow:
        return False, None


class _DependsOnRow(Exception):
    pass


def _constant(node: Node) -> Json:
    if isinstance(node, Mapping):
        return {key: _constant(value) for key, value in node.items()}
    if isinstance(node, tuple):
        return [_constant(value) for value in node]
    if isinstance(node, Template):
        if any(mark in node.source for mark in ("{{", "{%", "{#")):
            raise _DependsOnRow
        return node.source
    if node is None or isinstance(node, bool | int | float):
        return node
    raise _DependsOnRow


def schema_in(params: Mapping[str, Json]) -> Json:
    """`output_config.format.schema` (batches-api §4), or None."""
    config = params.get("output_config")
    form = config.get("format") if isinstance(config, dict) else None
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return None
    return form.get("schema")


def check_for(schema: Json) -> Check | None:
    return None if schema is None else _compiled(orjson.dumps(schema))


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> Check:
    """Imported here: jsonschema takes a while, and most jobs do not need it."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    value = orjson.loads(schema)
    kind = validator_for(value, default=Draft202012Validator)
    # An empty registry: a $ref to the web is never fetched.
    validator = kind(value, registry=Registry())

    def check(answer: Json) -> str | None:
        try:
            error = best_match(validator.iter_errors(answer))
        except (Unresolvable, RecursionError, re.error) as cannot:
            return f"schema: it cannot be checked: {plain(str(cannot), 120)}"
        return None if error is None else f"schema: {error.json_path}: {plain(error.message, 160)}"

    try:
        kind.check_schema(value)
    except SchemaError as error:
        reason = plain(error.message, 120)
        return lambda _: f"schema: it is not a JSON Schema: {reason}"
    return check


def read(text: str, check: Check) -> tuple[Json, str | None]:
    """The value of a structured answer, and what is wrong with it. A value that is wrong is not given."""
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None, "unparsable"
    problem = check(value)
    return (value, None) if problem is None else (None, problem)
