from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest


@pytest.mark.parametrize("name", ["job", "config", "event", "result", "state", "folders"])
def test_it_prints_a_schema(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "batchrun", "schema", name], capture_output=True, text=True, check=True
    )
    schema = json.loads(done.stdout)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)


def test_there_are_no_others() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "batchrun", "schema", "jobs"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
