"""Structured output: which JSON Schema a request asked for, and whether an answer follows it.

The API promises it; a refusal, a cut-off answer or a feature it does not enforce breaks the promise, and a
column that is silently empty is found too late.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from batchrun import jsonbytes
from batchrun.model import Json, Node, Template
from batchrun.safetext import plain

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

Check: TypeAlias = Callable[[Json], str | None]
"""What is wrong with a value, or None."""

MAX_STEPS = 1_000_000
"""What one answer may take, in seconds at most. A list of 200,000 numbers takes half of it."""

_REFERENCE = 30
"""Steps: what looking up a `$ref` takes, beside applying a keyword."""

_LETTERS = 100
"""Of a message, for one step: it repeats the `enum`, or the value that is none of it."""


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
    """`output_config.format.schema` (api-facts §4), or None."""
    config = params.get("output_config")
    form = config.get("format") if isinstance(config, dict) else None
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return None
    return form.get("schema")


def check_for(schema: Json) -> Check | None:
    """The check of a schema, whatever it is: of one that cannot be used, the check says so of every answer."""
    if schema is None:
        return None
    try:
        return _compiled(jsonbytes.dumps(schema))
    except orjson.JSONEncodeError:
        return _unusable("it is too deep")


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> Check:
    """Imported here: jsonschema takes a while, and most jobs do not need it."""
    from jsonschema.exceptions import SchemaError, best_match

    steps = _Steps()
    try:
        validator = _validator(orjson.loads(schema), steps)
    except SchemaError as error:
        return _unusable(f"it is not a JSON Schema: {plain(error.message, 120)}")
    except Exception as error:  # A row may bring any value as its schema; what jsonschema does then is open.
        return _unusable(f"it is not a JSON Schema: {_told(error)}")

    def check(answer: Json) -> str | None:
        steps.left = MAX_STEPS
        try:
            error = best_match(validator.iter_errors(answer))
        except Exception as cannot:  # As above; and one answer must not cost the others their output.
            return f"schema: it cannot be checked: {_told(cannot)}"
        return None if error is None else f"schema: {error.json_path}: {plain(error.message, 160)}"

    return check


def _unusable(reason: str) -> Check:
    return lambda _: f"schema: {reason}"


def _told(error: Exception) -> str:
    return plain(str(error), 120) or type(error).__name__


def _validator(schema: Any, steps: _Steps) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    _refuse_what_is_no_schema(kind, schema)
    if _names(schema, "patternProperties"):
        # Python's `re` looks these up, here and for `additionalProperties`, and may take for ever.
        raise ValueError("`patternProperties` is not supported")
    keywords = {**kind.VALIDATORS, "pattern": _pattern, "uniqueItems": unique_items}
    counted = {name: steps.counting(keyword) for name, keyword in keywords.items()}
    # An empty registry: a $ref to the web is never fetched.
    return _with_keywords(kind, counted)(schema, registry=Registry())


def _refuse_what_is_no_schema(kind: type[Validator], schema: Json) -> None:
    """As `check_schema`, but in linear time: an `enum` of draft 4 must be of unique items. Raises SchemaError."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    meta = validator_for(kind.META_SCHEMA, default=kind)
    bounded = _with_keywords(meta, {"uniqueItems": unique_items})
    for error in bounded(kind.META_SCHEMA, format_checker=meta.FORMAT_CHECKER).iter_errors(schema):
        raise SchemaError.create_from(error)


def _with_keywords(kind: type[Validator], keywords: Mapping[str, Any]) -> type[Validator]:
    """A validator with our keywords wherever it goes: jsonschema's takes its own again for each subschema that
    has a `$schema`, as those of the metaschema have."""
    import attrs
    from jsonschema.validators import extend

    bounded: type[Validator] = extend(kind, keywords)  # type: ignore[no-untyped-call]
    bounded.evolve = attrs.evolve  # type: ignore[assignment, method-assign]
    return bounded


class _TooManySteps(Exception):
    pass


class _Steps:
    """Counts the keywords that are applied to one answer, what they hold, and what they say: an `anyOf` of `$ref`s
    can make 2^n of n lines, and an `enum` is gone through, and told, for every item of a list."""

    def __init__(self) -> None:
        self.left = 0

    def counting(self, keyword: Callable[..., Any]) -> Callable[..., Any]:
        def apply(validator: Any, value: Any, answer: Any, schema: Any) -> Iterator[ValidationError]:
            self.left -= 1 + (len(value) if isinstance(value, list | dict) else 0)
            self.left -= _REFERENCE if "$ref" in schema or "$dynamicRef" in schema else 0
            if self.left < 0:
                raise _TooManySteps(f"it takes more than {MAX_STEPS:,} steps")
            for error in keyword(validator, value, answer, schema) or ():
                self.left -= len(error.message) // _LETTERS
                yield error

        return apply


def unique_items(
    _validator: object, unique: object, answer: Json, _schema: object
) -> Iterator[ValidationError]:
    """Python's own compares each with each where the items do not sort."""
    from jsonschema.exceptions import ValidationError

    if unique and isinstance(answer, list) and len({_same(item) for item in answer}) < len(answer):
        yield ValidationError("an item comes twice where each must be unique")


def _same(value: Json) -> bytes:
    """Equal for what JSON Schema calls equal: 1.0 is 1, and the order of keys does not count."""
    return jsonbytes.dumps(_whole(value), option=orjson.OPT_SORT_KEYS)


def _whole(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _whole(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_whole(part) for part in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53
    return int(value) if isinstance(value, float) and whole else value


def _names(schema: Json, key: str) -> bool:
    if isinstance(schema, dict):
        return key in schema or any(_names(part, key) for part in schema.values())
    return isinstance(schema, list) and any(_names(part, key) for part in schema)


def _pattern(_validator: object, pattern: str, answer: Json, _schema: object) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if isinstance(answer, str) and not _searcher(pattern)(answer):
        yield ValidationError(f"{plain(answer, 80)!r} does not match {plain(pattern, 60)!r}")


@lru_cache(maxsize=256)
def _searcher(pattern: str) -> Callable[[str], bool]:
    """Searches in time linear in the text: Python's `re` needs years for `^(x+x+)+y$`, and it is the model
    that writes the text. A pattern this engine does not have (it looks around or back) is not checked."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    re.compile(pattern)
    try:
        engine = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return lambda _: True
    return engine.isinstance_python


# ---- answers -----------------------------------------------------------------------------------

MAX_DEPTH = 100
"""Levels of a value of the model: readers of the output have limits of their own, ours of 254 to write it."""


def too_deep(value: Json, levels: int = MAX_DEPTH) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(too_deep(part, levels - 1) for part in value.values())
    if isinstance(value, list):
        return levels == 0 or any(too_deep(part, levels - 1) for part in value)
    return False


def read(text: str, check: Check) -> tuple[Json, str | None]:
    """The value of a structured answer, and what is wrong with it. A value that is wrong is not given."""
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None, "unparsable"
    problem = "unparsable" if too_deep(value) else check(value)
    return (value, None) if problem is None else (None, problem)
