from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batchrun.lifecycle.state import Phase
from tests.conftest import MakeSimulator
from tests.workbench import KEY, Bench

SUMMARY = """\
batch  3 of 3 rows succeeded

  stopped by  3 end_turn
  tokens      21 in · 9 out
  cost        $0.000033 at batch price
  output      out/answers.jsonl
"""


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


def without_ids(text: str) -> str:
    return re.sub(r"(msgbatch|req)_01\w+", r"\1_…", text)


# ---- done, and not quite -----------------------------------------------------------------------


def test_done(bench: Bench) -> None:
    bench.job(rows=3)
    ran = bench.run("run", code=0)
    assert ran.stdout == ""
    assert without_ids(ran.stderr) == (
        "3 rows: 3 new requests in 1 shard\n"
        "shard 0001: submitting 3 requests, 530 B\n"
        "shard 0001: submitted as msgbatch_…\n"
        "shard 0001: ended\n"
        "shard 0001: results are complete: 3 succeeded; $0.000033\n" + SUMMARY
    )
    assert [r["text"] for r in bench.records()] == ["Say word 1", "Say word 2", "Say word 3"]


def test_the_sandbox_needs_nothing(bench: Bench) -> None:
    bench.job(rows=3, limits=None)
    bench.env = {}
    ran = bench.run("run", "--sandbox", code=0)
    invented = SUMMARY.replace("succeeded\n", "succeeded  (sandbox: invented answers)\n")
    assert ran.stderr.endswith(invented.replace("answers.jsonl", "answers.sandbox.jsonl"))
    assert bench.calls() == []
    assert not bench.run_folder().exists()
    again = bench.run("run", "--sandbox", code=0)
    assert again.stderr == (
        "batch: nothing to do; 3 of 3 rows succeeded (sandbox: invented answers);"
        " out/answers.sandbox.jsonl is up to date\n"
    )


def test_no_rows_are_nothing_to_do(bench: Bench) -> None:
    bench.job(rows=0)
    ran = bench.run("run", code=0)
    assert "0 rows: no new requests\n" in ran.stderr
    assert bench.calls() == []
    assert bench.output.read_bytes() == b""


def test_rows_that_failed(bench: Bench) -> None:
    wrong = {"type": "billing_error", "message": "messages: too long"}
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": wrong}])
    bench.job(rows=3)
    ran = bench.run("run", code=3)
    assert "batch  2 of 3 rows succeeded\n\n  failed      1 errored\n" in ran.stderr
    assert "1 × billing_error, e.g. row r2\n                messages: too long\n" in ran.stderr
    assert ran.stderr.endswith("  next        batchrun retry batch.yaml\n")
    assert [r["status"] for r in bench.records()] == ["succeeded", "errored", "succeeded"]
    again = bench.run("run", code=3)
    assert again.stderr == (
        "batch: nothing to do; 2 of 3 rows succeeded; out/answers.jsonl is up to date\n"
        "hint: try the rest again: batchrun retry batch.yaml\n"
    )
    assert bench.run("run", "--json", code=3).json()["next"] == "batchrun retry batch.yaml"
    assert len(bench.ledger()) == 1


def test_what_may_not_be_meant_so_is_said_once(bench: Bench) -> None:
    bench.job(rows=1, betas=["message-batches-2024-09-24"], poll={"interval": "60s"})
    warning = (
        "warning: betas[0]: message-batches-2024-09-24 is obsolete: batches need no beta header\n"
        "  --> batch.yaml:31:5\n"
        "hint: take it out\n"
    )
    assert bench.run("run", "--quiet", "--no-wait", code=75).stderr == ""
    ran = bench.run("run", code=0)
    assert ran.stderr.startswith(warning)
    assert ran.stderr.count("warning:") == 1
    assert "warning:" not in bench.run("run", code=0).stderr
    assert bench.run("retry", "batch.yaml", code=0).stderr.startswith(warning)


def test_commands_to_paste_carry_the_roots(bench: Bench) -> None:
    (bench.folder.parent / "data").mkdir()
    bench.write("../data/rows.csv", "id,text\na,b\n")
    bench.job(input={"path": "../data/rows.csv"}, limits={"max_cost_usd": 0})
    ran = bench.run("run", "--root", "../data", code=4)
    assert ran.stderr.endswith("    batchrun plan batch.yaml --root ../data\n")
    shown = bench.run("status", BATCHRUN_ROOTS="../data", code=0).stdout
    assert shown.endswith("    batchrun plan batch.yaml --root ../data\n")


