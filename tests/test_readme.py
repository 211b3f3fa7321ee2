"""What the README shows is so: its spec validates, its snippets run, its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from batchrun.cli import COMMANDS
from batchrun.errors import ExitCode
from batchrun.simulator import Simulator
from batchrun.spec import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def triage(tmp_path: Path) -> Path:
    """The README's job, with data."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/triage.md").write_text("Sort the ticket.")
    (tmp_path / "tickets.csv").write_text("ticket_id,subject,body\nT-1,Hello,World\nT-2,Again,Wörld\n")
    (tmp_path / "triage.yaml").write_text(blocks("yaml")[0])
    return tmp_path


def in_folder(folder: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    # Without what an outer make tells an inner one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**inherited, **env, "PATH": path}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_the_spec_validates(triage: Path) -> None:
    loaded = load(triage / "triage.yaml")
    assert (loaded.job.name, loaded.warnings) == ("triage", ())
    assert len(blocks("yaml")) == 1


def test_the_make_rule_makes_the_answer_once(triage: Path, simulator: Simulator) -> None:
    (triage / "Makefile").write_text(blocks("make")[0])
    env = {"ANTHROPIC_BASE_URL": simulator.url, "ANTHROPIC_API_KEY": "k"}
    spec = triage / "triage.yaml"
    spec.write_text(spec.read_text() + "poll: {interval: 50ms}\n")
    first = in_folder(triage, "make", **env)
    assert first.returncode == 0, first.stderr
    assert (triage / "out/triage.jsonl").read_text().count("\n") == 2
    again = in_folder(triage, "make", **env)
    assert again.stdout == "make: 'out/triage.jsonl' is up to date.\n"


def test_the_python_snippet_runs(triage: Path, simulator: Simulator) -> None:
    (snippet,) = blocks("python")
    quick = snippet.replace("poll_interval=30", "poll_interval=0.1")
    ran = in_folder(
        triage, sys.executable, "-c", quick, ANTHROPIC_BASE_URL=simulator.url, ANTHROPIC_API_KEY="k"
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "a succeeded"


def test_every_command_is_told_of() -> None:
    table = README.partition("| Command | Does |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`batchrun ([a-z]+)", table)) == set(COMMANDS)


def test_every_exit_code_is_told_of() -> None:
    table = README.partition("### Exit codes")[2].partition("###")[0]
    cells = [
        cell.strip() for row in table.splitlines() if row.startswith("|") for cell in row.split("|")[1::2]
    ]
    told = {int(code) for cell in cells for code in re.findall(r"\d+", cell)}
    assert told == {int(code) for code in ExitCode}


def test_the_files_it_names_are_there() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / name).exists(), name
