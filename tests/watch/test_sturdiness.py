"""Jobs that go wrong beside jobs that do not; folders that come and go; two watchers."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import orjson

from batchrun.watch.notes import Notes
from tests.watch.watching import put, watching
from tests.workbench import SPEC, Bench


def children(pid: int) -> list[int]:
    """The process and all that it started."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(n for child in found for n in children(int(child)))]


def test_a_job_that_eats_memory_stops_nobody_else(bench: Bench) -> None:
    bomb = {"role": "user", "content": "{% for i in range(100000) %}{{ range(100000) }}{% endfor %}"}
    bench.job("bomb.yaml", request={"messages": [bomb]}, output={"path": "out/bomb.jsonl"})
    with watching(bench, "--memory", "400MB", "--jobs", "2") as watch:
        bench.job("labels.yaml")
        watch.until_there("done/labels.yaml", "failed/bomb.yaml.error.txt")
    assert bench.path("failed/bomb.yaml.error.txt").read_text().startswith("error: ")
    assert len(bench.ledger()) == 1


def test_too_little_memory_costs_no_answer_that_is_paid_for(bench: Bench) -> None:
    tick = ("tick", ".", "--settle", "0")
    bench.serve(seconds=600)
    path = bench.job("labels.yaml")
    bench.run(*tick, code=75)
    put(path, path.read_text() + "\n")
    told = bench.run(*tick, "--memory", "1MB").stderr
    assert "error: it needs more memory than a job may have (1 MB)\n" in told
    assert path.exists()
    bench.serve(seconds=600, clock=lambda: time.time() + 700)
    os.utime(path)
    bench.run(*tick, "--memory", "1MB", code=65)
    assert bench.path("failed/labels.yaml").exists()
    bench.serve(seconds=600)  # what it answered is here, and it is not asked
    bench.path("failed/labels.yaml").rename(path)
    bench.run(*tick, code=0)
    assert len(bench.ledger()) == 1
    assert len(bench.records()) == 3


