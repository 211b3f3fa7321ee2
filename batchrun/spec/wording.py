"""The words for what is wrong with a value, made from the schemas it was held against."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from batchrun.model import Json

Schema: TypeAlias = Mapping[str, Any]

# ---- what a schema says ------------------------------------------------------------------------

MARKERS = ("$row", "$file", "$base64")


def is_marker(schema: Schema) -> bool:
    """Whether the schema is that of `{$row: …}` or its kind."""
    return any(key in MARKERS for key in schema.get("properties", ()))


def types(schema: Schema) -> list[str]:
    """The types a branch admits, as JSON Schema names them; none named is any."""
    if "type" in schema:
        return schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values = choices(schema)
    return ["string"] if values and all(isinstance(value, str) for value in values) else []


def choices(schema: Schema) -> list[Any]:
    """The values a schema lists, if it lists them."""
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def kinds(schema: Schema) -> list[str]:
    """What `type` may say in a mapping of this schema."""
    return choices(schema.get("properties", {}).get("type", {}))


def admits(schema: Schema, value: Json) -> bool:
    return not types(schema) or any(is_type(value, name) for name in types(schema))


def is_type(value: Json, name: str) -> bool:
    match name:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "integer":  # as the API reads JSON: 1000.0 is none
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
    return value is None


# ---- what is wrong -----------------------------------------------------------------------------

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def wrong_type(branches: list[Schema], value: Json) -> tuple[str, str]:
    """What is wrong with a value that no branch admits, and what to do."""
    wanted = {name for branch in branches if not is_marker(branch) for name in types(branch)}
    if wanted == {"string"} and isinstance(value, int | float) and "patternErrorMessage" in branches[0]:
        return f"{branches[0]['patternErrorMessage']}, not {shown(value)}", ""
    return f"must be {expected(branches)}, not {shown(value)}", _type_hint(wanted, value)


def expected(branches: list[Schema]) -> str:
    """`a string or a list`: what the branches admit, beside `{$row: …}` and its kind."""
    names = [name for branch in branches if not is_marker(branch) for name in types(branch)]
    return _or([_WORDS[name] for name in dict.fromkeys(names)]) or "something else"


def not_one_of(values: list[Any], value: Json) -> tuple[str, str]:
    """What is wrong with a value that is none of `values`, and which was probably meant."""
    near = nearest(value, [v for v in values if isinstance(v, str)]) if isinstance(value, str) else None
    hint = f"did you mean '{near}'?" if near else ""
    if len(values) > 8:
        return f"{shown(value)} is not known here", hint or f"one of {', '.join(map(str, values))}"
    listed = _or([f"'{v}'" if isinstance(v, str) else json.dumps(v) for v in values])
    return f"must be {listed}, not {shown(value)}", hint


def shown(value: Json) -> str:
    """A value in a sentence: short, and with its type where that could be the trouble."""
    match value:
        case str():
            return f"the string '{value if len(value) <= 40 else value[:40] + '…'}'"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    return json.dumps(value)


def example_of(schema: Schema, key: str) -> str:
    """`such as path: tickets.csv`, where the schema has a short example of the key."""
    about = schema.get("properties", {}).get(key, {})
    for example in (*about.get("examples", ()), *choices(about)):
        plain = isinstance(example, str) and re.fullmatch(r"[\w./ -]+", example)
        text = example if plain else json.dumps(example, ensure_ascii=False)
        if len(text) <= 60:
            return f"such as {key}: {text}"
    return ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant; case, '-', '_' and spaces make no difference."""
    plain = {re.sub(r"[-_ ]", "", k).lower(): k for k in known}
    found = difflib.get_close_matches(re.sub(r"[-_ ]", "", word).lower(), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _type_hint(wanted: set[str], value: Json) -> str:
    if isinstance(value, str):
        return _string_hint(wanted, value)
    if value is None:
        return "nothing stands behind the colon, or null"
    if "string" in wanted and not isinstance(value, dict | list):
        return f'quote it: "{json.dumps(value)}"'
    if "array" in wanted and isinstance(value, dict):
        return "a list has '- ' before each entry"
    return ""


def _string_hint(wanted: set[str], value: str) -> str:
    numeric = bool(wanted & {"integer", "number"})
    if re.search(r"\{[{%]", value):
        return "a template gives a string; {$row: column} gives the row's own value"
    if "boolean" in wanted and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
        right = "true" if value.lower() in ("yes", "on", "y", "true") else "false"
        return f"write {right}: in YAML 1.2 '{value}' is a string"
    if numeric and re.fullmatch(r"[-+]?\d+(\.\d+)?", value):
        return f"write {value} without quotes"
    if numeric and re.fullmatch(r"\d{1,3}([_,]\d{3})+", value):
        return f"write {re.sub('[_,]', '', value)}"
    if numeric and value.startswith("$"):
        return "write the number alone"
    if "array" in wanted:
        return "a list has '- ' before each entry"
    return ""


def _or(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


# ---- keys that cannot stand in a spec ----------------------------------------------------------

_ENVIRONMENT = "the environment of whoever runs batchrun does"
_NOT_IN_A_SPEC: tuple[tuple[str, str, str], ...] = (
    # design §2: what a spec that someone dropped in a folder can never set.
    (
        "base_url url endpoint host api_base api_url origin",
        "a spec cannot say where requests are sent",
        "ANTHROPIC_BASE_URL in the environment does",
    ),
    (
        "api_key key auth_token token api_key_env key_file credentials auth",
        "a spec cannot hold or name a key",
        "ANTHROPIC_API_KEY in the environment holds it",
    ),
    (
        "headers extra_headers header custom_headers",
        "a spec cannot set headers",
        "beta headers go under betas, the version of the API under api_version",
    ),
    (
        "proxy proxies http_proxy https_proxy all_proxy no_proxy",
        "a spec cannot set a proxy",
        _ENVIRONMENT,
    ),
    (
        "tls ssl verify verify_ssl ca_bundle ca_file cert insecure",
        "a spec cannot change how connections are secured",
        _ENVIRONMENT,
    ),
    (
        "workspace workspace_id organization organization_id provider",
        "a spec cannot choose the account it runs in",
        _ENVIRONMENT,
    ),
)


def not_in_a_spec(key: str) -> tuple[str, str] | None:
    """Why a spec cannot have this key, when it is one of those that only the environment decides."""
    plain = key.lower().replace("-", "_")
    for names, message, hint in _NOT_IN_A_SPEC:
        if plain in names.split():
            return f"'{key}': {message}", hint
    return None
