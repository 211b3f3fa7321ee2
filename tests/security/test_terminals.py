"""What others wrote (models, the API, file names, specs, rows) moves no terminal: whatever stream it comes on."""

from __future__ import annotations

import csv
import unicodedata
from io import StringIO
from pathlib import Path

import orjson
import pytest

from tests.conftest import MakeSimulator
from tests.rawserver import RawServer, api_error, batch_json, http
from tests.workbench import Bench, Ran

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eexe.\u200b\u2028x\x7f"
"""A title, a cleared screen, a colour in one byte, reversed text, no width, a line of its own, a deletion."""

_MOVES = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}


def calm(*runs: Ran) -> None:
    for ran in runs:
        for stream in (ran.stdout, ran.stderr):
            moving = {c for c in stream if unicodedata.category(c) in _MOVES and c not in "\n\t"}
            assert moving == set(), (moving, stream)


@pytest.fixture
def bench(tmp_path: Path, make_simulator: MakeSimulator) -> Bench:
    return Bench(tmp_path, make_simulator)


def test_what_a_model_and_the_api_say_of_rows(bench: Bench) -> None:
    error = {"type": "invalid_request_error", "message": EVIL}
    bench.serve(
        results=[{"match": "word 1", "text": EVIL}, {"match": "word 2", "type": "errored", "error": error}]
    )
    bench.job(rows=3, name="job")
    runs = [bench.run("run", code=3), bench.run("run", "--json", code=3), bench.run("status", code=0)]
    calm(*runs)
    log = (bench.run_folder("job") / "log.jsonl").read_text()
    calm(Ran(0, log, ""))


@pytest.mark.parametrize("args", [("run",), ("batches", "list")])
def test_what_the_api_says_of_a_call(bench: Bench, args: tuple[str, ...]) -> None:
    bench.job(rows=1)
    with RawServer(api_error(400, "invalid_request_error", EVIL, code=EVIL)) as server:
        calm(bench.run(*args, ANTHROPIC_BASE_URL=server.url))


@pytest.mark.parametrize("args", [("list", "--json"), ("get", "msgbatch_1")])
def test_what_stands_in_a_batch(bench: Bench, args: tuple[str, ...]) -> None:
    batch = batch_json(status="ended") | {"processing_status": EVIL, "results_url": EVIL, EVIL: EVIL}
    answer = {"data": [batch], "has_more": False} if args[0] == "list" else batch
    with RawServer(http(answer)) as server:
        calm(bench.run("batches", *args, code=0, ANTHROPIC_BASE_URL=server.url))


@pytest.mark.parametrize("args", [("validate", "--json"), ("run",)])
def test_names_of_files_and_values_of_specs(bench: Bench, args: tuple[str, ...]) -> None:
    name = EVIL.replace("/", "")
    bench.job(
        f"{name}.yaml", input={"path": f"{name}.csv"}, request={"model": EVIL, EVIL: 1}, output={"path": EVIL}
    )
    calm(bench.run(*args, f"{name}.yaml", code=65))


@pytest.mark.parametrize("args", [("validate",), ("plan", "--json"), ("run", "--json"), ("status", "--json")])
def test_a_job_whose_every_name_is_evil(bench: Bench, args: tuple[str, ...]) -> None:
    """All of them may stand in a job that runs."""
    bench.serve()
    name = EVIL.replace("/", "")
    bench.write(f"{name}.csv", f"id,{orjson.dumps(EVIL).decode()}\n{EVIL},b\n")
    content = {"messages": [{"role": "user", "content": EVIL + "{{ id }}"}]}
    spec = f"{name}.yaml"
    data = bench.job(
        "batch.yaml", name="job", input={"path": f"{name}.csv", "id": None}, request=content,
        output={"path": f"{name}.jsonl"},
    )  # fmt: skip
    data.rename(bench.folder / spec)
    if args[0] == "status":
        bench.run("run", spec, code=0)
    calm(bench.run(*args, spec, code=0))


@pytest.mark.parametrize(
    "table", [f"id,id\n{EVIL},1\n", f'id,{EVIL}\n1,2,"{EVIL}"\n', f"id,b\n{EVIL},1\n{EVIL},2\n"]
)
def test_what_is_wrong_with_a_row(bench: Bench, table: str) -> None:
    bench.job()
    bench.write("rows.csv", table)
    calm(bench.run("validate", code=65), bench.run("run", code=65))


def test_a_column_that_is_a_formula(bench: Bench) -> None:
    """In the header as well: the row's own columns and the user's."""
    bench.serve(results=[{"match": "a", "text": '=HYPERLINK("https://evil.example")'}])
    bench.job(
        input={"path": "rows.csv", "id": "=id"},
        output={
            "path": "out.csv",
            "columns": {"@sum": "{{ text }}", "-x": "{{ text }}!"},
            "include": "input",
        },
        request={"messages": [{"role": "user", "content": "{{ row['text'] }}"}]},
    )
    bench.write("rows.csv", '=id,text,"\t=tab","\r=cr"\n+1,a,-2+3,"\n=x"\n')
    bench.go(code=0)
    header, *_ = written = list(csv.reader(StringIO(bench.path("out.csv").read_bytes().decode(), newline="")))
    assert header == ["'@sum", "'-x", "'=id", "text", "'\t=tab", "'\r=cr"]
    link = '\'=HYPERLINK("https://evil.example")'
    assert written[1:] == [[link, f"{link}!", "+1", "a", "'-2+3", "'\n=x"]]
