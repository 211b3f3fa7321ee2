"""Every example validates, and runs from its own folder against the sandbox."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from batchrun import spec
from batchrun.inputs.rows import open_rows
from batchrun.model import Json, Row

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
JOBS = {"classify": 2278, "conversations": 127, "images": 6, "requests": 103}
LABELS = [
    *("hardware", "programming", "systems", "networks", "security"),
    *("people", "culture", "language", "reference"),
]
LICENCES = {
    "classify": "public domain",
    "conversations": "Apache License 2.0",
    "images": "CC0",
    "deploy": "None of its own",
    "make": "see `../classify`",
    "requests": "public domain",
}
PASSING = ("out", ".batchrun", "__pycache__", "counts.txt", "counts.sandbox.txt", "cron.log", "labels.env")


class Run(NamedTuple):
    folder: Path
    code: int
    text: str


def rows(name: str) -> list[Row]:
    job = spec.load(EXAMPLES / name / "batch.yaml").job
    return list(open_rows(job.input, root=job.root))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """All of them at once: most of the time they wait for the sandbox's clock."""
    home = tmp_path_factory.mktemp("home")
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    batchrun = [sys.executable, "-m", "batchrun"]
    started: dict[str, tuple[Path, subprocess.Popen[str]]] = {}
    for name in (*JOBS, "make"):
        folder = tmp_path_factory.mktemp("examples") / "examples"
        shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns(*PASSING))
        command = [*batchrun, "run", f"{name}/batch.yaml", "--sandbox"]
        if name == "make":
            command = ["make", "-C", name, "sandbox", f"BATCHRUN={' '.join(batchrun)}"]
        started[name] = (
            folder,
            subprocess.Popen(
                command, cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ),
        )
    done = {name: (folder, process.communicate()[0], process) for name, (folder, process) in started.items()}
    yield {name: Run(folder, process.returncode, text) for name, (folder, text, process) in done.items()}


def records(run: Run, path: str) -> list[dict[str, Json]]:
    with (run.folder / path).open("rb") as lines:
        return [json.loads(line) for line in lines]


def test_the_list_is_complete() -> None:
    assert sorted(path.parent.name for path in EXAMPLES.glob("*/batch.yaml")) == list(JOBS)
    assert sorted([*JOBS, "deploy", "make"]) == FOLDERS


@pytest.mark.parametrize("name", JOBS)
def test_the_spec_is_right(name: str) -> None:
    loaded = spec.load(EXAMPLES / name / "batch.yaml")
    assert loaded.warnings == ()
    assert loaded.job.name == name
    assert loaded.job.limits.max_cost_usd is not None


@pytest.mark.parametrize(("name", "count"), JOBS.items())
def test_an_answer_for_every_row(runs: dict[str, Run], name: str, count: int) -> None:
    run, expected = runs[name], rows(name)
    assert run.code == 0, run.text
    assert len(expected) == count
    (output,) = (run.folder / name / "out").iterdir()
    assert output.suffixes[0] == ".sandbox"
    if output.suffix == ".csv":
        with output.open(encoding="utf-8", newline="") as table:
            found = [(line["file"], line["status"]) for line in csv.DictReader(table)]
    else:
        found = [
            (str(record["id"]), str(record["status"])) for record in records(run, f"{name}/out/{output.name}")
        ]
    assert found == [(row.id, "succeeded") for row in expected]


def test_labels_are_those_of_the_schema(runs: dict[str, Run]) -> None:
    for record in records(runs["classify"], "classify/out/labels.sandbox.jsonl"):
        answer = record["json"]
        assert isinstance(answer, dict)
        assert answer["label"] in LABELS
        assert list(answer) == ["reason", "label", "confidence"]


def test_the_shared_prompt_is_cached(runs: dict[str, Run]) -> None:
    usages = [
        record["usage"]
        for record in records(runs["conversations"], "conversations/out/next-steps.sandbox.jsonl")
    ]
    hour = [usage["cache_write_1h"] for usage in usages if isinstance(usage, dict)]
    read = [usage["cache_read"] for usage in usages if isinstance(usage, dict)]
    assert sum(bool(tokens) for tokens in hour) == 1
    assert sum(bool(tokens) for tokens in read) == len(usages) - 1


def test_make_counts_every_row(runs: dict[str, Run]) -> None:
    run = runs["make"]
    assert run.code == 0, run.text
    assert not (run.folder / "make/counts.txt").exists()
    lines = (run.folder / "make/counts.sandbox.txt").read_text().splitlines()
    assert sum(int(line.split()[0]) for line in lines) == JOBS["classify"]
    assert {line.split()[1] for line in lines} == set(LABELS)


def test_the_table_is_a_hard_one() -> None:
    texts = [str(row.values["text"]) for row in rows("classify")]
    for mark in ("\n", '"', "“", "™"):
        assert any(mark in text for text in texts)


def test_conversations_are_whole() -> None:
    """Roles take turns, the user speaks first and last, and every tool call has its result."""
    for row in rows("conversations"):
        messages = row.values["messages"]
        assert isinstance(messages, list)
        asked: set[Json] = set()
        for number, message in enumerate(messages):
            assert isinstance(message, dict)
            assert message["role"] == ("assistant" if number % 2 else "user")
            blocks = message["content"]
            assert isinstance(blocks, list)
            used = {
                block["id"] for block in blocks if isinstance(block, dict) and block["type"] == "tool_use"
            }
            answered = {
                block["tool_use_id"]
                for block in blocks
                if isinstance(block, dict) and block["type"] == "tool_result"
            }
            assert answered == asked
            asked = used
        assert len(messages) % 2 == 1


@pytest.mark.parametrize("name", FOLDERS)
def test_the_readme_is_short_and_names_the_licence(name: str) -> None:
    lines = (EXAMPLES / name / "README.md").read_text().splitlines()
    assert len(lines) <= 25
    assert LICENCES[name] in " ".join(lines[lines.index("## Data") :])


def test_the_whole_is_small() -> None:
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and not set(PASSING) & set(path.parts)]
    assert sum(path.stat().st_size for path in files) < 3_000_000
