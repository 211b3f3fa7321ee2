"""Each stage of the job and its floor, as a process that says in its last line how long the stage alone took.

python -m benchmarks.stages NAME ARGUMENT…
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import orjson

from benchmarks import data


@contextmanager
def stage() -> Iterator[None]:
    """What stands in this block is the stage; the rest is getting there."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(orjson.dumps(took).decode())


# ---- expand ------------------------------------------------------------------------------------


def expand() -> None:
    """Rows to shards, with keys, digests, estimate and the rows file, durable."""
    from batchrun.cost.prices import price_of
    from batchrun.run.prepare import prepare
    from batchrun.rundir.store import Store
    from batchrun.spec import load

    job = load(Path("job.yaml")).job
    price_of(data.MODEL)  # imports the price list
    shutil.rmtree(".batchrun", ignore_errors=True)
    store = Store(job.root, job.name)
    with store.locked(), stage():
        prepare(job, None, store)


def checks() -> None:
    """What the rows may still get wrong where only text differs between them: their texts and their length."""
    from batchrun.inputs.rows import open_rows
    from batchrun.model import Slice
    from batchrun.requests.holes import some_are_blank
    from batchrun.requests.rendering import Renderer
    from batchrun.spec import load

    job = load(Path("job.yaml")).job
    assert job.request is not None
    renderer = Renderer(job.request, lambda _path: b"")
    assert renderer.bare, "the template has text of its own: no row can leave it empty"
    filled = []
    for piece in open_rows(job.input, root=job.root, roots=job.roots).pieces():
        if isinstance(piece, Slice) and (holes := renderer.filled(piece)) is not None:
            filled.append(holes)
    with stage():
        for holes in filled:
            assert not some_are_blank(holes, renderer.bare)
            assert max(map(len, holes[0])) < 1 << 20


def expand_floor() -> None:
    """The loop of the plain streaming script."""
    from benchmarks.plain.streaming import expand as plain

    with stage():
        plain(Path("tickets.csv"))


def render_floor() -> None:
    """Nothing but minijinja, on rows that are there already."""
    from minijinja import Environment

    with Path("tickets.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    environment = Environment(templates={"t": data.LOGIC})
    with stage():
        for row in rows:
            environment.render_template("t", **row)


# ---- submit, download, prove -------------------------------------------------------------------


def submit() -> None:
    """One POST of the shard."""
    from batchrun.fs.files import lines
    from batchrun.providers import connect

    requests = sum(1 for _ in lines(Path("shard.jsonl")))
    provider = connect("anthropic", os.environ)
    with stage():
        batch = provider.create(Path("shard.jsonl"), requests=requests, betas=(), api_version="2023-06-01")
    Path("batch").write_text(batch.id)


def download() -> None:
    """The results, whole and proven."""
    from batchrun.cost.prices import PriceBook, price_of
    from batchrun.providers import connect
    from batchrun.results.proof import prove
    from batchrun.rundir.shards import custom_ids

    provider, id = connect("anthropic", os.environ), Path("batch").read_text()
    counts = provider.retrieve(id).batch.request_counts
    price = price_of(data.MODEL)  # a job has it in its state
    assert price is not None
    with stage():
        provider.download(id, Path("results.part"))
        prove(Path("results.part"), custom_ids(Path("shard.jsonl")), counts, PriceBook({data.MODEL: price}))


# ---- collect -----------------------------------------------------------------------------------


def collect() -> None:
    """Results to output, in input order."""
    from batchrun.cost.prices import PriceBook
    from batchrun.outputs.collect import collect as gather
    from batchrun.run.reshard import sources
    from batchrun.rundir.store import Store
    from batchrun.spec import load

    job = load(Path("job.yaml")).job
    store = Store(job.root, job.name)
    state = store.load()
    assert state is not None
    assert state.expansion is not None
    job.output.path.unlink(missing_ok=True)
    with stage():
        gather(
            job,
            store.rows(state.expansion.rows_file),
            sources(state, store),
            PriceBook(state.prices),
        )


def collect_floor() -> None:
    """Parse and dump the same lines."""
    results = sorted(Path(".batchrun/job/results").glob("*.jsonl"))
    with stage(), Path("floor.jsonl").open("wb") as out:
        for path in results:
            with path.open("rb") as stream:
                for line in stream:
                    out.write(orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE))


# ---- state -------------------------------------------------------------------------------------

SAVES = 100


def save() -> None:
    """The state of a finished job, saved again and again."""
    from batchrun.rundir.store import Store

    store = Store(Path.cwd(), "job")
    state = store.load()
    assert state is not None
    with stage():
        for _ in range(SAVES):
            store.save(state)


def save_floor(*, durable: bool = False) -> None:
    """4 KB, synced and renamed. Only with the folder synced, too, does the rename outlive a power cut."""
    content = b"x" * 4096
    with stage():
        for _ in range(SAVES):
            with Path("floor.tmp").open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path("floor.tmp").replace("floor.json")
            if durable:
                folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
                os.fsync(folder)
                os.close(folder)


STAGES: dict[str, Callable[[], None]] = {
    "expand": expand,
    "checks": checks,
    "expand-floor": expand_floor,
    "render-floor": render_floor,
    "submit": submit,
    "download": download,
    "collect": collect,
    "collect-floor": collect_floor,
    "save": save,
    "save-floor": save_floor,
    "save-durable": partial(save_floor, durable=True),
}

if __name__ == "__main__":
    STAGES[sys.argv[1]]()