def test_a_root_that_is_not_there(bench: Bench) -> None:
    bench.job(rows=1)
    ran = bench.run("run", "--root", "nowhere", code=2)
    assert ran.stderr.endswith("Error: Invalid value for '--root': Directory 'nowhere' does not exist.\n")


def test_from_another_folder(bench: Bench) -> None:
    spec = bench.job(rows=1)
    elsewhere = bench.folder.parent / "elsewhere"
    elsewhere.mkdir()
    inside, bench.folder = bench.folder, elsewhere
    ran = bench.run("run", str(spec), code=0)
    assert ran.stderr.endswith(f"  output      {inside}/out/answers.jsonl\n")
    bench.folder = inside.parent
    ran = bench.run("run", "job/batch.yaml", code=0)
    assert ran.stderr.endswith("; job/out/answers.jsonl is up to date\n")


# ---- what a person must decide -----------------------------------------------------------------


def test_a_first_spend_wants_a_budget_or_yes(bench: Bench) -> None:
    bench.job(rows=3, limits=None)
    ran = bench.run("run", code=4)
    assert ran.stderr == (
        "3 rows: 3 new requests in 1 shard\n"
        "error: the spec sets no budget, and this would be the job's first spend; nothing was submitted\n"
        "hint: set limits.max_cost_usd, or allow it with `batchrun run --yes`; batchrun plan shows the cost\n"
    )
    assert bench.calls() == []
    bench.run("run", "--yes", code=0)


def test_over_budget(bench: Bench) -> None:
    bench.job(rows=3, limits={"max_cost_usd": 0.0001})
    ran = bench.run("run", code=4)
    assert ran.stderr.endswith(
        "decide: what is planned may cost up to $0.00052; the budget is $0.00010. Nothing\n"
        "was submitted. Raise limits.max_cost_usd, or ask for less:\n"
        "    batchrun plan batch.yaml\n"
    )
    assert bench.calls() == []
    bench.job(limits={"max_cost_usd": 1})
    bench.go(code=0)


def test_a_budget_and_a_model_without_a_price(bench: Bench) -> None:
    """No run takes what it cannot price for free, the second and third no more than the first."""
    bench.job(rows=3, request={"model": "claude-nova-9"}, limits={"max_cost_usd": 1})
    for _ in range(3):
        ran = bench.run("run", code=4)
        assert "decide: the price of a model is not known, so the budget of $1.00 cannot be" in ran.stderr
        assert bench.run("status", code=0).stdout.startswith("batch  over budget\n")
    assert bench.calls() == []


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 402, "error": {"type": "billing_error", "message": "Pay first."}},
        {
            "code": 429,
            "error": {
                "type": "rate_limit_error",
                "message": "Pay first.",
                "code": "enforced_spend_limit_reached",
            },
        },
    ],
    ids=["billing", "spend limit"],
)
def test_money_stops_the_job(bench: Bench, answer: dict[str, Any]) -> None:
    bench.serve(faults=[{"on": "create", "status": answer}])
    bench.job(rows=3)
    ran = bench.run("run", code=4)
    error = answer["error"]
    words = " ".join(filter(None, (f"HTTP {answer['code']}", error["type"], error.get("code"), "req_…")))
    assert without_ids(ran.stderr).endswith(
        "error: Pay first.\n"
        f"  --> {words}\n"
        "hint: nothing was submitted\n"
        "hint: only money or a higher limit helps: see the billing and limits pages of the console, then run"
        " it again\n"
    )
    assert bench.ledger() == []
    bench.go(code=0)


# ---- what is wrong -----------------------------------------------------------------------------


def test_usage(bench: Bench) -> None:
    ran = bench.run("run", "--wait-for-me", code=2)
    assert "No such option '--wait-for-me'" in ran.stderr


def test_no_spec(bench: Bench) -> None:
    ran = bench.run("run", code=66)
    assert ran.stderr == (
        "error: there is no spec batch.yaml\nhint: `batchrun init` writes one to start from\n"
    )
    assert bench.listing() == {}


