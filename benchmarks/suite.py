"""What is compared with what. Each function measures one line of the table, or several that share their data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from batchrun.errors import ExitCode
from benchmarks import data
from benchmarks.measure import Figure, in_turns, output, process, python
from benchmarks.server import Server, serving

MEGABYTE = 1_000_000
BARE = python("-c", "pass")


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison. `goal` is what the ratio should stay under, `peak_goal` our process's memory in bytes.

    The ratio is of processor time, which a busy machine does not change. Where waiting is what counts, for the
    disk or the other end, `waits` makes it one of wall time.
    """

    stage: str
    floor: str
    ours: Figure
    theirs: Figure
    goal: float
    peak_goal: int | None = None
    waits: bool = False

    @property
    def ratio(self) -> float:
        return self.wall if self.waits else self.cpu

    @property
    def wall(self) -> float:
        return self.ours.seconds / self.theirs.seconds

    @property
    def cpu(self) -> float:
        return self.ours.cpu / max(self.theirs.cpu, 0.001)  # a small one may round to nothing


@dataclass(frozen=True, slots=True)
class Note:
    """A fact that is no comparison."""

    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How large and how often. `place` is an empty folder of ours."""

    place: Path
    rows: int
    runs: int
    shard_bytes: int
    jobs: int

    def stage(self, folder: Path, name: str, env: Mapping[str, str] | None = None) -> Callable[[], Figure]:
        command = python("-m", "benchmarks.stages", name)
        return lambda: process(command, cwd=folder, env=_with_path(env))


def _with_path(env: Mapping[str, str] | None) -> dict[str, str]:
    """An environment in which `-m benchmarks…` is found from any folder."""
    return {**(os.environ if env is None else env), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


# ---- small things ------------------------------------------------------------------------------


def start(plan: Plan) -> Iterator[Line]:
    bare = partial(process, BARE, cwd=plan.place)
    runs = plan.runs * 5
    for option in ("--version", "--help"):
        ours, floor = in_turns(runs, partial(process, python("-m", "batchrun", option), cwd=plan.place), bare)
        yield Line(f"batchrun {option}", "bare interpreter", ours, floor, 5)


def save(plan: Plan) -> Iterator[Line]:
    folder = data.folder(plan.place / "save", 10)
    with serving(plan.place / "save-api") as server:
        _run(folder, server)
    names = ("save", "save-floor", "save-durable")
    ours, floor, durable = in_turns(plan.runs * 3, *(plan.stage(folder, name) for name in names))
    yield Line("state save × 100", "write 4 KB, fsync, rename", ours, floor, 1.3, waits=True)
    yield Line("state save × 100", "the same, and fsync folder", ours, durable, 1.3, waits=True)


def tick(plan: Plan) -> Iterator[Line | Note]:
    """A folder of jobs that run, of which none is due."""
    folder = plan.place / "tick"
    folder.mkdir()
    data.write_csv(folder / "tickets.csv", 1)
    for number in range(plan.jobs):
        output, poll = {"path": f"out/{number}.jsonl"}, {"interval": "1h"}
        data.write_spec(folder / f"{number}.yaml", output=output, poll=poll)
    command = python("-m", "batchrun", "tick", ".", "--in-place", "--settle", "0")
    with serving(plan.place / "tick-api", process_seconds=3600) as server:

        def look() -> Figure:
            return process(command, cwd=folder, env=server.environ, code=ExitCode.NOT_FINISHED)

        look()  # the first submits them
        ours, floor = in_turns(plan.runs * 3, look, partial(process, BARE, cwd=folder))
    # The bound is on what a job adds to the start of a command.
    each = (ours.cpu - floor.cpu) / plan.jobs * 1000
    yield Line(
        f"tick, {plan.jobs:,} idle jobs", "bare interpreter", ours, floor, 8 + plan.jobs * 0.001 / floor.cpu
    )
    yield Note(f"a job of a tick: {each:.2f} ms of processor time, the start included")
    shutil.rmtree(folder)


# ---- expand ------------------------------------------------------------------------------------


def expand(plan: Plan) -> Iterator[Line]:
    plain = data.folder(plan.place / "plain", plan.rows)
    ours, floor = in_turns(plan.runs, plan.stage(plain, "expand"), plan.stage(plain, "expand-floor"))
    yield Line("expand, plain template", "csv, %-format, orjson", ours, floor, 1.3)
    data.write_spec(plain / "job.yaml", template=data.LOGIC)
    ours, floor = in_turns(plan.runs, plan.stage(plain, "expand"), plan.stage(plain, "render-floor"))
    yield Line("expand, logic in template", "minijinja alone", ours, floor, 1.6)
    data.write_spec(plain / "job.yaml", template=data.BARE)
    ours, floor = in_turns(plan.runs, plan.stage(plain, "checks"), plan.stage(plain, "expand"))
    yield Line("checks of every row", "expand, nothing but a column", ours, floor, 0.05)
    shutil.rmtree(plain)


# ---- submit, download --------------------------------------------------------------------------


def transfer(plan: Plan) -> Iterator[Line]:
    row_bytes = 2_400 if plan.rows >= 1_000 else data.ROW_BYTES
    count = plan.shard_bytes // row_bytes + 1
    folder = data.folder(plan.place / "transfer", count, row_bytes=row_bytes)
    data.write_spec(folder / "job.yaml", limits={"batch_bytes": plan.shard_bytes})
    plan.stage(folder, "expand")()
    shutil.copy(folder / ".batchrun/job/shards/0001.jsonl", folder / "shard.jsonl")
    _body(folder / "shard.jsonl", folder / "body.json")
    with serving(plan.place / "transfer-api") as server:
        headers = ("x-api-key: simulated", "anthropic-version: 2023-06-01", "content-type: application/json")
        curl = ["curl", "-sSf", *(word for header in headers for word in ("-H", header))]
        batches = f"{server.url}/v1/messages/batches"
        post = [*curl, "-o", "reply.json", "--data-binary", "@body.json", batches]
        ours, floor = in_turns(
            plan.runs, plan.stage(folder, "submit", server.environ), lambda: process(post, cwd=folder)
        )
        size = (folder / "body.json").stat().st_size
        label = f"submit a {size / MEGABYTE:,.0f} MB shard"
        yield Line(label, "curl --data-binary", ours, floor, 1.2, 100 * MEGABYTE, waits=True)
        id = (folder / "batch").read_text()
        get = [*curl, "-o", "results.floor", f"{batches}/{id}/results"]
        process(get, cwd=folder)  # the simulator makes the results when they are first asked for
        ours, floor = in_turns(
            plan.runs, plan.stage(folder, "download", server.environ), lambda: process(get, cwd=folder)
        )
        yield Line("download and prove its results", "curl -o", ours, floor, 2, waits=True)
    shutil.rmtree(folder)


def _body(shard: Path, body: Path) -> None:
    """What is on the wire for a shard, as a file for curl."""
    with shard.open("rb") as lines, body.open("wb") as out:
        out.write(b'{"requests":[')
        for number, line in enumerate(lines):
            out.write((b"," if number else b"") + line[:-1])
        out.write(b"]}")


# ---- the whole job -----------------------------------------------------------------------------


def whole(plan: Plan) -> Iterator[Line | Note]:
    folder = data.folder(plan.place / "whole", plan.rows)
    with serving(plan.place / "whole-api") as server:
        calls: list[int] = []

        def ours() -> Figure:
            shutil.rmtree(folder / ".batchrun", ignore_errors=True)
            (folder / "answers.jsonl").unlink(missing_ok=True)
            before = len(server.calls())
            figure = _less_server(server, lambda: _run(folder, server))
            calls.append(len(server.calls()) - before)
            return figure

        def script(name: str) -> Callable[[], Figure]:
            command = python("-m", f"benchmarks.plain.{name}", "tickets.csv", f"{name}.jsonl")
            env = _with_path(server.environ)
            return lambda: _less_server(server, lambda: process(command, cwd=folder, env=env))

        job, sdk, memory, streaming = in_turns(
            plan.runs, ours, script("sdk"), script("memory"), script("streaming")
        )
        label = "whole job, less server time"
        peak = 100 * MEGABYTE
        yield Line(label, "(a) SDK, csv module", job, sdk, 0.2, peak)
        yield Line(label, "(b) requests, json, memory", job, memory, 0.5, peak)
        yield Line(label, "(c) best plain loop", job, streaming, 1.4, peak)
        size = (folder / "tickets.csv").stat().st_size
        yield Note(f"calls of the API for one job: {min(calls)}; saves of its state: {_saves(folder)}")
        yield Note(
            f"bytes read and written per byte of data: {job.read / size:.1f}, {job.written / size:.1f}"
        )
        yield _looks(plan, server)

        def rerun() -> Figure:
            """Without the address of an API: it asks none, and most people have none to set."""
            env = {name: value for name, value in server.environ.items() if name != "ANTHROPIC_BASE_URL"}
            return process(python("-m", "batchrun", "run", "job.yaml"), cwd=folder, env=env)

        again, floor = in_turns(plan.runs * 5, rerun, partial(process, BARE, cwd=folder))
        yield Line("finished rerun", "bare interpreter", again, floor, 8)
        # Last: it writes the answer behind the job's back.
        gather, floor = in_turns(
            plan.runs, plan.stage(folder, "collect"), plan.stage(folder, "collect-floor")
        )
        yield Line("collect", "orjson parse + dump", gather, floor, 1.5)
    shutil.rmtree(folder)


def _saves(folder: Path) -> int:
    """How often the state was saved: once for each revision, and once before the first."""
    state = orjson.loads((folder / ".batchrun/job/state.json").read_bytes())
    return int(state["revision"]) + 1


def _looks(plan: Plan, server: Server) -> Note:
    """Counted on a small job: counting is slow."""
    folder = data.folder(plan.place / "looks", 200)
    command = python("-m", "benchmarks.waste", "job.yaml")
    counts = orjson.loads(output(command, cwd=folder, env=_with_path(server.environ)))
    return Note("per row: " + ", ".join(f"{what} {times:g} ×" for what, times in sorted(counts.items())))


def growth(plan: Plan) -> Iterator[Line]:
    """Ten times the rows: ten times the time, and no more memory."""
    figures = []
    for number, rows in enumerate((plan.rows, plan.rows * 10)):
        folder = data.folder(plan.place / f"growth-{number}", rows)
        with serving(plan.place / f"growth-api-{number}") as server:
            figures.append(_less_server(server, partial(_run, folder, server)))
        shutil.rmtree(folder)
    one, ten = figures
    yield Line(f"{plan.rows * 10:,} rows", f"{plan.rows:,} rows", ten, one, 10.5, 300 * MEGABYTE)


def _run(folder: Path, server: Server) -> Figure:
    return process(python("-m", "batchrun", "run", "job.yaml"), cwd=folder, env=server.environ)


def _less_server(server: Server, run: Callable[[], Figure]) -> Figure:
    """The figure without the processor time that the server took meanwhile: nobody's script can help it."""
    before = server.cpu_seconds()
    figure = run()
    took = server.cpu_seconds() - before
    return Figure(figure.seconds - took, figure.cpu, figure.peak, figure.read, figure.written)


PARTS: dict[str, Callable[[Plan], Iterator[Line | Note]]] = {
    "start": start,
    "save": save,
    "tick": tick,
    "expand": expand,
    "transfer": transfer,
    "whole": whole,
    "growth": growth,
}


def measure(plan: Plan, parts: Iterable[str]) -> Iterator[Line | Note]:
    """The lines of these parts, as they are measured."""
    for name in parts:
        yield from PARTS[name](plan)
