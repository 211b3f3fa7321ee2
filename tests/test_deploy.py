"""What examples/deploy promises: units that systemd takes, a crontab that cron's shell runs, an image that needs no
right. Docker itself is not asked for: its steps are read, and rehearsed as another user on a read-only root."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

import batchrun
from batchrun.config.values import CREDENTIAL
from batchrun.errors import ExitCode
from tests.conftest import MakeSimulator
from tests.workbench import PATIENCE, Bench

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "examples/deploy"
UNITS = sorted(path.name for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer", ".path"))
SERVICES = [name for name in UNITS if name.endswith(".service")]
EXPOSURE = 20
"""Tenths; systemd calls less than 2.0 safe enough to say "OK", and an unhardened service has 9.6."""

with_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    return bench


# ---- systemd -----------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there: systemd wants to see it."""
    for name in UNITS:
        text = (DEPLOY / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/batchrun/bin/batchrun", "/bin/true"))
    return tmp_path


@with_systemd
def test_systemd_takes_the_units(units: Path) -> None:
    files = [f"./{name}" for name in UNITS]
    ran = subprocess.run(["systemd-analyze", "verify", *files], cwd=units, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@with_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_little_to_harden(units: Path, name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", f"./{name}"]
    ran = subprocess.run(command, cwd=units, capture_output=True, text=True)
    if "unrecognized option" in ran.stderr:
        pytest.skip("this systemd-analyze judges no unit files")
    assert ran.returncode == 0, ran.stdout[-300:] + ran.stderr


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / name)
    return parser


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_run_what_there_is(name: str) -> None:
    """The command line is one that batchrun understands, and nothing but its folder can be written."""
    service = unit(name)["Service"]
    program, verb, folder, *options = shlex.split(service["ExecStart"])
    assert program.endswith("/bin/batchrun")
    helped = subprocess.run(
        [sys.executable, "-m", "batchrun", verb, "--help"], capture_output=True, text=True, check=True
    )
    assert all(option in helped.stdout for option in options)
    assert service["ReadWritePaths"] == folder
    assert service["ProtectSystem"] == "strict"
    assert service["LoadCredential"].partition(":")[0] == CREDENTIAL
    assert "Environment" not in service
    stopped = 128 + 15
    assert service["SuccessExitStatus"].split() == [str(int(ExitCode.NOT_FINISHED)), str(stopped)]


def test_the_units_belong_together() -> None:
    assert unit("batchrun-tick.path")["Path"]["Unit"] == "batchrun-tick.service"
    watched = unit("batchrun-tick.path")["Path"]["PathChanged"]
    assert watched == unit("batchrun-tick.service")["Service"]["ReadWritePaths"]
    (line,) = (s for s in (DEPLOY / "sysusers.conf").read_text().splitlines() if not s.startswith("#"))
    assert shlex.split(line)[1] == unit("batchrun-watch.service")["Service"]["User"]


NAMES_THE_MODE = ("docs/deploy.md", "examples/deploy/batchrun-watch.service")


def test_nobody_moves_away_the_state_of_a_dropped_folder(tmp_path: Path) -> None:
    """Whoever may drop a spec may rename what lies beside it, unless the folder has the sticky bit."""
    folder = unit("batchrun-watch.service")["Service"]["ReadWritePaths"]
    (line,) = (
        s
        for s in (ROOT / NAMES_THE_MODE[0]).read_text().splitlines()
        if s.startswith("sudo install -d -o batchrun")
    )
    command = shlex.split(line)
    assert command[-1] == folder
    mode = command[command.index("-m") + 1]
    made = tmp_path / "incoming"
    subprocess.run(["install", "-d", "-m", mode, made], check=True)
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_ISVTX | stat.S_ISGID | stat.S_IRWXU | stat.S_IRWXG
    files = [*(ROOT / "docs").glob("*.md"), *(path for path in DEPLOY.iterdir() if path.is_file())]
    named = {
        (path.name, mode) for path in files for mode in re.findall(r"\b[0-7]?[0-7]770\b", path.read_text())
    }
    assert {(Path(name).name, mode) for name in NAMES_THE_MODE} <= named
    assert [place for place in named if not int(place[1], 8) & stat.S_ISVTX] == []


def test_the_key_comes_as_a_credential(bench: Bench, tmp_path: Path) -> None:
    """As a service has it: in no variable and in no file of the job."""
    key = bench.env.pop("ANTHROPIC_API_KEY")
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / CREDENTIAL).write_text(f"{key}\n")
    (credentials / CREDENTIAL).chmod(0o400)
    bench.job(rows=2)
    assert "no API key" in bench.run("run", code=ExitCode.CONFIG).stderr
    bench.run("run", code=0, CREDENTIALS_DIRECTORY=str(credentials))
    assert len(bench.records()) == 2
    kept = [path for path in bench.folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert kept == []


# ---- cron --------------------------------------------------------------------------------------


def crontab() -> tuple[list[str], str]:
    (line,) = (s for s in (DEPLOY / "crontab").read_text().splitlines() if not s.startswith("#"))
    *schedule, command = line.split(" ", 5)
    return schedule, command


def as_cron(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Nothing but what cron gives to its children (crontab(5))."""
    given = ["HOME=" + str(home), "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "LOGNAME=somebody"]
    line = ["env", "-i", *given, "/bin/sh", "-c", command]
    return subprocess.run(line, cwd=home, capture_output=True, text=True, timeout=PATIENCE)


def test_cron_runs_the_line(bench: Bench) -> None:
    schedule, command = crontab()
    assert schedule == ["*/5", "*", "*", "*", "*"]
    assert "%" not in command  # cron would make a line end of it
    home = bench.folder
    program = bench.write(
        "venv/bin/batchrun", f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m batchrun "$@"\n'
    )
    program.chmod(0o700)
    bench.rows(2, file="jobs/incoming/rows.csv")
    bench.job("jobs/incoming/labels.yaml")
    now = [time.time()]
    bench.serve(seconds=1000, clock=lambda: now[0])
    bench.write("jobs/key.env", "".join(f"{name}={value}\n" for name, value in bench.env.items()))
    silent = (0, "", "")
    assert said(as_cron(command, home)) == silent  # submitted, and not finished: no news
    now[0] += 1000
    deadline = time.monotonic() + PATIENCE
    while not (home / "jobs/incoming/done/labels.yaml").exists() and time.monotonic() < deadline:
        assert said(as_cron(command, home)) == silent
    assert len(bench.records("jobs/incoming/out/answers.jsonl")) == 2
    limits, output = {"max_cost_usd": 0.0000001}, {"path": "out/dear.jsonl"}
    bench.job("jobs/incoming/dear.yaml", limits=limits, output=output)
    while not (mail := as_cron(command, home)).stderr and time.monotonic() < deadline:
        pass
    assert mail.returncode == 1
    assert mail.stderr.startswith("dear: needs a person: ")
    assert "  batchrun plan incoming/dear.yaml\n" in mail.stderr
    assert len(bench.ledger()) == 1


def said(ran: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return ran.returncode, ran.stdout, ran.stderr


def test_a_home_without_jobs_is_told_about(tmp_path: Path) -> None:
    ran = as_cron(crontab()[1], tmp_path)
    assert ran.returncode != 0
    assert "jobs" in ran.stderr


# ---- containers --------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """(instruction, argument) of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest.strip()) for word, _, rest in lines]


def test_the_image_runs_without_any_right() -> None:
    steps = instructions()
    images = [rest.split()[0] for word, rest in steps if word == "FROM"]
    assert all(re.fullmatch(r"python:3\.\d+-slim", image) for image in images)
    final = steps[max(n for n, (word, _) in enumerate(steps) if word == "FROM") :]
    last = dict(final)
    assert last["USER"] == "10001:10001"
    assert last["VOLUME"] == last["WORKDIR"] == "/jobs"
    assert [w for w, _ in final].index("USER") > max(n for n, (w, _) in enumerate(final) if w == "RUN")
    assert not any(word in ("ADD", "HEALTHCHECK", "ARG") for word, _ in steps)
    assert not any("KEY" in rest or "TOKEN" in rest for word, rest in steps if word == "ENV")


def test_the_build_sees_only_what_the_wheel_is_made_from() -> None:
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_compose_takes_every_right_away() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    service = compose["services"]["batchrun"]
    assert service["read_only"] is True
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["secrets"] == list(compose["secrets"]) == [CREDENTIAL]
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()


REHEARSAL = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/python /mnt/packages /mnt/code /mnt/jobs
mount --bind -o ro "$PYTHON" /mnt/python
mount --bind -o ro "$PACKAGES" /mnt/packages
mount --bind -o ro "$CODE" /mnt/code
mount --bind "$JOBS" /mnt/jobs
mount -o remount,ro /mnt
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /tmp
if test -w /usr || test -w /mnt || test -w /mnt/code; then exit 99; fi
cd /mnt/jobs
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all \\
    env -i HOME=/jobs LD_LIBRARY_PATH=/mnt/python/lib PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/mnt/code:/mnt/packages \\
    /mnt/python/bin/python3 -m batchrun watch /mnt/jobs --polling --once --sandbox --settle 0
"""


def test_it_works_as_another_user_on_a_read_only_root(tmp_path: Path) -> None:
    """What the container does, without one: its user, its rights, its file systems."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs root, unshare and setpriv to take rights away")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    bench = Bench(tmp_path)
    shutil.copy(bench.job(rows=2), jobs / "labels.yaml")
    shutil.copy(bench.path("rows.csv"), jobs)
    for path in (jobs, *jobs.iterdir()):
        os.chown(path, 10001, 10001)
    env = {
        "PATH": os.environ["PATH"],
        "JOBS": str(jobs),
        "CODE": str(Path(batchrun.__file__).parent.parent),
        "PYTHON": sys.base_prefix,
        "PACKAGES": sysconfig.get_path("platlib"),
    }
    deadline = time.monotonic() + PATIENCE
    while True:
        command = ["unshare", "--mount", "sh", "-c", REHEARSAL]
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
        if ran.returncode in (1, 32) and re.search("(unshare|mount): .*(denied|permitted)", ran.stderr):
            pytest.skip("this machine lets nobody mount")
        if ran.returncode != ExitCode.NOT_FINISHED or time.monotonic() > deadline:
            break
    assert ran.returncode == 0, ran.stderr
    assert (jobs / "done/labels.yaml").stat().st_uid == 10001
    assert (jobs / "out/answers.sandbox.jsonl").read_text().count("\n") == 2
