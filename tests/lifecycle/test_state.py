from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from batchrun.cost.amounts import Estimate
from batchrun.errors import ConfigError, ExitCode
from batchrun.lifecycle.state import Phase, RunState, dumps, loads
from batchrun.spec import schema_text
from tests.states import EMPTY, active, collected, every_state, state
from tests.workbench import Bench

SCHEMA: dict[str, Any] = json.loads(schema_text("state"))
SAVED = state(*(active(phase, f"{n:04d}") for n, phase in enumerate(Phase)), collected=collected(good=False))
RESTORE = "nothing was submitted; restore the file from a backup: starting afresh could pay twice"


def refusal(data: bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        loads(data, where="state.json")
    assert caught.value.exit_code is ExitCode.CONFIG
    assert caught.value.where == "state.json"
    return caught.value


# ---- the file and its schema


def test_every_state_is_read_as_it_was_written_and_follows_the_schema() -> None:
    validator = Draft7Validator(SCHEMA)
    unpriced = state(active(Phase.PLANNED, cost=None))
    for value in (
        EMPTY,
        SAVED,
        unpriced,
        replace(SAVED, canceled=True, writing=collected().output),
        *every_state(),
    ):
        data = dumps(value)
        assert loads(data, where="") == value
        assert list(validator.iter_errors(orjson.loads(data))) == []


def test_what_is_left_out_is_read_as_nothing_known() -> None:
    """The file leaves out what is None; any other default would make something of it."""
    seen: set[type] = set()
    kinds: list[Any] = [RunState]
    while kinds:
        kind = kinds.pop()
        kinds += get_args(kind)
        if not isinstance(kind, type) or not is_dataclass(kind) or kind in seen:
            continue
        seen.add(kind)
        hints = get_type_hints(kind)
        kinds += hints.values()
        optional = [f for f in fields(kind) if type(None) in get_args(hints[f.name])]
        assert [f.name for f in optional if f.default is not None] == [], kind
    assert Estimate in seen


def test_the_file_of_a_real_run_follows_the_schema(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.job(rows=3)
    bench.run("run", "--sandbox", code=0)
    data = (bench.run_folder(sandbox=True) / "state.json").read_bytes()
    Draft7Validator(SCHEMA).validate(orjson.loads(data))
    found = loads(data, where="")
    assert found.collected is not None
    assert dumps(found) == data


def described(node: Any, path: str = "$") -> list[str]:
    """Properties without a title or a description, of their own or of what they refer to; open objects."""
    faults: list[str] = []
    if not isinstance(node, dict):
        return faults
    if node.get("type") == "object" and "additionalProperties" not in node:
        faults.append(f"{path} is open")
    for name, part in node.get("properties", {}).items():
        target = SCHEMA["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        faults += [
            f"{path}.{name} has no {word}" for word in ("title", "description") if not target.get(word)
        ]
        faults += described(part, f"{path}.{name}")
    for name, part in node.get("definitions", {}).items():
        faults += described(part, name)
    return faults + described(node.get("items"), f"{path}[]")


def test_the_schema_describes_every_key() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert described(SCHEMA) == []


def test_the_schema_knows_no_other_key() -> None:
    value = orjson.loads(dumps(SAVED))
    value["shards"][0]["color"] = "red"
    (error,) = Draft7Validator(SCHEMA).iter_errors(value)
    assert error.message == "Additional properties are not allowed ('color' was unexpected)"


# ---- damage


def test_a_file_cut_anywhere_is_refused() -> None:
    data = dumps(state(active(Phase.SUBMITTED)))
    for length in range(len(data) - 1):  # the last byte is the LF
        refusal(data[:length])


def test_a_bit_flipped_anywhere_is_refused_or_means_the_same() -> None:
    value = state(active(Phase.SUBMITTED))
    data = dumps(value)
    for place in range(len(data)):
        for bit in (0x01, 0x10, 0x80):
            damaged = bytearray(data)
            damaged[place] ^= bit
            try:
                assert loads(bytes(damaged), where="state.json") == value
            except ConfigError:
                continue


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr))
def test_anything_else_is_refused(data: bytes | str) -> None:
    refusal(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))


def test_damage_is_told_from_edits() -> None:
    error = refusal(dumps(SAVED).replace(b'"requests": 10', b'"requests": 12'))
    assert str(error) == "the state file is damaged, or was edited: it does not match its checksum"
    assert error.hint.splitlines() == [
        RESTORE,
        'if it was edited on purpose, remove the line "checksum" and run it again',
    ]


def test_a_state_of_an_older_orjson_is_not_damaged() -> None:
    """It wrote 1e20 where 1e+20 is written now, and made the checksum of that."""
    value = state(replace(active(Phase.SUBMITTED), due=1e20))
    facts = orjson.loads(dumps(value))
    del facts["checksum"]
    old = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).replace(b"1e+20", b"1e20")
    checksum = hashlib.sha256(old).hexdigest()[:16]
    file = json.dumps({"checksum": checksum, **facts}).replace("1e+20", "1e20")
    assert loads(file.encode(), where="") == value
    assert "damaged" in str(refusal(file.replace("1e20", "1e21").encode()))


def test_an_edited_file_without_its_checksum_is_taken() -> None:
    first, _, rest = dumps(SAVED).decode().replace('"rows": 12', '"rows": 13').partition("\n")
    checksum, _, rest = rest.partition("\n")
    assert checksum.startswith('  "checksum": "')
    found = loads(f"{first}\n{rest}".encode(), where="")
    assert found.expansion is not None
    assert found.expansion.rows == 13


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the state file is damaged: Input is a zero-length, empty document: line 1 column 1 (char 0)"),
        (b"[]", "the state file is damaged: it has no version"),
        (b"{}", "the state file is damaged: it has no version"),
        (b'{"version": 0}', "the state file is damaged: it has no version"),
        (b'{"version": true}', "the state file is damaged: it has no version"),
        (b'{"version": 1, "bogus": 1}', "the state file is damaged: the file: unknown field 'bogus'"),
        (
            b'{"version": 1, "job": "a", "spec": "b"}',
            "the state file is damaged: the file: missing 2 required positional arguments: 'provider' and 'origin'",
        ),
    ],
)
def test_what_is_no_state(data: bytes, message: str) -> None:
    error = refusal(data)
    assert (str(error), error.hint) == (message, RESTORE)


def test_a_newer_state_is_refused_before_anything_else() -> None:
    error = refusal(b'{"version": 2, "checksum": "of another kind", "shards": {}}')
    assert str(error) == "the state is of version 2; this batchrun reads up to 1"
    assert error.hint == "run it with the newer batchrun that wrote it"


def test_shards_by_id() -> None:
    assert SAVED.shard("0003").phase is Phase.ENDED
    with pytest.raises(KeyError):
        SAVED.shard("0100")


def test_the_state_of_a_new_job() -> None:
    assert RunState("job", "job.yaml", "anthropic", "https://api.anthropic.com") == EMPTY
    assert (EMPTY.version, EMPTY.revision, EMPTY.shards) == (1, 0, ())
