"""`batchrun config`, and what the settings do to a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeSimulator
from tests.workbench import KEY, Bench

TOML = """\
roots = ["data"]
[budget]
job_usd = 5
[on]
done = [{run = ["echo", "a b"]}, {post = "https://hooks.example.com/SECRET?token=SECRET"}]
"""


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


def test_the_table(bench: Bench) -> None:
    bench.write("batchrun.toml", TOML)
    del bench.env["ANTHROPIC_BASE_URL"]
    ran = bench.run("config", BATCHRUN_POLL_MIN_INTERVAL="5m", BATCHRUN_BUDGET="x", code=0)
    assert ran.stderr == "warning: no setting is named BATCHRUN_BUDGET\n"
    assert all(len(line) <= 80 or str(bench.folder) in line for line in ran.stdout.splitlines())
    expected = [
        "KEY                 VALUE                            FROM",
        "base_url            https://api.anthropic.com        default",
        "key_file            -                                ANTHROPIC_API_KEY",
        "(the key)           set, not shown                   ANTHROPIC_API_KEY",
        "workspace_id        -                                default",
        f"roots               {bench.path('data')}",
        "                                                              batchrun.toml:1:9",
        "allow_commands      false                            default",
        "budget.default_usd  -                                default",
        "budget.job_usd      $5.00                            batchrun.toml:3:11",
        "poll.min_interval   5m                               BATCHRUN_POLL_MIN_INTERVAL",
        "hooks.timeout       30s                              default",
        "hooks.tries         3                                default",
        "hooks.secret_file   -                                default",
        "hooks.keep_key      false                            default",
        "on.done             run echo 'a b'                   batchrun.toml:5:8",
        "on.done             post https://hooks.example.com/… batchrun.toml:5:8",
    ]
    lines = [line.strip() for line in ran.stdout.splitlines()]
    assert [line for line in expected if line.strip() not in lines] == []
    assert ran.stdout.endswith("\n\nread batchrun.toml\n")
    assert "SECRET" not in ran.stdout
    assert KEY not in ran.stdout


def test_where_there_is_no_file(bench: Bench) -> None:
    assert bench.run("config", code=0).stdout.endswith("\n\nno batchrun.toml was found\n")


def test_as_json(bench: Bench) -> None:
    file = bench.write("batchrun.toml", TOML)
    ran = bench.run("config", "--json", code=0)
    shown = ran.json()
    assert (shown["files"], shown["has_key"]) == ([str(file)], True)
    assert shown["settings"]["budget.job_usd"] == {"value": 5.0, "from": f"{file}:3:11"}
    assert shown["settings"]["hooks.tries"] == {"value": 3, "from": None}
    assert shown["settings"]["on.done"]["value"] == [
        {"run": ["echo", "a b"], "from": f"{file}:5:9"},
        {"post": "https://hooks.example.com/…", "from": f"{file}:5:34"},
    ]
    assert "SECRET" not in ran.stdout


def test_as_a_watcher_sees_it(bench: Bench) -> None:
    file = bench.write("batchrun.toml", TOML)
    ran = bench.run("config", ".", "--watched", "--json", code=0)
    assert ran.json()["settings"]["budget.job_usd"] == {"value": None, "from": None}
    assert ran.stderr == f"warning: {file} stands in a watched folder, and is not read\n"


def test_a_key_file_that_is_of_no_use(bench: Bench) -> None:
    bench.write("batchrun.toml", 'key_file = "key"\n')
    del bench.env["ANTHROPIC_API_KEY"]
    ran = bench.run("config", "--json", code=0)
    assert (ran.json()["has_key"], ran.json()["key"]) == (False, "unusable")
    assert (
        "(the key)           its file is of no use            batchrun.toml:1:12\n"
        in bench.run("config").stdout
    )
    key = bench.path("key")
    assert ran.stderr == (
        f"warning: cannot read the secret: no such file: {key}\n  --> {key}\nhint: key_file names it\n"
    )
    bench.write("key", KEY).chmod(0o644)
    assert "warning: others can read this secret\n" in bench.run("config", code=0).stderr
    key.chmod(0o600)
    ran = bench.run("config", code=0)
    assert (ran.stderr, "(the key)           set, not shown" in ran.stdout) == ("", True)


def test_what_is_wrong_stops_every_command(bench: Bench) -> None:
    bench.job(rows=1)
    file = bench.write("batchrun.toml", "[budget]\njob_usd = '5'\ndefualt_usd = 1\n")
    for command in (["config"], ["run"], ["status"], ["validate"], ["batches", "list"]):
        ran = bench.run(*command, code=78)
        assert ran.stderr == (
            "error: budget.job_usd: must be an amount in US dollars, 0 or more, not the string '5'\n"
            f"  --> {file}:2:11\n"
            "error: budget: unknown key 'defualt_usd'\n"
            f"  --> {file}:3:1\n"
            "hint: did you mean 'default_usd'?\n"
        )
        assert ran.stdout == ""
    assert bench.calls() == []


def test_a_run_with_everything_from_the_file(bench: Bench) -> None:
    """Base URL, key and roots; the environment has nothing to say."""
    assert bench.simulator is not None
    data = bench.folder.parent / "data"
    data.mkdir()
    (data / "rows.csv").write_text("id,text\na,b\n")
    key = bench.write("key", f"{KEY}\n")
    key.chmod(0o600)
    bench.write(
        "batchrun.toml", f'base_url = "{bench.simulator.url}"\nkey_file = "key"\nroots = ["../data"]\n'
    )
    bench.env.clear()
    bench.job(input={"path": "../data/rows.csv"})
    assert bench.run("run", code=0).stdout == ""
    assert "nothing to do" in bench.run("run", code=0).stderr
    assert bench.run("batches", "list", code=0).stdout.count("msgbatch_") == 1
    key.chmod(0o644)
    bench.write("rows.csv", "id,text\nc,d\n")
    bench.job(input={"path": "rows.csv"})
    ran = bench.run("run", code=78)
    assert "error: others can read this secret\n" in ran.stderr
    assert len(bench.ledger()) == 1


def test_the_operators_ceiling(bench: Bench) -> None:
    bench.job(rows=3)
    file = bench.write("batchrun.toml", "[budget]\njob_usd = 0.0000001\n")
    ran = bench.run("run", code=4)
    words = " ".join(ran.stderr.split())
    assert f"Raise budget.job_usd ({file}:2:11), or ask for less:" in words
    assert bench.ledger() == []
    assert "over budget" in bench.run("status", code=0).stdout
    bench.run("run", BATCHRUN_BUDGET_JOB_USD="1", code=0)


def test_the_operators_default_budget(bench: Bench) -> None:
    bench.job(rows=1, limits=None)
    bench.run("run", code=4)
    bench.run("run", BATCHRUN_BUDGET_DEFAULT_USD="1", code=0)
    assert len(bench.ledger()) == 1


def test_a_job_stays_where_it_was_started(bench: Bench) -> None:
    bench.job(rows=1)
    bench.run("run", code=0)
    bench.rows(2)
    file = bench.write("batchrun.toml", 'base_url = "http://127.0.0.1:9"\n')
    env = bench.env.pop("ANTHROPIC_BASE_URL")
    ran = bench.run("run", code=78)
    assert f"the job's batches are at {env}, but {file}:1:12 leads to http://127.0.0.1:9" in ran.stderr