def test_a_job_that_hangs_is_stopped(bench: Bench) -> None:
    endless = {"role": "user", "content": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"}  # fmt: skip
    bench.job("endless.yaml", request={"messages": [endless]}, output={"path": "out/endless.jsonl"})
    with watching(bench, "--time-limit", "2s", "--jobs", "2") as watch:
        bench.job("labels.yaml")
        watch.until_there("done/labels.yaml", "failed/endless.yaml.error.txt")
    words = bench.path("failed/endless.yaml.error.txt").read_text()
    assert words.startswith("error: ")
    assert len(bench.ledger()) == 1


def test_a_worker_that_is_killed_is_started_again(bench: Bench) -> None:
    bench.job("labels.yaml")
    with watching(bench) as watch:
        watch.until(lambda: len(children(watch.process.pid)) > 3)
        os.kill(children(watch.process.pid)[-1], signal.SIGKILL)
        watch.until_there("done/labels.yaml")
    assert len(bench.ledger()) == 1


def test_the_folder_goes_and_comes_back(bench: Bench, tmp_path: Path) -> None:
    away = tmp_path / "away"
    with watching(bench) as watch:
        bench.job("before.yaml", output={"path": "out/before.jsonl"})
        watch.until_there("done/before.yaml")
        inside = bench.folder / "in"
        inside.mkdir()
        shutil.copy(bench.path("rows.csv"), inside)
    put(inside / "before.yaml", orjson.dumps(SPEC).decode())
    process = bench.start("watch", "in", "--settle", "100ms", "--rescan", "100ms")
    bench.until(process, (inside / "done" / "before.yaml").exists)
    inside.rename(away)
    time.sleep(0.3)
    away.rename(inside)
    put(inside / "after.yaml", orjson.dumps({**SPEC, "output": {"path": "out/after.jsonl"}}).decode())
    bench.until(process, (inside / "done" / "after.yaml").exists)
    process.send_signal(signal.SIGTERM)
    assert bench.finish(process, code=143).stderr.count("in: the folder is back") <= 1


def test_two_watchers_share_a_folder(bench: Bench) -> None:
    count = 12
    with watching(bench) as one, watching(bench) as two:
        for number in range(count):
            put(bench.path(f"job{number}.yaml"), orjson.dumps({**SPEC, "output": {"path": f"out/{number}.jsonl"}, "samples": number + 1}).decode())  # fmt: skip
        done = [f"done/job{number}.yaml" for number in range(count)]
        one.until_there(*done)
        one.until(lambda: not list(bench.folder.glob("*.yaml")))
        told = one.leave().stderr + two.leave().stderr
    assert sorted(b["requests"] for b in bench.ledger()) == [3 * (n + 1) for n in range(count)]
    assert sorted(p.name for p in bench.path("done").iterdir()) == sorted(
        f"job{n}.yaml" for n in range(count)
    )
    assert "error" not in told
    assert not bench.path("failed").exists()


def test_leaving_takes_less_than_five_seconds_whatever_runs(bench: Bench) -> None:
    endless = {"role": "user", "content": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"}  # fmt: skip
    bench.job("endless.yaml", request={"messages": [endless]})
    with watching(bench) as watch:
        watch.until(lambda: len(children(watch.process.pid)) > 3)
        pids = children(watch.process.pid)
        started = time.monotonic()
        watch.leave()
        assert time.monotonic() - started < 5
    assert not any(Path(f"/proc/{pid}/stat").exists() and b"batchrun" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)  # fmt: skip


def test_what_is_wrong_is_told_also_where_it_cannot_be_put_away(bench: Bench) -> None:
    bench.write("failed", "a file")
    bench.write("done", "a file")
    bench.write("broken.yaml", "version: 2\n")
    told = bench.run("tick", ".", "--settle", "0", code=73).stderr
    assert told.startswith(f"broken: put off: cannot create the folder {bench.path('failed')}: File exists\n")
    assert "\n  error: 'request' is missing\n" in told
    bench.path("failed").unlink()
    bench.path("broken.yaml").unlink()
    bench.job("labels.yaml")
    bench.go("labels.yaml", code=0)
    told = bench.run("tick", ".", "--settle", "0", code=73).stderr
    assert told.startswith(f"labels: put off: cannot create the folder {bench.path('done')}: File exists\n")
    assert "\n  nothing to do; 3 of 3 rows succeeded" in told


def test_a_server_of_processes_that_is_stopped_holds_nobody(bench: Bench) -> None:
    bench.job("first.yaml", output={"path": "out/first.jsonl"})
    with watching(bench) as watch:
        watch.until_there("done/first.yaml")
        server = children(watch.process.pid)[-1]
        os.kill(server, signal.SIGSTOP)
        bench.job("labels.yaml")
        watch.until(lambda: bool(list(bench.folder.glob(".batchrun/@watch/seen/*"))[1:]))
        started = time.monotonic()
        watch.leave()
        assert time.monotonic() - started < 5
    assert len(bench.ledger()) == 1
    bench.run("watch", ".", "--once", "--settle", "0")
    assert len(bench.ledger()) == 2


def test_whoever_holds_the_moves_holds_nobody(bench: Bench) -> None:
    bench.job("labels.yaml")
    with watching(bench) as watch, Notes(bench.folder).moving():
        watch.until(bench.output.exists)
        watch.until(lambda: not children(watch.process.pid)[3:])
        started = time.monotonic()
        left = watch.leave()
        assert time.monotonic() - started < 5
    assert bench.path("labels.yaml").exists()
    assert "error" not in left.stderr
    assert "moved to done" in bench.run("watch", ".", "--once", "--settle", "0", code=0).stderr


def test_data_is_waited_for(bench: Bench) -> None:
    bench.path("rows.csv").unlink()
    bench.job("labels.yaml")
    with watching(bench) as watch:
        watch.until(lambda: bool(list(bench.folder.glob(".batchrun/@watch/*.json"))))
        bench.rows(3)
        watch.until_there("done/labels.yaml")
        left = watch.leave()
    assert left.stderr.count("labels: waiting for its data: input.path: there is no file 'rows.csv'\n") == 1
    assert len(bench.records()) == 3


def test_a_prompt_is_waited_for(bench: Bench) -> None:
    bench.job("labels.yaml", request={"system": {"$file": "prompt.md"}})
    with watching(bench) as watch:
        watch.until(lambda: bool(list(bench.folder.glob(".batchrun/@watch/*.json"))))
        bench.write("prompt.md", "Sort.")
        watch.until_there("done/labels.yaml")
        left = watch.leave()
    assert left.stderr.count("there is no file 'prompt.md'") == 1
    assert len(bench.records()) == 3


def test_a_prompt_that_never_comes(bench: Bench) -> None:
    bench.job("labels.yaml", request={"system": {"$file": "prompt.md"}})
    bench.run("tick", ".", "--settle", "50ms", code=75)
    bench.run("tick", ".", "--settle", "50ms", "--data-wait", "0", code=65)
    assert "there is no file 'prompt.md'" in bench.path("failed/labels.yaml.error.txt").read_text()


def test_a_job_under_way_that_now_waits_for_a_prompt_stays(bench: Bench) -> None:
    bench.serve(seconds=1000)
    bench.job("labels.yaml")
    bench.run("tick", ".", "--settle", "50ms", code=75)
    bench.job("labels.yaml", request={"system": {"$file": "prompt.md"}})
    bench.run("tick", ".", "--settle", "50ms", "--data-wait", "0", code=65)
    assert bench.path("labels.yaml").exists()
    assert len(bench.ledger()) == 1


def test_data_that_never_comes(bench: Bench) -> None:
    bench.path("rows.csv").unlink()
    bench.job("labels.yaml")
    bench.job("late.yaml", output={"path": "out/late.jsonl"})
    bench.run("tick", ".", "--settle", "50ms", "--data-wait", "0", code=66)
    assert (
        bench.path("failed/labels.yaml.error.txt")
        .read_text()
        .startswith("error: input.path: there is no file 'rows.csv'\n")
    )


def test_data_that_is_still_being_copied_holds_still_first(bench: Bench) -> None:
    bench.job("labels.yaml")
    with watching(bench, "--settle", "500ms") as watch, bench.path("rows.csv").open("a") as growing:
        for number in range(4, 24):
            growing.write(f"r{number},word {number}\n")
            growing.flush()
            time.sleep(0.1)
        watch.until_there("done/labels.yaml")
    assert [batch["requests"] for batch in bench.ledger()] == [23]


def test_in_place_what_is_wrong_stands_beside_the_spec(bench: Bench) -> None:
    error = bench.path("labels.yaml.error.txt")
    bench.write("labels.yaml", "version: 2\n")
    with watching(bench, "--in-place") as watch:
        watch.until(error.exists)
        first = error.read_text()
        bench.write("labels.yaml", "version: 3\n")
        watch.until(lambda: error.exists() and error.read_text() not in ("", first))
        bench.job("labels.yaml")
        watch.until(lambda: bench.output.exists() and not error.exists())
        left = watch.leave()
    assert left.stderr.count("labels: error: ") == 2
    assert bench.path("labels.yaml").exists()
    assert not bench.path("done").exists()
    again = bench.run("watch", ".", "--once", "--in-place", "--settle", "50ms", code=0)
    assert again.stderr == ""


def test_trouble_with_the_api_slows_everybody(bench: Bench) -> None:
    """While the API turns everybody away, one job at a time finds out whether it still does."""
    bench.serve(faults=[{"on": "list", "status": 529, "times": 3}])
    for number in range(20):
        bench.job(f"job{number}.yaml", output={"path": f"out/{number}.jsonl"}, samples=number + 1)
    with watching(bench, "--jobs", "2") as watch:
        watch.until_there(*(f"done/job{number}.yaml" for number in range(20)))
    refused = [call for call in bench.calls("list") if call["status"] == 529]
    assert len(refused) == 3
    assert len(bench.ledger()) == 20
