from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from batchrun.commands.init import init
from batchrun.commands.validate import validate
from batchrun.errors import DataError, MissingInput
from tests.workbench import Bench


def batchrun(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchrun", *args], cwd=folder, capture_output=True, text=True, check=False
    )


def edit(spec: Path, old: str, new: str) -> None:
    text = spec.read_text()
    assert old in text
    spec.write_text(text.replace(old, new))


def test_a_job_that_is_right(tmp_path: Path) -> None:
    init(tmp_path)
    done = batchrun(tmp_path, "validate")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "batch.yaml is valid: job sentiment, 3 rows\n",
        "",
    )
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["batch.yaml", "rows.csv"]


def test_a_spec_that_is_wrong(tmp_path: Path) -> None:
    init(tmp_path)
    edit(tmp_path / "batch.yaml", "max_tokens: 100", "max_tokens: '100'\n  stream: true")
    done = batchrun(tmp_path, "validate")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == (
        "error: request.max_tokens: must be an integer, not the string '100'\n"
        "  --> batch.yaml:11:15\n"
        "hint: write 100 without quotes\n"
        "error: request: 'stream': batches never stream\n"
        "  --> batch.yaml:12:3\n"
        "hint: take it out\n"
    )


def test_what_is_wrong_as_json(tmp_path: Path) -> None:
    init(tmp_path)
    edit(tmp_path / "batch.yaml", "model:", "modle:")
    done = batchrun(tmp_path, "validate", "--json")
    assert done.returncode == 65
    assert json.loads(done.stdout) == {
        "spec": "batch.yaml",
        "valid": False,
        "problems": [
            {
                "message": "unknown key 'modle'",
                "where": "batch.yaml:10:3",
                "field": "request",
                "hint": "did you mean 'model'?",
            }
        ],
    }


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    init(tmp_path)
    edit(tmp_path / "batch.yaml", "limits:", "betas: [message-batches-2024-09-24]\nlimits:")
    done = batchrun(tmp_path, "validate", "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert (answer["valid"], answer["job"], answer["rows"]) == (True, "sentiment", 3)
    assert answer["output"] == str(tmp_path / "answers.jsonl")
    [warning] = answer["warnings"]
    assert warning["field"] == "betas[0]"
    assert done.stderr == (
        "warning: betas[0]: message-batches-2024-09-24 is obsolete: batches need no beta header\n"
        "  --> batch.yaml:29:9\n"
        "hint: take it out\n"
    )


def test_a_row_that_makes_no_request(tmp_path: Path) -> None:
    init(tmp_path)
    edit(tmp_path / "batch.yaml", "{{ review }}", "{{ reviw }}")
    with pytest.raises(DataError, match=r"^row 1 .*'reviw' is not a column of the input") as caught:
        validate(tmp_path / "batch.yaml")
    assert caught.value.hint.splitlines()[-1] == "the same in row 2 (rows.csv:3), row 3 (rows.csv:4)"
    assert validate(tmp_path / "batch.yaml", spec_only=True).rows is None


def test_data_that_is_not_there(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "rows.csv").unlink()
    with pytest.raises(MissingInput):
        validate(tmp_path / "batch.yaml")
    done = batchrun(tmp_path, "validate", "--spec-only")
    assert (done.returncode, done.stdout) == (0, "batch.yaml is valid: job sentiment\n")


def test_no_spec(tmp_path: Path) -> None:
    done = batchrun(tmp_path, "validate", "none.yaml")
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == (
        "error: there is no spec none.yaml\nhint: `batchrun init` writes one to start from\n"
    )


def test_other_roots(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    init(home)
    other.mkdir()
    (home / "rows.csv").rename(other / "rows.csv")
    edit(home / "batch.yaml", "path: rows.csv", "path: ../other/rows.csv")
    assert batchrun(home, "validate").returncode == 65
    assert batchrun(home, "validate", "--root", "../other").returncode == 0


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.job(rows=1)
    ran = bench.run("validate", code=78, BATCHRUN_ROOTS=str(tmp_path / "none"))
    assert ran.stderr == (
        f"error: roots names a folder that is not there: {tmp_path / 'none'}\n"
        "  --> BATCHRUN_ROOTS\n"
        "hint: make the folder, or take it out\n"
    )


def test_several_specs_end_with_the_code_that_says_most(tmp_path: Path) -> None:
    init(tmp_path)
    good = (tmp_path / "batch.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(good.replace("max_tokens: 100", "max_tokens: 0"))
    (tmp_path / "missing.yaml").write_text(good.replace("rows.csv", "gone.csv"))
    done = batchrun(tmp_path, "validate", "wrong.yaml", "batch.yaml", "missing.yaml")
    assert (done.returncode, done.stdout) == (66, "batch.yaml is valid: job sentiment, 3 rows\n")
    assert [line[:5] for line in done.stderr.splitlines()].count("error") == 2
    assert "wrong.yaml:" in done.stderr
    assert "gone.csv" in done.stderr
    done = batchrun(tmp_path, "validate", "--json", "wrong.yaml", "batch.yaml")
    assert done.returncode == 65
    assert [(one["spec"], one["valid"]) for one in json.loads(done.stdout)] == [
        ("wrong.yaml", False),
        ("batch.yaml", True),
    ]