def test_a_spec_that_is_not_there_among_others(bench: Bench) -> None:
    for name in ("labels.yaml", "triage.yml", *(f"t{n}.yaml" for n in range(6))):
        bench.write(name, "")
    assert "hint: did you mean labels.yaml?\n" in bench.run("run", "lables.yaml", code=66).stderr
    assert "hint: did you mean triage.yml?\n" in bench.run("plan", "triage", code=66).stderr
    ran = bench.run("run", ".", code=65)
    names = "labels.yaml, t0.yaml, t1.yaml, t2.yaml, t3.yaml, and 3 more"
    assert ran.stderr == f"error: this is a folder\n  --> .\nhint: name the spec: {names}\n"


@pytest.mark.parametrize("verb", ["run", "status", "cancel", "plan"])
def test_links_that_go_round_in_a_circle(bench: Bench, verb: str) -> None:
    for name in ("batch.yaml", "folder"):
        bench.path(name).symlink_to(name)
    for name in ("batch.yaml", "folder/batch.yaml"):
        ran = bench.run(verb, name)
        assert ran.code in (65, 74)
        assert ran.stderr.splitlines()[0].endswith(": Too many levels of symbolic links")


def test_missing_data(bench: Bench) -> None:
    bench.job()
    ran = bench.run("run", code=66)
    assert ran.stderr.startswith("error: input.path: there is no file 'rows.csv'\n  --> batch.yaml:4:13\n")
    assert bench.calls() == []


def test_bad_data_sends_nothing(bench: Bench) -> None:
    bench.job()
    bench.write("rows.csv", "id,text\na,1\nb,2\na,3\n")
    ran = bench.run("run", code=65)
    assert ran.stderr == (
        "error: row 3 has the id 'a' of row 1 (rows.csv:2)\n"
        "  --> rows.csv:4\n"
        "hint: make 'id' unique, or set input.id to a column that is\n"
    )
    assert bench.calls() == []


def test_nobody_listens(bench: Bench) -> None:
    assert bench.simulator is not None
    bench.simulator.stop()
    bench.job(rows=1)
    ran = bench.run("run", code=69)
    assert ran.stderr == (
        "1 row: 1 new request in 1 shard\n"
        f"error: no answer from {bench.simulator.url}: connection refused\n"
        "hint: shard 0001 was not submitted\n"
        "hint: check the network, ANTHROPIC_BASE_URL and HTTPS_PROXY\n"
    )


def test_key_refused(bench: Bench) -> None:
    bench.serve(api_keys=frozenset({"another"}))
    bench.job(rows=1)
    ran = bench.run("run", code=77)
    assert without_ids(ran.stderr).endswith(
        "error: API key is invalid.\n"
        "  --> HTTP 401 authentication_error req_…\n"
        "hint: shard 0001 was not submitted\n"
        "hint: check ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN\n"
    )


def test_no_key(bench: Bench) -> None:
    del bench.env["ANTHROPIC_API_KEY"]
    bench.job(rows=1)
    ran = bench.run("run", code=78)
    assert ran.stderr.endswith(
        "error: no API key\n"
        "hint: set ANTHROPIC_API_KEY, or key_file in batchrun.toml; to try without a key, use"
        " `batchrun run --sandbox`\n"
    )


def test_the_key_reaches_no_file(bench: Bench) -> None:
    bench.job(rows=1)
    bench.go(code=0)
    for path in bench.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


# ---- the output --------------------------------------------------------------------------------


def test_a_file_of_somebody_else(bench: Bench) -> None:
    bench.job(rows=3)
    bench.write("out/answers.jsonl", "mine\n")
    ran = bench.run("run", code=73)
    assert ran.stderr == (
        "error: out/answers.jsonl exists, and batchrun did not write it; nothing was submitted\n"
        "hint: move it away, or replace it with --overwrite\n"
    )
    assert bench.calls() == []
    bench.run("run", "--overwrite", code=0)
    bench.write("out/answers.jsonl", "mine\n")
    ran = bench.run("run", code=73)
    assert ran.stderr.startswith("error: out/answers.jsonl was changed since batchrun wrote it; nothing was")
    assert ran.stderr.startswith(bench.run("retry", "batch.yaml", code=73).stderr)
    assert bench.output.read_text() == "mine\n"


