"""What the README shows is so: its spec validates, its snippets run, its tables are complete."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batchrun.cli import COMMANDS
from batchrun.errors import ExitCode
from batchrun.simulator import Simulator
from batchrun.spec import load
from tests.workbench import PATIENCE

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


def section(title: str, language: str = "sh") -> str:
    """The blocks of that language below a heading, joined."""
    text = README.partition(f"\n### {title}\n")[2].partition("\n##")[0]
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.fixture
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `batchrun` in it, as pip would install it, and a `crontab` that keeps what it is given."""
    folder = tmp_path_factory.mktemp("with blanks") / "bin"
    folder.mkdir()
    programs = {
        "batchrun": f'PYTHONPATH={ROOT} exec {sys.executable} -m batchrun "$@"',
        "crontab": f'case $1 in -l) exit 1;; esac; cat > "{folder}/installed"',
    }
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o700)
    return folder


def shell(folder: Path, bin_folder: Path, script: str) -> subprocess.Popen[str]:
    inherited = {n: v for n, v in os.environ.items() if not n.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return subprocess.Popen(
        ["sh", "-c", script],
        cwd=folder,
        env={**inherited, "PATH": f"{bin_folder}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_the_folder_section(tmp_path: Path, bin_folder: Path) -> None:
    process = shell(tmp_path, bin_folder, section("A folder"))
    try:
        until(lambda: (tmp_path / "incoming/done/batch.yaml").exists())
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert (tmp_path / "incoming/answers.sandbox.jsonl").read_text().count("\n") == 3
    command = re.findall(r"`(batchrun status .*?)`", README)[0]
    shown = shell(tmp_path, bin_folder, command).communicate(timeout=PATIENCE)[0]
    assert shown.startswith("incoming  1 job  (sandbox: invented answers)\n  1 done\n")


def test_the_make_section(tmp_path: Path, bin_folder: Path) -> None:
    (tmp_path / "Makefile").write_text(section("make", "make"))
    process = shell(tmp_path, bin_folder, section("make"))
    text = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, text
    answers = tmp_path / "answers.sandbox.jsonl"
    assert answers.read_text().count("\n") == 3
    assert not (tmp_path / "answers.jsonl").exists()
    make = f"make {answers.name}"
    again = shell(tmp_path, bin_folder, make).communicate(timeout=PATIENCE)[0]
    assert again == f"make: '{answers.name}' is up to date.\n"
    rows = tmp_path / "rows.csv"
    first, *others = rows.read_text().splitlines()
    rows.write_text("\n".join([first, others[0][:-1] + '!"', *others[1:]]) + "\n")
    changed = shell(tmp_path, bin_folder, make).communicate(timeout=PATIENCE)[0]
    assert "3 rows: 1 new request in 1 shard, 2 already asked\n" in changed


def test_the_cron_section(tmp_path: Path, bin_folder: Path) -> None:
    text = shell(tmp_path, bin_folder, section("cron")).communicate(timeout=PATIENCE)[0]
    assert text.startswith("wrote incoming/batch.yaml and incoming/rows.csv\n")
    (line,) = (bin_folder / "installed").read_text().splitlines()
    assert line.startswith("* * * * * ") and "%" not in line
    command = ["env", "-i", f"HOME={tmp_path}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line.split(" ", 5)[5]]

    def ticked() -> bool:
        ran = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=PATIENCE)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        return (tmp_path / "incoming/answers.sandbox.jsonl").exists()

    until(ticked)
    assert (tmp_path / "incoming/done/batch.yaml").exists()


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
