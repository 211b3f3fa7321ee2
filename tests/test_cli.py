from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from batchrun import __version__
from batchrun.cli import COMMANDS, cli
from tests.conftest import MakeSimulator
from tests.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_version(bench: Bench) -> None:
    assert bench.run("--version", code=0).stdout == f"batchrun {__version__}\n"


def test_nothing_heavy_is_imported_to_start(bench: Bench) -> None:
    script = (
        "import sys; from batchrun.cli import run; run(['--version']);"
        " print(sorted({m.partition('.')[0] for m in sys.modules}"
        " & {'requests', 'jsonschema', 'rich', 'yaml', 'genai_prices', 'minijinja', 'orjson'}))"
    )
    assert bench.run(driver=("-c", script), code=0).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("options", [[], ["--sandbox"]])
def test_little_is_imported_to_see_that_there_is_nothing_to_do(
    bench: Bench, make_simulator: MakeSimulator, options: list[str]
) -> None:
    """Make and cron ask it thousands of times a day."""
    bench = Bench(bench.folder.parent, make_simulator)
    bench.serve()
    bench.job(rows=2)
    bench.run("run", *options, code=0)
    heavy = ["engine", "events", "expand", "inputs.rows", "jobs", "notices", "outputs", "prepare", "spec"]
    heavy = [f"batchrun.{name}" for name in heavy]
    heavy += ["difflib", "minijinja", "requests", "rich", "socket", "tempfile", "tomllib", "yaml"]
    heavy += [] if options else ["click"]
    script = (
        f"import atexit, sys; sys.argv = ['batchrun', 'run', *{options}];"
        f" atexit.register(lambda: print(sorted(set(sys.modules) & set({heavy}))));"
        " from batchrun.__main__ import main; main()"
    )
    again = bench.run(driver=("-c", script), code=0)
    assert again.stdout.splitlines()[-1] == "[]"
    assert "nothing to do" in again.stderr


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"batches"}))  # that one is a group
def test_every_command_begins_its_help_with_examples(command: str, bench: Bench) -> None:
    shown = bench.run(command, "--help", code=0).stdout
    assert shown.startswith(f"Usage: batchrun {command} ")
    words, examples = shown.partition("Options:")[0].split("\n\n")[1:3]
    assert words.startswith("  ")
    assert examples.strip().startswith("batchrun ")
    assert f"batchrun {command}" in examples


def every_command(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from every_command(found, *path, name)


def test_help_fits_80_columns_however_wide_the_terminal_is() -> None:
    commands = list(every_command(cli))
    assert {(), ("run",), ("batches", "wait")} <= set(commands)
    for path in commands:
        shown = CliRunner().invoke(cli, [*path, "--help"], env={"COLUMNS": "200"}).stdout
        assert shown.startswith("Usage: ")
        assert [line for line in shown.splitlines() if len(line) > 80] == [], path


def test_lists_of_commands_speak_alike(bench: Bench) -> None:
    for group in ((), ("batches",)):
        listed = bench.run(*group, "--help", code=0).stdout.partition("Commands:\n")[2].splitlines()
        for words in (line.split(maxsplit=1)[1] for line in listed):
            assert words[0].islower() and not words.endswith("."), words


def test_a_second_ctrl_c_on_the_way_out() -> None:
    """It comes while the interpreter takes its leave."""
    script = (
        "import atexit, sys; atexit.register(lambda: (print('leaving', flush=True), sys.stdin.readline()));"
        " from batchrun.cli import main; main(['rum'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "leaving\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate("go on\n", timeout=60)
    assert process.returncode == 2
    assert stderr.endswith("Did you mean 'run'?\n")


def test_help_lists_every_command(bench: Bench) -> None:
    shown = bench.run("--help", code=0).stdout
    for name, words in COMMANDS.items():
        assert name in shown
        assert words.split(";")[0] in " ".join(shown.split())


def test_help_as_a_word(bench: Bench) -> None:
    assert bench.run("help").stdout == bench.run("--help").stdout
    assert bench.run("help", "run").stdout == bench.run("run", "--help").stdout
    assert "No such command 'nope'" in bench.run("help", "nope", code=2).stderr


def test_an_unknown_command(bench: Bench) -> None:
    ran = bench.run("rum", code=2)
    assert ran.stderr.endswith("Error: No such command 'rum'. Did you mean 'run'?\n")


def test_a_reader_who_has_enough(bench: Bench) -> None:
    """`batchrun schema job | head -n 1`"""
    process = subprocess.Popen(
        [sys.executable, "-m", "batchrun", "--help"],
        env=bench.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


def test_a_closed_stdout(bench: Bench) -> None:
    bench.job(rows=1)
    command = f"exec {sys.executable} -m batchrun plan >&-"
    ran = subprocess.run(
        ["sh", "-c", command], cwd=bench.folder, env=bench.environment(), stderr=subprocess.PIPE, text=True
    )
    assert "Traceback" not in ran.stderr
    assert ran.returncode in (0, 74)


def test_a_bug_names_a_crash_file(bench: Bench) -> None:
    """A bug, brought about from outside: a command whose module cannot be imported."""
    script = "import sys; sys.modules['batchrun.commands.plan'] = None; from batchrun.cli import main; main(['plan'])"
    ran = bench.run(driver=("-c", script), code=1, TMPDIR=str(bench.folder))
    [crash] = bench.folder.glob("batchrun-crash-*.txt")
    assert ran.stderr == (
        f"error: a bug in batchrun: ModuleNotFoundError\nhint: {crash} tells more; running it again is safe\n"
    )
    assert "Traceback" in crash.read_text()