def test_an_output_that_is_gone_is_written_again(bench: Bench) -> None:
    bench.job(rows=3)
    bench.go(code=0)
    answer, calls = bench.output.read_bytes(), bench.calls()
    bench.output.unlink()
    ran = bench.run("run", code=0)
    assert ran.stderr == SUMMARY
    assert bench.output.read_bytes() == answer
    assert bench.calls() == calls


# ---- the run directory -------------------------------------------------------------------------


def test_damaged_newer_and_missing_state(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job(rows=3)
    bench.go(wait=False, code=75)
    file = bench.run_folder() / "state.json"
    data = file.read_text()
    file.write_text(data[:200])
    ran = bench.run("run", code=78)
    assert ran.stderr.startswith("error: the state file is damaged: ")
    assert f"  --> {file}\nhint: nothing was submitted; restore the file from a backup" in ran.stderr
    file.write_text(data.replace('"version": 1,', '"version": 99,'))
    ran = bench.run("run", code=78)
    assert ran.stderr == (
        "error: the state is of version 99; this batchrun reads up to 1\n"
        f"  --> {file}\n"
        "hint: run it with the newer batchrun that wrote it\n"
    )
    file.unlink()
    ran = bench.run("run", code=78)
    assert ran.stderr.startswith(
        "error: the state file is missing, but log.jsonl of an earlier run is here\n"
    )
    assert len(bench.ledger()) == 1


def test_the_damaged_state_of_another_job_is_its_own_affair(bench: Bench) -> None:
    bench.job("a.yaml", rows=1)
    bench.go("a.yaml", code=0)
    (bench.run_folder("a") / "state.json").write_text("{")
    bench.job("b.yaml", rows=1, name="second", output={"path": "out/b.jsonl"})
    bench.go("b.yaml", code=0)
    bench.go("b.yaml", code=0)


def test_a_job_folder_that_cannot_be_made(bench: Bench) -> None:
    bench.job(rows=1)
    file = bench.write(".batchrun", "in the way\n")
    ran = bench.run("run", code=78)
    assert ran.stderr == (
        f"error: {file} is not a folder; batchrun keeps its state only in folders of its own\n"
        "hint: see who put it there, and move it away\n"
    )
    assert bench.calls() == []


@pytest.mark.parametrize("name", ["", "batch", "batch/rows", "batch/shards", "batch/results"])
def test_a_run_directory_that_leads_elsewhere(bench: Bench, name: str) -> None:
    bench.job(rows=1)
    victim = bench.path("victim")
    victim.mkdir()
    for file in ("0001.jsonl", "000001.jsonl", "letters.txt"):
        (victim / file).write_text("dear")
    link = bench.path(".batchrun") / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim)
    ran = bench.run("run", code=78)
    assert ran.stderr.startswith(
        f"error: {link} is a link; batchrun keeps its state only in folders of its own\n"
    )
    assert {file.name: file.read_text() for file in victim.iterdir()} == dict.fromkeys(
        ("0001.jsonl", "000001.jsonl", "letters.txt"), "dear"
    )
    assert bench.calls() == []


def test_a_fifo_for_the_state_of_another_job(bench: Bench) -> None:
    bench.job(rows=1)
    bench.path(".batchrun/zz").mkdir(parents=True)
    os.mkfifo(bench.path(".batchrun/zz/state.json"))
    bench.run("run", code=0)


@pytest.mark.parametrize("moment", ["planned", "submitted first"])
def test_an_older_state_never_pays_again(bench: Bench, moment: str) -> None:
    bench.job(rows=4, limits={"batch_requests": 2})
    file = bench.run_folder() / "state.json"
    if moment == "planned":
        bench.job(rows=4, limits={"batch_requests": 2, "max_cost_usd": 0.0000001})
        bench.go(wait=False, code=4)
        bench.job(limits={"batch_requests": 2})
    else:
        bench.serve(faults=[{"on": "create", "status": 429, "skip": 1, "times": 1000}])
        bench.go(wait=False, code=75)
    old = file.read_bytes()
    first = next(shard.id for shard in bench.state().shards if shard.phase is Phase.PLANNED)
    bench.serve()
    bench.go(code=0)
    sent, kept = bench.ledger(), bench.listing()
    file.write_bytes(old)
    bench.output.unlink()
    ran = bench.run("run", code=78)
    assert ran.stderr == (
        f"error: the state is older than what was submitted: shard {first} was sent\n"
        f"  --> {file}\n"
        "hint: restore a newer backup; or look with `batchrun batches list` at what was sent, and move the"
        " folder away to start afresh and pay again\n"
    )
    assert bench.ledger() == sent
    assert [name for name in kept if "/shards/" in name] == [n for n in bench.listing() if "/shards/" in n]


