"""`run --depfile`, as GNU make reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batchrun.errors import CannotCreate
from batchrun.run import depfile
from tests.conftest import MakeSimulator
from tests.workbench import Bench

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
    "0f000381018034a5e8a40000000049454e44ae426082"
)
NASTY = [
    *("a b", " b", "a  b", "a\\b", "a\\ b", "a\\#b", "#b", "a$b", "a$$b", "$(x)y", "a:b", "a%b", "a\\%b"),
    *("100%", "a=b", "date=2024-01-01.csv", "=", "a=b=c", "a*", "a?", "a[1].csv", "a]b", "a(1).csv", "-x", "@x"),
    *("a&b", "a&", "&", "a'b", 'a"b', "a+b", "a,b", "a!b", "a<b>", "a^b", "a`b", "{a}", "include", "define", "ifeq"),
    *("é", "日本", "export", ".PHONY", "a~", "\\%","[", "\\[a"),
]  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


def make(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return subprocess.run(["make", "-r", *args], cwd=folder, env=env, capture_output=True, text=True)


# ---- make reads every name ---------------------------------------------------------------------


@pytest.mark.parametrize("place", ["first", "later"])
def test_make_reads_every_name(tmp_path: Path, place: str) -> None:
    """Each name in turn: newer than the target, it makes it anew; deleted, it does so without an error."""
    for name in NASTY:
        if place == "first" and name.isalpha() and name.isascii():
            continue  # a directive, perhaps; the spec comes first, and no spec is called so
        folder = tmp_path / str(NASTY.index(name))
        folder.mkdir()
        names = [name, "plain.csv"] if place == "first" else ["plain.csv", name]
        for file in ("target", "plain.csv", name, "a1.csv"):
            (folder / file).touch()
            os.utime(folder / file, (1000, 1000))
        os.utime(folder / "target", (2000, 2000))
        (folder / "Makefile").write_text("target:\n\t@echo built\n" + depfile.text("target", names))
        assert make(folder, "target").stdout == "make: 'target' is up to date.\n", name
        os.utime(folder / name, (3000, 3000))
        assert make(folder, "target").stdout == "built\n", name
        (folder / name).unlink()
        gone = make(folder, "target")
        assert (gone.returncode, gone.stdout, gone.stderr) == (0, "built\n", ""), name


def test_make_reads_every_target(tmp_path: Path) -> None:
    for name in NASTY:
        folder = tmp_path / str(NASTY.index(name))
        folder.mkdir()
        text = depfile.text(name, ["plain.csv"])
        (folder / "Makefile").write_text(text.replace("\nplain.csv:", "\n\t@echo built\nplain.csv:"))
        for file, when in ((name, 1000), ("plain.csv", 2000)):
            (folder / file).touch()
            os.utime(folder / file, (when, when))
        ran = make(folder, *([] if "=" in name else ["--", name]))  # make would set a variable
        assert (ran.stdout, ran.stderr) == ("built\n", ""), name


def test_a_plain_job_is_written_as_compilers_do() -> None:
    assert depfile.text("out/a.jsonl", ["a.yaml", "rows.csv", "a.yaml"]) == (
        "out/a.jsonl: \\\n  a.yaml \\\n  rows.csv\na.yaml:\nrows.csv:\n"
    )


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a;b", "a|b", "~root", "lib(member)", "a\rb", "a ", "a\\"])
def test_names_that_make_cannot_read(name: str) -> None:
    with pytest.raises(CannotCreate) as caught:
        depfile.text("out", ["plain", name])
    assert str(caught.value) == f"make cannot read the file name {name!r} in a dependency file"
    assert caught.value.hint == "rename the file, or run without --depfile"


# ---- the command -------------------------------------------------------------------------------


def test_it_names_all_that_the_answer_is_made_from(bench: Bench) -> None:
    bench.write("prompts/system.md", "Be brief.")
    bench.write("rows.csv", "id,text,image\n1,a,a.png\n2,b,b.png\n")
    for name in ("a.png", "b.png"):
        bench.path(name).write_bytes(PIXEL)
    image = {"type": "base64", "media_type": "image/png", "data": {"$base64": "{{ image }}"}}
    content = [{"type": "image", "source": image}, {"type": "text", "text": "{{ text }}"}]
    bench.job(
        request={"system": {"$file": "prompts/system.md"}, "messages": [{"role": "user", "content": content}]}
    )
    bench.run("run", "--depfile", "out/answers.d", code=0)
    assert bench.path("out/answers.d").read_text() == depfile.text(
        "out/answers.jsonl", ["batch.yaml", "prompts/system.md", "rows.csv", "a.png", "b.png"]
    )


def test_names_are_those_by_which_the_spec_was_called(bench: Bench) -> None:
    bench.job(rows=1, input={"path": str(bench.folder.parent / "data/rows.csv")})
    data = bench.folder.parent / "data"
    data.mkdir()
    shutil.move(bench.path("rows.csv"), data / "rows.csv")
    inner = bench.folder / "inner"
    inner.mkdir()
    (bench.folder.parent / "link").symlink_to(bench.folder)
    for cwd, spec, root in (
        (bench.folder, "batch.yaml", "../data"),
        (bench.folder.parent, "job/batch.yaml", "data"),
        (bench.folder.parent, "link/batch.yaml", "data"),
        (inner, "../batch.yaml", "../../data"),
        (bench.folder, str(bench.folder / "batch.yaml"), str(data)),
    ):
        command = ["run", spec, "--root", root, "--depfile", str(bench.path("d"))]
        ran = subprocess.run(
            [sys.executable, "-m", "batchrun", *command],
            cwd=cwd,
            env=bench.environment(),
            capture_output=True,
        )
        assert ran.returncode == 0, ran.stderr
        folder = Path(spec).parent
        assert bench.path("d").read_text() == depfile.text(
            str(folder / "out/answers.jsonl"), [spec, f"{root}/rows.csv"]
        )
    assert len(bench.ledger()) == 1


def test_a_folder_and_a_glob_are_named_too(bench: Bench) -> None:
    """A file that comes into them is a new row."""
    bench.write("texts/a.txt", "Hello")
    bench.write("more/b.txt", "Hello")
    bench.write("out/c.txt", "Hello")
    bench.job(
        input={"path": ["texts", "more/*.txt", "out/*.txt"], "id": None, "format": "text"},
        request={"messages": [{"role": "user", "content": "{{ text }}"}]},
    )
    bench.run("run", "--depfile", "d", code=0)
    assert bench.path("d").read_text() == depfile.text(
        "out/answers.jsonl", ["batch.yaml", "texts/a.txt", "more/b.txt", "out/c.txt", "more", "texts"]
    )


def test_it_is_there_before_anything_is_sent_and_left_alone_afterwards(bench: Bench) -> None:
    now = [time.time()]
    bench.serve(seconds=1000, clock=lambda: now[0])
    bench.job(rows=1)
    bench.run("run", "--no-wait", "--depfile", "made/by/d", code=75)
    first = bench.path("made/by/d").stat()
    assert first.st_mode & 0o777 == 0o666 & ~_umask()
    now[0] += 1000
    bench.run("run", "--depfile", "made/by/d", code=0)
    bench.run("run", "--depfile", "made/by/d", code=0)
    assert bench.path("made/by/d").stat().st_mtime_ns == first.st_mtime_ns
    calls = len(bench.calls())
    bench.path("made/by/d").unlink()
    bench.run("run", "--depfile", "made/by/d", code=0)  # nothing to do but this
    assert bench.path("made/by/d").exists()
    assert len(bench.calls()) == calls


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_sandbox_names_its_own_answer(bench: Bench) -> None:
    bench.job(rows=1)
    bench.run("run", "--sandbox", "--depfile", "d", code=0)
    assert bench.path("d").read_text().startswith("out/answers.sandbox.jsonl: ")


def test_nothing_is_sent_when_it_cannot_be_written(bench: Bench) -> None:
    bench.job(rows=1, input={"path": "a;b.csv"})
    bench.path("rows.csv").rename(bench.path("a;b.csv"))
    ran = bench.run("run", "--depfile", "d", code=73)
    assert "error: make cannot read the file name 'a;b.csv' in a dependency file\n" in ran.stderr
    bench.job(rows=1)
    for name, fault in (
        ("batch.yaml", "error: batch.yaml is a file of the job itself; a dependency file would replace it\n"),
        ("out/answers.jsonl", "error: out/answers.jsonl is a file of the job itself;"),
        ("rows.csv/d", "error: cannot create rows.csv/d: Not a directory\n"),
    ):
        assert fault in bench.run("run", "--depfile", name, code=73).stderr
    assert bench.ledger() == []
