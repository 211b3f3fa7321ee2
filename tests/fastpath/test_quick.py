"""A run of a finished job, and of one that another process has: the quick way and the ordinary way say the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchrun.fastpath import quick
from tests.conftest import MakeSimulator
from tests.workbench import Bench, Ran

ORDINARY = ("-c", "from batchrun.cli import main; main()")

BLOCK = """version: 1
name: batch
input: {path: rows.csv, id: id}
request:
  model: claude-haiku-4-5
  max_tokens: 50
  messages: [{role: user, content: "Say {{ text }}"}]
output: {path: out/answers.jsonl}
"""


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


def both_ways(bench: Bench, *args: str) -> Ran:
    ran = bench.run(*args)
    assert bench.run(*args, driver=ORDINARY) == ran
    return ran


def imported(bench: Bench, *args: str, code: int) -> set[str]:
    """The modules that a run imports."""
    ran = bench.run(*args, driver=("-X", "importtime", "-m", "batchrun"), code=code)
    return set(re.findall(r"^import time:.*\| +(\S+)$", ran.stderr, re.MULTILINE))


@pytest.mark.parametrize("args", [(), ("batch.yaml",), ("--no-wait",), ("-q",), ("batch.yaml", "--quiet")])
def test_a_job_that_is_done(bench: Bench, args: tuple[str, ...]) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    calls = len(bench.calls())
    ran = both_ways(bench, "run", *args)
    assert ran.code == 0
    assert bool(ran.stderr) is not bool({"-q", "--quiet"} & set(args))
    assert len(bench.calls()) == calls


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["status"],
        ["run", "a.yaml", "b.yaml"],
        ["run", "--sandbox"],
        ["run", "--json"],
        ["run", "--", "batch.yaml"],
        ["run", "--root", "."],
        ["run", "nobody.yaml"],
        ["run", ""],
        ["run", "\0"],
    ],
)
def test_what_is_not_plain_goes_the_ordinary_way(
    bench: Bench, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    monkeypatch.chdir(bench.folder)
    assert quick.exit_code(["run"]) == 0
    assert quick.exit_code(args) is None


def test_what_is_wrong_is_told_as_ever(bench: Bench) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    state = bench.path(".batchrun/batch/state.json")
    state.write_bytes(state.read_bytes()[:-20])
    ran = both_ways(bench, "run")
    assert ran.code == 78
    assert ran.stderr.startswith("error: the state file is damaged: ")


@pytest.mark.parametrize(
    "name, text",
    [
        ("batchrun.toml", "roots"),
        ("batchrun.toml", "nonsense = 1"),
        ("BATCHRUN_NONSENSE", "1"),
        ("BATCHRUN_HOOKS_TRIES", "many"),
        ("ANTHROPIC_BASE_URL", "nonsense"),
    ],
)
def test_settings_that_are_wrong_are_told_as_ever(bench: Bench, name: str, text: str) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    if name.isupper():
        bench.env[name] = text
    else:
        bench.write(name, text)
    ran = both_ways(bench, "run")
    assert ran.code == (0 if name == "BATCHRUN_NONSENSE" else 78)


def test_rows_that_failed_keep_their_exit_code_and_hint(bench: Bench) -> None:
    wrong = {"type": "billing_error", "message": "no"}
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": wrong}])
    bench.job(rows=2)
    bench.run("run", code=3)
    ran = both_ways(bench, "run")
    assert ran.code == 3
    assert ran.stderr == (
        "batch: nothing to do; 1 of 2 rows succeeded; out/answers.jsonl is up to date\n"
        "hint: try the rest again: batchrun retry batch.yaml\n"
    )


@pytest.mark.parametrize("name", ["out/answers.jsonl", "rows.csv", "batch.yaml"])
def test_what_was_touched_is_read_once(bench: Bench, name: str) -> None:
    """And not by each run from then on."""
    bench.job(rows=2)
    bench.run("run", code=0)
    content = bench.path(name).read_bytes()
    bench.path(name).write_bytes(content)
    os.utime(bench.path(name), ns=(0, 0))
    first = bench.run("run", code=0)
    assert "click" not in imported(bench, "run", code=0)
    assert both_ways(bench, "run") == first
    assert first.stderr == "batch: nothing to do; 2 of 2 rows succeeded; out/answers.jsonl is up to date\n"
    assert len(bench.ledger()) == 1


def test_an_answer_that_was_written_anew_is_news(bench: Bench) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    content = bench.output.read_bytes()
    bench.output.unlink()
    assert "2 of 2 rows succeeded\n" in bench.run("run", code=0).stderr
    assert bench.output.read_bytes() == content


def test_a_job_that_has_to_do_something(bench: Bench) -> None:
    bench.job(rows=2)
    bench.run("run", code=0)
    with bench.path("rows.csv").open("a") as rows:
        rows.write("r3,word 3\n")
    assert "nothing to do" not in bench.run("run", code=0).stderr
    assert len(bench.ledger()) == 2


# ---- a job that another process has --------------------------------------------------------------


@pytest.fixture
def holder(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """A run that waits for its batch."""
    bench.serve(seconds=1000)
    bench.job(rows=2)
    process = bench.start("run")
    bench.until(process, lambda: bool(bench.calls("retrieve")))
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("args", [(), ("batch.yaml",), ("./batch.yaml", "--no-wait"), ("-q",)])
def test_another_process_has_it(bench: Bench, holder: subprocess.Popen[str], args: tuple[str, ...]) -> None:
    ran = both_ways(bench, "run", *args)
    assert (ran.code, ran.stdout) == (75, "")
    told = f"error: another process is working on the job 'batch' (process {holder.pid} on {os.uname().nodename})\n"
    assert ran.stderr.startswith("" if "-q" in args else told)
    assert bool(ran.stderr) is not ("-q" in args)


def test_little_is_imported_to_see_that_another_process_has_it(
    bench: Bench, holder: subprocess.Popen[str]
) -> None:
    """Fifty runs of one job at the same moment: 49 are to be gone within a second."""
    heavy = {"click", "dataclasses", "jsonschema", "orjson", "pathlib", "re", "typing", "yaml"}
    found = imported(bench, "run", code=75)
    assert found & heavy == set()
    assert {name for name in found if name.startswith("batchrun")} == {
        "batchrun", "batchrun.fastpath", "batchrun.fastpath.quick", "batchrun.fastpath.specpeek", "batchrun.fs",
        "batchrun.fs.permissions", "batchrun.rundir", "batchrun.rundir.lock",
    }  # fmt: skip


def test_a_holder_that_has_not_said_who_it_is(bench: Bench, holder: subprocess.Popen[str]) -> None:
    bench.path(".batchrun/batch/lock").write_bytes(b"")
    ran = both_ways(bench, "run")
    assert ran.stderr.startswith("error: another process is working on the job 'batch'\n")


@pytest.mark.parametrize("root", ["", "BATCHRUN_ROOTS=/usr", "batchrun.toml"])
@pytest.mark.parametrize("file", ["batch.yaml", "named.yaml", "flow.yaml", "a b.yaml"])
def test_specs_and_settings_of_all_kinds(
    bench: Bench, holder: subprocess.Popen[str], file: str, root: str
) -> None:
    bench.write("named.yaml", BLOCK)
    bench.write("flow.yaml", bench.path("batch.yaml").read_text().replace("{", '{"name": "batch",', 1))
    bench.write("a b.yaml", bench.path("batch.yaml").read_text())
    if root == "batchrun.toml":
        bench.write(root, 'roots = ["/usr"]\n')
    elif root:
        bench.env["BATCHRUN_ROOTS"] = "/usr"
    ran = both_ways(bench, "run", file)
    assert ran.code == (65 if file == "a b.yaml" else 75)
    assert bool(root and ran.code == 75) is ran.stderr.endswith(f"{file} --root /usr\n")


def test_a_spec_whose_name_has_to_be_quoted(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job("my jobs/batch.yaml")
    bench.rows(2, file="my jobs/rows.csv")
    holder = bench.start("run", "my jobs/batch.yaml")
    bench.until(holder, lambda: bool(bench.calls("retrieve")))
    ran = both_ways(bench, "run", "my jobs/batch.yaml")
    holder.kill()
    bench.finish(holder, code=-9)
    assert ran.code == 75
    assert ran.stderr.endswith(": batchrun status 'my jobs/batch.yaml'\n")


def test_a_stderr_that_takes_nothing(bench: Bench, holder: subprocess.Popen[str]) -> None:
    for closing in ("2>&-", "2>/dev/full"):
        command = ["sh", "-c", f'exec "$0" -m batchrun run {closing}', sys.executable]
        ran = subprocess.run(command, cwd=bench.folder, env=bench.environment(), check=False, timeout=60)
        assert ran.returncode == 75


# ---- a lock that is taken for a run that does not come to it -------------------------------------


def run_without_trace(bench: Bench, *driver: str) -> Ran:
    """It leaves the folder as it was, but for what the lock says."""
    bench.path(".batchrun/batch/lock").unlink(missing_ok=True)
    before = bench.listing()
    ran = bench.run("run", driver=driver)
    bench.path(".batchrun/batch/lock").unlink(missing_ok=True)
    assert {name for name, _ in bench.listing().items() ^ before.items()} <= {".batchrun/batch"}
    return ran


def test_a_spec_that_is_wrong_leaves_nothing_behind(bench: Bench) -> None:
    bench.job(rows=1, output={"path": "out/answers.docx"})
    assert run_without_trace(bench).code == 65
    assert not bench.path(".batchrun").exists()
    assert both_ways(bench, "run").code == 65


def test_a_spec_that_became_wrong(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job(rows=1)
    bench.run("run", "--no-wait", code=75)
    bench.job(output={"path": "out/answers.docx"})
    before = bench.listing().keys()
    assert bench.run("run", code=65).stderr.startswith("error: ")
    assert bench.listing().keys() == before  # it looked how the batch is, and no more
    assert bench.state().shards[0].phase == "submitted"


INTERRUPTED = """
import os, signal, sys
def hook(event, args):
    if event == "import" and args[0] == "click":
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
from batchrun.__main__ import main
main()
"""


def test_a_signal_while_modules_are_imported(bench: Bench) -> None:
    bench.job(rows=1)
    ran = run_without_trace(bench, "-c", INTERRUPTED)
    assert (ran.code, ran.stderr) == (130, "")
    assert not bench.path(".batchrun").exists()


def a_file(path: Path) -> None:
    path.touch()


def a_link(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("place", [".batchrun", ".batchrun/batch"])
@pytest.mark.parametrize("what", [a_file, a_link])
def test_what_is_no_folder_of_ours(bench: Bench, what: Callable[[Path], None], place: str) -> None:
    bench.job(rows=1)
    bench.path(place).parent.mkdir(exist_ok=True)
    what(bench.path(place))
    before = bench.listing()
    ran = both_ways(bench, "run")
    assert ran.code == 78
    assert ran.stderr.startswith(f"error: {bench.path(place)} is ")
    assert bench.listing() == before