def test_rows_that_were_deleted_are_expanded_again(bench: Bench) -> None:
    bench.job(rows=2)
    bench.go(code=0)
    for file in (bench.run_folder() / "rows").iterdir():
        file.unlink()
    bench.output.unlink()
    bench.go(code=0)
    assert len(bench.records()) == 2
    assert len(bench.ledger()) == 1


@pytest.mark.parametrize("lost", [("shards",), ("shards", "results")], ids=" and ".join)
def test_what_is_left_without_state_and_shards(lost: tuple[str, ...], bench: Bench) -> None:
    bench.job(rows=1)
    bench.go(code=0)
    for name in lost:
        shutil.rmtree(bench.run_folder() / name)
    (bench.run_folder() / "state.json").unlink()
    ran = bench.run("run", code=78)
    assert ran.stderr.startswith(
        "error: the state file is missing, but log.jsonl of an earlier run is here\n"
    )


def test_a_disk_that_is_full(bench: Bench) -> None:
    """RLIMIT_FSIZE stands in for it: the kernel refuses the write in the middle of a file."""
    bench.job(rows=200)
    limit = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000)); sys.argv[0] = 'batchrun';"
        " runpy.run_module('batchrun', run_name='__main__')"
    )
    ran = bench.run("run", driver=("-c", limit), code=74)
    assert ran.stderr.startswith("error: cannot write ")
    assert bench.ledger() == []
    bench.go(code=0)
    assert [b["requests"] for b in bench.ledger()] == [200]


# ---- not finished ------------------------------------------------------------------------------


