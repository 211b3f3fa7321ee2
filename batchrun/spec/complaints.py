"""jsonschema's errors as sentences: what is wrong, where, and what was probably meant.

`anyOf` is not tried branch by branch: the branch that was meant is found by the type of the value and by its
`type` key, and the value is held against that branch alone. So an error says what is wrong with what was
meant, and a large spec takes no longer than its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from batchrun.model import Json
from batchrun.outputs.structured import unique_items
from batchrun.requests.params import REFUSED
from batchrun.spec.faults import Faults, Steps
from batchrun.spec.wording import (
    MARKERS,
    Schema,
    admits,
    choices,
    example_of,
    expected,
    is_marker,
    is_type,
    kinds,
    nearest,
    not_in_a_spec,
    not_one_of,
    shown,
    wrong_type,
)

MAX_ERRORS = 1000
MAX_LISTED = 16  # known keys in a hint; all of the top level are
"""More than anyone reads; a spec made to be wrong could have one a byte."""


def validator_for(schema: Schema) -> Any:
    """A validator to use many times: building one takes longer than a spec does."""
    checker = Draft7Validator.TYPE_CHECKER.redefine("integer", lambda _, value: is_type(value, "integer"))
    keywords = {"anyOf": _any_of(schema), "uniqueItems": unique_items}
    # Without "$schema": it would make jsonschema's `evolve` fall back to the class it names.
    plain = {key: value for key, value in schema.items() if key != "$schema"}
    return extend(Draft7Validator, keywords, type_checker=checker)(plain)  # type: ignore[no-untyped-call]


# ---- branches ----------------------------------------------------------------------------------


def _any_of(root: Schema) -> Callable[..., Iterator[ValidationError]]:
    """The keyword `anyOf`: the errors of the branch that was meant, or one error with all branches."""

    def any_of(validator: Any, branches: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
        flat = _flatten(branches, root)
        branch = _meant(flat, value)
        if branch is not None:
            yield from validator.descend(value, branch)
        elif not any(validator.evolve(schema=b).is_valid(value) for b in flat if admits(b, value)):
            yield ValidationError("", validator="anyOf", validator_value=flat, instance=value)

    return any_of


def _flatten(branches: Sequence[Schema], root: Schema) -> list[Schema]:
    flat: list[Schema] = []
    for branch in branches:
        while "$ref" in branch:
            branch = root["definitions"][branch["$ref"].rpartition("/")[2]]
        flat += _flatten(branch["anyOf"], root) if "anyOf" in branch else [branch]
    return flat


def _meant(flat: list[Schema], value: Json) -> Schema | None:
    """The one branch that a value can have meant; None when there is none, or nothing to tell by."""
    if marker := _marker_of(value):
        return next((b for b in flat if marker in b.get("properties", ()) and _alone(value)), None)
    fitting = _fitting(flat, value)
    if len(fitting) == 1:
        return None if choices(fitting[0]) else fitting[0]
    if not isinstance(value, dict):
        return None
    if "type" in value:
        return next((b for b in fitting if value["type"] in kinds(b)), None)
    default = [branch for branch in fitting if "type" not in branch.get("required", ())]
    return default[0] if len(default) == 1 else None


def _fitting(flat: list[Schema], value: Json) -> list[Schema]:
    return [branch for branch in flat if admits(branch, value) and not is_marker(branch)]


def _marker_of(value: Json) -> str | None:
    return next((key for key in value if key.startswith("$")), None) if isinstance(value, dict) else None


def _alone(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1


# ---- errors ------------------------------------------------------------------------------------


class Complaints:
    """Holds a document against the schema of `validator` and tells `faults` what it finds."""

    def __init__(self, validator: Any, faults: Faults) -> None:
        self._validator, self._faults = validator, faults
        self._schema: Schema = validator.schema

    def check(self, value: Json) -> None:
        errors = list(islice(self._validator.iter_errors(value), MAX_ERRORS))
        # Unknown keys first: what is missing is often there under a wrong name.
        for error in sorted(errors, key=lambda e: e.validator == "required"):
            self._tell(error, tuple(error.absolute_path))

    def _tell(self, error: Any, steps: Steps) -> None:
        if self._faults.is_told(steps):
            return
        match error.validator:
            case "anyOf":
                self._no_branch(error.validator_value, error.instance, steps)
            case "additionalProperties":
                self._unknown_keys(list(error.schema["properties"]), error.instance, steps)
            case "required":
                self._missing_keys(error, steps)
            case "type" if not steps and isinstance(error.instance, str | int | float):
                # Not what it says: a file that is no spec may have come here by a link, and be another's.
                what = "a string" if isinstance(error.instance, str) else "a number or a flag"
                self._faults.at_value(steps, f"must be a mapping, not {what}")
            case _:
                self._faults.at_value(steps, *_about_value(error))

    def _missing_keys(self, error: Any, steps: Steps) -> None:
        # jsonschema has one such error a key, all alike: the first one tells them all.
        schema = error.schema if "properties" in error.schema else self._schema["properties"]["request"]
        for key in error.validator_value:
            if key not in error.instance:
                self._faults.missing((*steps, key), example_of(schema, key))

    # ---- keys ----

    def _unknown_keys(self, known: list[str], value: dict[str, Json], steps: Steps) -> None:
        for key in [key for key in value if key not in known][:MAX_ERRORS]:
            near = nearest(key, known)
            if near is not None and near not in value:
                self._faults.excuse((*steps, near))
            self._faults.at_key((*steps, key), *self._about_unknown(key, steps, near, known))

    def _about_unknown(self, key: str, steps: Steps, near: str | None, known: list[str]) -> tuple[str, str]:
        message = f"unknown key '{key}'"
        if steps == ("request",) and key in REFUSED:
            return f"'{key}': {REFUSED[key][0]}", REFUSED[key][1]
        if key.startswith("$"):
            return message, f"did you mean '{nearest(key, MARKERS) or '$row'}'?"
        if len(steps) <= 1 and near is None and (why := not_in_a_spec(key)):
            return why
        if home := self._home(key, steps):
            return message, f"it belongs {home}"
        if near is not None:
            return message, f"did you mean '{near}'?"
        if steps == ("request",):
            return message, "a parameter newer than batchrun goes under request.passthrough"
        return message, f"known keys: {', '.join(known)}" if len(known) <= MAX_LISTED else ""

    def _home(self, key: str, steps: Steps) -> str:
        """Where a key of the right name would stand, if it only stands in the wrong mapping."""
        sections: Mapping[str, Any] = self._schema["properties"]
        if len(steps) > 1:
            return ""
        if steps and key in sections:
            return "at the top level"
        homes = [name for name, section in sections.items() if key in section.get("properties", ())]
        return f"under {' or '.join(homes)}" if homes and steps[:1] != tuple(homes) else ""

    # ---- branches ----

    def _no_branch(self, flat: list[Schema], value: Json, steps: Steps) -> None:
        listed = [choice for branch in flat for choice in choices(branch)]
        if (marker := _marker_of(value)) and isinstance(value, dict):
            self._marked(marker, flat, value, steps)
        elif listed:
            self._faults.at_value(steps, *not_one_of(listed, value))
        elif isinstance(value, dict) and (fitting := _fitting(flat, value)):
            self._kind([kind for branch in fitting for kind in kinds(branch)], value, steps)
        else:
            self._faults.at_value(steps, *wrong_type(flat, value))

    def _marked(self, marker: str, flat: list[Schema], value: dict[str, Json], steps: Steps) -> None:
        """`{$row: …}` and its kind, where it is not well formed or cannot stand."""
        if marker not in MARKERS:
            self._faults.at_key((*steps, marker), *self._about_unknown(marker, steps, None, []))
            self._faults.excuse(steps)
        elif len(value) > 1:
            others = ", ".join(f"'{key}'" for key in value if key != marker)
            self._faults.at_value(steps, f"{marker} stands alone in its mapping, without {others}")
        else:
            hint = "{$row: column} gives the row's own value" if any(map(is_marker, flat)) else ""
            self._faults.at_value(steps, f"must be {expected(flat)}, and {marker} gives a string", hint)

    def _kind(self, known: list[str], value: dict[str, Json], steps: Steps) -> None:
        """A mapping whose `type` does not say which it is."""
        kind, typo = value.get("type"), next((key for key in value if nearest(key, ["type"])), None)
        if typo is None:
            more = ", …" if len(known) > 8 else ""
            self._faults.missing((*steps, "type"), f"one of {', '.join(known[:8])}{more}")
        elif typo != "type":
            self._faults.at_key((*steps, typo), f"unknown key '{typo}'", "did you mean 'type'?")
            self._faults.excuse(steps)
        elif isinstance(kind, dict) or (isinstance(kind, str) and "{{" in kind):
            hint = "the rest depends on it; {$row: column} can stand for the whole mapping"
            self._faults.at_value((*steps, "type"), "must be written out", hint)
        else:
            self._faults.at_value((*steps, "type"), *not_one_of(known, kind))


def _about_value(error: Any) -> tuple[str, str]:
    """What is wrong with one value by one keyword, and what to do."""
    value, limit = error.instance, error.validator_value
    match error.validator:
        case "type":
            return wrong_type([error.schema], value)
        case "enum":
            return not_one_of(limit, value)
        case "const":
            return not_one_of([limit], value)
        case "pattern":
            rule = error.schema.get("patternErrorMessage", "is not well formed")
            return f"{rule}, not {shown(value)}", ""
        case "minimum":
            return f"must be at least {limit:,}, not {shown(value)}", ""
        case "maximum":
            return f"must be at most {limit:,}, not {shown(value)}", ""
        case "minLength" | "minItems" | "minProperties":
            return "must not be empty", ""
        case "maxProperties":
            return f"must hold one of {', '.join(value)}, not {len(value)} of them", ""
        case "maxLength":
            return f"must be at most {limit} characters long, not {len(value)}", ""
        case "maxItems":
            return f"must hold at most {limit:,} entries, not {len(value):,}", ""
        case "uniqueItems":
            return "must not hold the same entry twice", ""
    return "does not fit the schema", ""
