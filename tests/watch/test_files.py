"""What people and editors put into a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

from tests.watch.watching import put, until_through, watching
from tests.workbench import PATIENCE, SPEC, Bench


def spec(number: int) -> str:
    """A job of its own."""
    return orjson.dumps({**SPEC, "output": {"path": f"out/{number}.jsonl"}, "samples": number}).decode()


def test_names_that_nobody_expects(bench: Bench) -> None:
    names = ["-rf.yaml", "two\nlines.yaml", "\N{BAR CHART} 2026.yaml", " .yaml", "x" * 240 + ".yaml", "A.YAML", "$(touch pwned).yml"]  # fmt: skip
    with watching(bench) as watch:
        for number, name in enumerate(names, 1):
            put(bench.path(name), spec(number))
        not_text = bench.folder / os.fsdecode(b"\xff\xfe.yaml")
        put(not_text, spec(50))
        watch.until_there(*(f"done/{name}" for name in names))
        watch.until_there(f"failed/{not_text.name}.error.txt")
        left = watch.leave()
    assert sorted(batch["requests"] for batch in bench.ledger()) == [3 * n for n in range(1, len(names) + 1)]
    assert not bench.path("pwned").exists()
    assert "error: the name of this file or of its folder is not UTF-8" in (
        bench.path(f"failed/{not_text.name}.error.txt").read_text()
    )
    assert all(line.isprintable() for line in left.stderr.splitlines())


@pytest.mark.parametrize("how", [(), ("--in-place",)])
def test_a_reason_fits_beside_the_longest_name(bench: Bench, how: tuple[str, ...]) -> None:
    for name in ("x" * 250, "\N{BAR CHART}" * 62 + "xx"):
        bench.write(f"{name}.yaml", "version: 2\n")
    bench.run("watch", ".", "--once", "--settle", "50ms", *how, code=65)
    folder = bench.path("." if how else "failed")
    reasons = sorted(path.name for path in folder.glob("*.error.txt"))
    assert reasons == ["x" * 240 + ".yaml.error.txt", "\N{BAR CHART}" * 60 + ".yaml.error.txt"]
    assert all((folder / name).read_text().startswith("error: ") for name in reasons)
    if not how:
        kept = sorted(path.name for path in folder.iterdir())
        assert kept == sorted([*reasons, *(name.removesuffix(".error.txt") for name in reasons)])


def test_names_that_are_as_long_as_can_be_are_numbered_all_the_same(bench: Bench) -> None:
    name = "x" * 250 + ".yaml"
    bench.write(f"done/{name}", "")
    bench.write(name, spec(1))
    until_through(bench)
    assert bench.path("done/" + "x" * 248 + "-2.yaml").read_text() == spec(1)


def test_dates_play_no_part(bench: Bench) -> None:
    for number, age in ((1, -3 * 10**9), (2, 10**9)):
        path = bench.write(f"dated{number}.yaml", spec(number))
        os.utime(path, (time.time() + age,) * 2)
    until_through(bench)
    assert len(bench.ledger()) == 2


def test_what_is_no_spec_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(spec(9))
    bench.path("link.yaml").symlink_to(elsewhere)
    bench.path("dangling.yaml").symlink_to("nowhere.yaml")
    os.mkfifo(bench.path("pipe.yaml"))
    bench.path("folder.yaml").mkdir()
    bench.write("empty.yaml", "")
    for name in (".hidden.yaml", "saved.yaml~", "loading.yaml.part", "done/old.yaml", "sub/below.yaml"):
        bench.write(name, spec(8))
    before = sorted(bench.folder.iterdir())
    ran = bench.run("watch", ".", "--once", "--settle", "100ms", code=65)
    assert sorted(ran.stderr.splitlines()) == [
        "dangling.yaml: error: left alone: a link that cannot be followed: No such file or directory",
        "link.yaml: error: left alone: a link that leads out of the folder",
        "pipe.yaml: error: left alone: not a regular file",
    ]
    again = bench.run("tick", ".", "--settle", "0", "--quiet", code=65)
    assert again.stderr == ""  # once
    assert sorted(p for p in bench.folder.iterdir() if p.name != ".batchrun") == before
    assert bench.calls() == []


def test_a_link_inside_the_folder(bench: Bench) -> None:
    bench.write("specs/real.yaml", spec(1))
    bench.path("labels.yaml").symlink_to("specs/real.yaml")
    bench.run("watch", ".", "--once", "--in-place", "--settle", "100ms")
    assert [batch["requests"] for batch in bench.ledger()] == [3]
    assert bench.path("labels.yaml").is_symlink()


def test_a_link_is_put_away_and_leads_where_it_led(bench: Bench) -> None:
    """As Kubernetes mounts a ConfigMap: each name leads through `..data` to the folder of a version."""
    bench.write("..version-1/labels.yaml", spec(1))
    bench.write("..version-1/broken.yaml", "version: 2\n")
    bench.path("..data").symlink_to("..version-1")
    bench.path("labels.yaml").symlink_to("..data/labels.yaml")
    bench.path("broken.yaml").symlink_to("..data/broken.yaml")
    bench.path("absolute.yaml").symlink_to(bench.write("shared/absolute.yaml", spec(2)))
    told = until_through(bench, code=65) + until_through(bench)
    assert bench.path("done/labels.yaml").readlink() == Path("../..data/labels.yaml")
    assert bench.path("done/labels.yaml").read_text() == spec(1)
    assert bench.path("done/absolute.yaml").read_text() == spec(2)
    assert bench.path("failed/broken.yaml").read_text() == "version: 2\n"
    assert bench.path("failed/broken.yaml.error.txt").read_text().startswith("error: ")
    assert "(moved to done/labels.yaml)\n" in told
    assert "(moved to failed/broken.yaml)\n" in told
    assert sorted(path.name for path in bench.folder.glob("*.yaml")) == []
    assert sorted(path.name for path in bench.path("done").iterdir()) == ["absolute.yaml", "labels.yaml"]
    assert len(bench.ledger()) == 2
    assert bench.run("tick", ".", "--settle", "0", code=0).stderr == ""


def test_a_link_that_leads_elsewhere_while_its_job_runs_stays(bench: Bench) -> None:
    bench.serve(seconds=600)
    for version in (1, 2):
        bench.write(f"..version-{version}/labels.yaml", spec(version))
    bench.path("..data").symlink_to("..version-1")
    bench.path("labels.yaml").symlink_to("..data/labels.yaml")
    bench.run("tick", ".", "--settle", "0", code=75)
    bench.path("..new").symlink_to("..version-2")
    bench.path("..new").rename(bench.path("..data"))
    bench.serve(clock=lambda: time.time() + 700)
    until_through(bench)
    assert bench.path("done/labels.yaml").read_text() == spec(2)
    assert sum(batch["requests"] for batch in bench.ledger()) == 3 + 3  # the first sample was there


def test_a_spec_that_cannot_be_moved_leaves_nothing_in_done(bench: Bench) -> None:
    """As a file that is mounted by itself."""
    mounted = bench.write("elsewhere", spec(1))
    bench.write("labels.yaml", "")
    mount = 'mount --bind elsewhere labels.yaml && exec "$@"'
    tick = [sys.executable, "-m", "batchrun", "tick", ".", "--settle", "0"]
    for _ in range(3):
        ran = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *tick],
            cwd=bench.folder,
            env=bench.environment(),
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
        assert ran.returncode in (74, 75)
    assert ran.returncode == 74
    assert list(bench.path("done").iterdir()) == []
    assert mounted.read_text() == spec(1)
    assert len(bench.ledger()) == 1


def test_the_ways_in_which_editors_save(bench: Bench) -> None:
    """In place: rename over, truncate and write, backup and new file. Each is one edit, and one more run."""
    path = bench.write("labels.yaml", spec(1))
    out = [bench.path(f"out/{n}.jsonl") for n in range(6)]
    with watching(bench, "--in-place") as watch:
        watch.until(out[1].exists)
        put(path, spec(2))
        watch.until(out[2].exists)
        path.write_text(spec(3))
        watch.until(out[3].exists)
        path.rename(bench.path("labels.yaml~"))
        path.write_text(spec(4))
        watch.until(out[4].exists)
        with path.open("w") as slow:  # half of it is there for longer than a scan takes
            slow.write(spec(5)[:40])
            slow.flush()
            os.utime(path)
            slow.write(spec(5)[40:])
        watch.until(out[5].exists)
        # On a busy machine the half may have held still for long enough to be told of.
        watch.until(lambda: not bench.path("labels.yaml.error.txt").exists())
    # One more sample a row each time; what was asked before is not asked again.
    assert [batch["requests"] for batch in bench.ledger()] == [3] * 5


def test_a_spec_that_is_edited_while_it_runs_stays(bench: Bench) -> None:
    bench.serve(seconds=1.0)
    path = bench.write("labels.yaml", spec(1))
    with watching(bench) as watch:
        watch.until(lambda: len(bench.ledger()) == 1)
        put(path, spec(2))
        watch.until_there("done/labels.yaml")
    assert bench.path("done/labels.yaml").read_text() == spec(2)
    assert [batch["requests"] for batch in bench.ledger()] == [3, 3]
    assert len(bench.records("out/2.jsonl")) == 6


@pytest.mark.parametrize("name", [None, "tickets"])
def test_a_spec_that_is_broken_while_it_runs_stays_until_its_answers_are_fetched(
    bench: Bench, name: str | None
) -> None:
    tick = ("tick", ".", "--settle", "50ms")
    bench.env |= hooks(bench)
    bench.serve(seconds=600)
    path = bench.job("labels.yaml", name=name)
    bench.run(*tick, code=75)
    whole = path.read_text()
    put(path, whole.replace("version", "versoin"))
    told = bench.run(*tick).stderr
    assert "error: unknown key 'versoin'" in told
    assert path.exists()
    bench.serve(seconds=600, clock=lambda: time.time() + 700)
    put(path, whole.replace("version", "versoin") + "\n")
    bench.run(*tick, code=65)
    assert bench.path("failed/labels.yaml.error.txt").read_text().startswith("error: unknown key 'versoin'")
    assert len(list((bench.run_folder(name or "labels") / "results").iterdir())) == 1
    put(path, whole)
    bench.run(*tick, code=0)
    assert len(bench.ledger()) == 1
    assert len(bench.records()) == 3
    assert bench.path("told").read_text().split() == ["failed", "done"]


@pytest.mark.parametrize("name", [None, "tickets"])
def test_a_spec_that_is_taken_away_while_it_runs(bench: Bench, name: str | None) -> None:
    """Its answers are fetched and written all the same. Nobody need be told twice."""
    tick = ("tick", ".", "--settle", "50ms")
    bench.env |= hooks(bench)
    bench.serve(seconds=600)
    path, job = bench.job("labels.yaml", name=name), name or "labels"
    bench.run(*tick, code=75)
    (batch,) = bench.ledger()
    text = path.read_text()
    path.unlink()
    until = datetime.fromisoformat(batch["created_at"]) + timedelta(days=29)
    assert bench.run(*tick, code=75).stderr == (
        f"{job}: error: labels.yaml is gone, but what its job submitted is under way\n"
        f"  hint: its answers are fetched to .batchrun/{job} and written all the same\n"
        f"  hint: the API keeps them until {until:%Y-%m-%d}; to cancel instead:\n"
        f"  hint: batchrun batches cancel {batch['id']}\n"
    )
    assert bench.run(*tick, code=75).stderr == ""
    bench.serve(seconds=600, clock=lambda: time.time() + 700)
    os.utime(bench.run_folder(job) / "state.json")
    assert bench.run(*tick).stderr.endswith(": out/answers.jsonl is written\n")
    assert len(bench.records()) == 3
    assert len(list((bench.run_folder(job) / "results").iterdir())) == 1
    assert bench.run(*tick, code=0).stderr == ""
    put(path, text)
    bench.run(*tick, code=0)
    assert len(bench.ledger()) == 1
    assert len(bench.records()) == 3
    assert bench.path("told").read_text().split() == ["failed", "done"]


def test_a_spec_that_is_taken_away_while_it_is_watched(bench: Bench) -> None:
    bench.serve(seconds=600)
    path = bench.job("labels.yaml", poll={"interval": "10ms"})
    with watching(bench) as watch:
        watch.until(lambda: bool(bench.ledger()))
        path.rename(bench.path("renamed.yaml"))
        watch.until(lambda: bench.state("labels").spec == "renamed.yaml")
        text = bench.path("renamed.yaml").read_text()
        bench.path("renamed.yaml").unlink()
        watch.until(
            lambda: any(
                b"is gone" in note.read_bytes() for note in bench.path(".batchrun/@watch").glob("*.json")
            )
        )
        put(bench.path("again.yaml"), text)
        watch.until(lambda: bench.state("labels").spec == "again.yaml")
        told = watch.leave().stderr
    assert told.count("is gone") == 1
    assert len(bench.ledger()) == 1


def test_hooks_hear_once_of_a_broken_spec_that_stays(bench: Bench) -> None:
    """Although its job has a state, and it is looked at again and again."""
    bench.env |= hooks(bench)
    path = bench.job("labels.yaml")
    bench.go("labels.yaml", code=0)
    put(path, "version: 2\n")
    for _ in range(3):
        bench.run("tick", "labels.yaml", "--settle", "0")
        os.utime(bench.run_folder("labels") / "state.json")
    assert bench.path("told").read_text().split() == ["failed"]


def test_a_spec_stays_until_its_hooks_are_reached(bench: Bench) -> None:
    tick = ("tick", ".", "--settle", "0")
    bench.env |= hooks(bench)
    bench.path("told").mkdir()  # so that nothing can be written there
    bench.job("labels.yaml")
    bench.run("run", "labels.yaml", code=0)
    told = bench.run(*tick, code=75).stderr
    assert "labels: warning: the hook sh: exit code " in told
    assert "the next run calls it again" in told
    assert bench.run(*tick, code=75).stderr == ""  # not at once
    bench.path("told").rmdir()
    os.utime(bench.run_folder("labels") / "state.json")
    bench.run(*tick, code=0)
    assert bench.path("told").read_text().split() == ["done"]
    assert bench.path("done/labels.yaml").exists()


def hooks(bench: Bench) -> dict[str, str]:
    """The environment in which what hooks are told of ends in the file `told`."""
    config = bench.folder.parent / "batchrun.toml"
    lines = [f'on.{moment} = [{{ run = ["sh", "-c", "echo {moment} >> {bench.path("told")}"] }}]' for moment in ("done", "failed", "needs_person")]  # fmt: skip
    config.write_text("\n".join(lines) + "\n")
    return {"BATCHRUN_CONFIG": str(config)}
