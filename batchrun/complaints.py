"""jsonschema's errors as sentences: what is wrong, where, and what was probably meant.

A branch (`anyOf`) that fails says nothing by itself. The branch that was meant is found by the type of the
value and by its `type` key, and the value is held against that branch alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.validators import extend

from batchrun.faults import Faults, Steps
from batchrun.model import Json
from batchrun.params import REFUSED
from batchrun.wording import (
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


def validator_for(schema: Schema) -> Any:
    """A validator to use many times: building one takes longer than a spec does."""
    checker = Draft7Validator.TYPE_CHECKER.redefine("integer", lambda _, value: is_type(value, "integer"))
    # Without "$schema": it would make jsonschema's `evolve` fall back to the class it names.
    plain = {key: value for key, value in schema.items() if key != "$schema"}
    return extend(Draft7Validator, type_checker=checker)(plain)  # type: ignore[no-untyped-call]


class Complaints:
    """Holds a document against the schema of `validator` and tells `faults` what it finds."""

    def __init__(self, validator: Any, faults: Faults) -> None:
        self._validator, self._faults = validator, faults
        self._schema: Schema = validator.schema

    def check(self, value: Json) -> None:
        self._explain(self._schema, value, ())

    def _explain(self, schema: Schema, value: Json, steps: Steps) -> bool:
        """Tell every error of `value` under `schema`; whether there was one."""
        errors = list(self._validator.evolve(schema=schema).iter_errors(value))
        # Unknown keys first: what is missing is often there under a wrong name.
        for error in sorted(errors, key=lambda e: e.validator == "required"):
            self._one(error, (*steps, *error.absolute_path))
        return bool(errors)

    def _one(self, error: Any, steps: Steps) -> None:
        if self._faults.is_told(steps):
            return
        match error.validator:
            case "anyOf" | "oneOf":
                self._branches(error.validator_value, error.instance, steps)
            case "additionalProperties":
                self._unknown_keys(error.schema, error.instance, steps)
            case "required":
                self._missing_keys(error, steps)
            case _:
                self._faults.at_value(steps, *_about_value(error))

    # ---- keys ----

    def _unknown_keys(self, schema: Schema, value: dict[str, Json], steps: Steps) -> None:
        known = list(schema["properties"])
        for key in [key for key in value if key not in known]:
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
        return message, f"known keys: {', '.join(known)}" if len(known) <= 12 else ""

    def _home(self, key: str, steps: Steps) -> str:
        """Where a key of the right name would stand, if it only stands in the wrong mapping."""
        sections: Mapping[str, Any] = self._schema["properties"]
        if len(steps) > 1:
            return ""
        if steps and key in sections:
            return "at the top level"
        homes = [name for name, section in sections.items() if key in section.get("properties", ())]
        return f"under {' or '.join(homes)}" if homes and steps[:1] != tuple(homes) else ""

    def _missing_keys(self, error: Any, steps: Steps) -> None:
        # jsonschema has one such error a key, all alike: the first one tells them all.
        for key in error.validator_value:
            if key not in error.instance:
                self._faults.missing((*steps, key), example_of(error.schema, key))

    # ---- branches ----

    def _branches(self, branches: Iterable[Schema], value: Json, steps: Steps) -> None:
        flat = list(self._flatten(branches))
        if isinstance(value, dict) and (marker := next((k for k in value if k.startswith("$")), None)):
            self._marked(marker, flat, value, steps)
            return
        fitting = [branch for branch in flat if admits(branch, value) and not is_marker(branch)]
        listed = [choice for branch in flat for choice in choices(branch)]
        if not fitting and not listed:
            self._faults.at_value(steps, *wrong_type(flat, value))
        elif fitting and isinstance(value, dict):
            self._mapping(fitting, value, steps)
        elif listed:
            self._faults.at_value(steps, *not_one_of(listed, value))
        elif not any(self._explain(branch, value, steps) for branch in fitting):
            self._faults.at_value(steps, f"must be {expected(flat)}")

    def _flatten(self, branches: Iterable[Schema]) -> Iterator[Schema]:
        for branch in branches:
            resolved = branch
            while "$ref" in resolved:
                resolved = self._schema["definitions"][resolved["$ref"].rpartition("/")[2]]
            if "anyOf" in resolved:
                yield from self._flatten(resolved["anyOf"])
            else:
                yield resolved

    def _marked(self, marker: str, branches: list[Schema], value: dict[str, Json], steps: Steps) -> None:
        """`{$row: …}` and its kind, where it is not well formed or cannot stand."""
        branch = next((b for b in branches if marker in b.get("properties", ())), None)
        if marker not in MARKERS:
            self._faults.at_key((*steps, marker), *self._about_unknown(marker, steps, None, []))
            self._faults.excuse(steps)
        elif len(value) > 1:
            others = ", ".join(f"'{key}'" for key in value if key != marker)
            self._faults.at_value(steps, f"{marker} stands alone in its mapping, without {others}")
        elif branch is None:
            hint = "{$row: column} gives the row's own value" if any(map(is_marker, branches)) else ""
            self._faults.at_value(steps, f"must be {expected(branches)}, and {marker} gives a string", hint)
        else:
            self._explain(branch, value, steps)

    def _mapping(self, branches: list[Schema], value: dict[str, Json], steps: Steps) -> None:
        """The branch that has the value's `type`; without one, the branch that can do without."""
        by_kind = {kind: branch for branch in branches for kind in kinds(branch)}
        default = [branch for branch in branches if "type" not in branch.get("required", ())]
        kind = value.get("type")
        if len(branches) == 1 or ("type" not in value and len(default) == 1):
            self._explain((default or branches)[0], value, steps)
        elif "type" not in value:
            self._without_type(list(by_kind), value, steps)
        elif isinstance(kind, str) and kind in by_kind:
            self._explain(by_kind[kind], value, steps)
        elif isinstance(kind, dict) or (isinstance(kind, str) and "{{" in kind):
            hint = "the rest depends on it; {$row: column} can stand for the whole mapping"
            self._faults.at_value((*steps, "type"), "must be written out", hint)
        else:
            self._faults.at_value((*steps, "type"), *not_one_of(list(by_kind), kind))

    def _without_type(self, known: list[str], value: dict[str, Json], steps: Steps) -> None:
        typo = next((key for key in value if nearest(key, ["type"])), None)
        if typo is None:
            self._faults.missing(
                (*steps, "type"), f"one of {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
            )
        else:
            self._faults.at_key((*steps, typo), f"unknown key '{typo}'", "did you mean 'type'?")
            self._faults.excuse(steps)


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
        case "maxLength":
            return f"must be at most {limit} characters long, not {len(value)}", ""
        case "maxItems":
            return f"must hold at most {limit:,} entries, not {len(value):,}", ""
        case "uniqueItems":
            return "must not hold the same entry twice", ""
    return "does not fit the schema", ""