def test_no_wait(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job(rows=3, poll={"interval": "60s"})
    ran = bench.run("run", "--no-wait", code=75)
    assert "batch  running\n" in ran.stderr
    assert ran.stderr.endswith("  output      out/answers.jsonl\n  next        batchrun run batch.yaml\n")
    again = bench.run("run", "--no-wait", "--quiet", code=75)
    assert again.stderr == again.stdout == ""
    assert [c["call"] for c in bench.calls()] == ["list", "create", "retrieve"]


def test_another_process_has_it(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job(rows=3)
    running = bench.start("run")
    bench.until(running, lambda: bool(bench.calls("retrieve")))
    ran = bench.run("run", code=75)
    assert re.fullmatch(
        rf"error: another process is working on the job 'batch' \(process {running.pid} on \S+\)\n"
        "hint: it goes on there; run it again later, or see how it stands: batchrun status batch.yaml\n",
        ran.stderr,
    )
    calm = bench.run("run", "--quiet", "--no-wait", code=75)
    assert calm.stderr == calm.stdout == ""
    running.send_signal(signal.SIGINT)
    bench.finish(running, code=130)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_it_waits(bench: Bench, number: signal.Signals, code: int) -> None:
    bench.serve(seconds=1000)
    bench.job(rows=3, poll={"interval": "1h"})
    running = bench.start("run")
    bench.until(running, lambda: bool(bench.ledger()))
    began = time.monotonic()
    running.send_signal(number)
    ran = bench.finish(running, code=code)
    assert time.monotonic() - began < 5
    assert ran.stderr.endswith(
        f"error: interrupted by {number.name}; the state is saved, and submitted batches go on\n"
        "hint: carry on: batchrun run batch.yaml\n"
        "hint: stop it for good: batchrun cancel batch.yaml\n"
    )


def test_what_has_ended_is_fetched_although_the_data_is_gone(bench: Bench) -> None:
    now = [time.time()]
    bench.serve(seconds=1000, clock=lambda: now[0])
    bench.job(rows=3)
    bench.go(wait=False, code=75)
    data = bench.path("rows.csv").rename(bench.path("away.csv"))
    now[0] += 1000
    bench.run("run", code=66)
    assert [s.phase for s in bench.state().shards] == ["fetched"]
    data.rename(bench.path("rows.csv"))
    calls = bench.calls()
    bench.go(code=0)
    assert bench.calls() == calls


def test_a_batch_that_does_not_end(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job(rows=3, poll={"timeout": "1s"})
    ran = bench.run("run", code=75)
    assert re.search(
        r"decide: msgbatch_\w+ has not ended after [\d.]+s; the API ends a batch within 24 h\. Look once more:"
        r" batchrun run batch\.yaml$",
        " ".join(ran.stderr.split()),
    ), ran.stderr


# ---- stdout, quiet, JSON, pipes, terminals -----------------------------------------------------


def test_json_is_all_of_stdout(bench: Bench) -> None:
    bench.job(rows=3)
    ran = bench.run("run", "--json", code=0)
    report = ran.json()
    assert report["state"] == "done"
    assert report["output"] == str(bench.output)
    assert report["summary"]["all_succeeded"] is True
    again = bench.run("run", "--json", "--quiet", code=0)
    assert again.json()["summary"] == report["summary"]
    assert again.stderr == ""
    bench.path("rows.csv").unlink()
    assert bench.run("run", "--json", code=66).stdout == ""


def test_quiet_says_what_needs_a_person_once(bench: Bench) -> None:
    bench.serve(results=[{"match": "word 2", "type": "errored", "error": {"type": "invalid_request_error"}}])
    bench.job(rows=3)
    assert "2 of 3 rows succeeded" in bench.run("run", "--quiet", code=3).stderr
    assert bench.run("run", "--quiet", code=3).stderr == ""
    bench.rows(1)
    assert bench.run("run", "--quiet", code=0).stderr == ""
    bench.rows(4)
    bench.job(limits={"max_cost_usd": 0})
    assert "decide: what is planned may cost up to" in bench.run("run", "--quiet", code=4).stderr


def test_a_full_stdout(bench: Bench) -> None:
    bench.job(rows=1)
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "batchrun", "run", "--json"],
            cwd=bench.folder,
            env=bench.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ran.returncode == 74
    assert ran.stderr.endswith("error: cannot write the answer to stdout: No space left on device\n")


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_stops_no_run(bench: Bench, closing: str) -> None:
    bench.serve()
    bench.job(rows=2)
    shell = ["-c", f'exec "$0" "$@" {closing}', sys.executable, "-m", "batchrun"]
    for args, code in [(["run"], 0), (["run"], 0), (["run", "none.yaml"], 66), (["run", "--nope"], 2)]:
        ran = subprocess.run(
            ["sh", *shell, *args], cwd=bench.folder, env=bench.environment(), check=False, timeout=60
        )
        assert ran.returncode == code, args
    assert len(bench.records()) == 2
    assert len(bench.ledger()) == 1


# ---- a job that another process has ------------------------------------------------------------


@pytest.fixture
def holder(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """A run that waits for its batch, and so has the job."""
    bench.serve(seconds=1000)
    bench.job(rows=2)
    process = bench.start("run")
    bench.until(process, lambda: bool(bench.calls("retrieve")))
    yield process
    process.kill()
    process.communicate()


def test_waiting_for_the_lock_in_vain(bench: Bench, holder: subprocess.Popen[str]) -> None:
    ran = bench.run("run", "--lock-wait", "100ms", code=75)
    first, hint, last = ran.stderr.splitlines()[:3]
    assert first.startswith("warning: another process is working on the job 'batch' (process ")
    assert hint == "hint: waiting for up to 0.1s"
    assert last.startswith("error: another process is working on the job 'batch'")
    assert bench.run("run", "--lock-wait", "100ms", "--quiet", code=75).stderr == ""


def test_a_signal_ends_the_wait_for_the_lock(bench: Bench, holder: subprocess.Popen[str]) -> None:
    process = bench.start("run", "--lock-wait", "1h")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("warning: ")
    process.send_signal(signal.SIGTERM)
    assert bench.finish(process).code == 143


def test_a_lock_wait_that_is_none(bench: Bench) -> None:
    ran = bench.run("run", "--lock-wait", "soon", code=2)
    assert "'soon' is not a duration: write it like 90s, 15m, 25h or 1h30m" in ran.stderr
