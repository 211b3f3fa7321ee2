from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from jsonschema import Draft7Validator

from batchrun.codec import decode, encode
from batchrun.cost.amounts import Cause, Summary
from batchrun.cost.prices import price_of
from batchrun.errors import CannotCreate, DataError
from batchrun.model import Usage
from batchrun.outputs.collect import collect
from batchrun.outputs.summing import MAX_CAUSES, Causes
from tests.jobs import asking_for, job, node, rows_file, source
from tests.resultlines import custom_id, ended, errored, succeeded

SCHEMA = Draft7Validator(json.loads((Path(__file__).parents[2] / "schemas/result.schema.json").read_text()))


def records(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    for record in found:
        SCHEMA.validate(record)
    return found


def test_one_record_per_row_in_input_order_whatever_happened(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "a", "b", "c", "d", "e", "f")
    first = source(
        tmp_path / "1",
        succeeded("c", "C", stop_reason="max_tokens"),
        ended("b", "expired"),
        errored("d", "invalid_request_error", "messages.0: Field required"),
        ended("e", "canceled"),
    )
    second = source(tmp_path / "2", succeeded("b", "B"), succeeded("a", "A"), attempt=2)
    done = collect(job(tmp_path), rows, [first, second], price_of)
    out = records(tmp_path / "out/o.jsonl")
    assert [(r["id"], r["row"], r["status"], r["text"], r["batch_id"]) for r in out] == [
        ("T-1", 1, "succeeded", "A", "msgbatch_2"),
        ("T-2", 2, "succeeded", "B", "msgbatch_2"),
        ("T-3", 3, "succeeded", "C", "msgbatch_1"),
        ("T-4", 4, "errored", None, "msgbatch_1"),
        ("T-5", 5, "canceled", None, "msgbatch_1"),
        ("T-6", 6, "canceled", None, None),
    ]
    assert done.changed
    assert done.summary == Summary(
        job="job",
        output=str(tmp_path / "out/o.jsonl"),
        rows=6,
        records=6,
        statuses={"succeeded": 3, "canceled": 2, "errored": 1},
        stop_reasons={"end_turn": 2, "max_tokens": 1},
        problems=(Cause("truncated", "", 1, "T-3"),),
        errors=(Cause("invalid_request_error", "messages.0: Field required", 1, "T-4"),),
        usage=Usage(3000, 600),
        cost_usd=0.003,
    )
    assert not done.summary.all_succeeded
    assert done.summary.unusable == 1
    assert decode(Summary, json.loads(json.dumps(encode(done.summary)))) == done.summary


def test_the_same_answers_leave_the_output_untouched(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "a", "b")
    sources = [source(tmp_path / "1", succeeded("b"), succeeded("a"))]
    first = collect(job(tmp_path), rows, sources, price_of)
    os.utime(tmp_path / "out/o.jsonl", ns=(5, 5))
    again = collect(job(tmp_path), rows, sources, price_of)
    assert (again.changed, again.output.mtime_ns, again.output.sha256) == (False, 5, first.output.sha256)
    assert again.summary == first.summary


def test_no_rows_make_an_empty_file(tmp_path: Path) -> None:
    done = collect(job(tmp_path), rows_file(tmp_path / "rows"), [], price_of)
    assert (tmp_path / "out/o.jsonl").read_bytes() == b""
    assert done.summary.all_succeeded


def test_a_shared_answer_is_counted_once(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "a", "a", "b", "a")
    done = collect(job(tmp_path), rows, [source(tmp_path / "1", succeeded("a"), succeeded("b"))], price_of)
    out = records(tmp_path / "out/o.jsonl")
    assert [r["cost_usd"] for r in out] == [0.001, 0.0, 0.001, 0.0]
    assert [r["text"] for r in out] == ["Blue."] * 4
    summary = done.summary
    assert (summary.cost_usd, summary.usage, summary.repeated) == (0.002, Usage(2000, 400), 2)
    assert summary.statuses == {"succeeded": 4}


def test_samples_are_records_of_their_own(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", ("a1", "a2"), ("b1", "b2"))
    answers = source(tmp_path / "1", *(succeeded(name, name) for name in ("b2", "a1", "b1", "a2")))
    done = collect(job(tmp_path, samples=2), rows, [answers], price_of)
    out = records(tmp_path / "out/o.jsonl")
    assert [(r["row"], r["sample"], r["text"]) for r in out] == [
        (1, 1, "a1"),
        (1, 2, "a2"),
        (2, 1, "b1"),
        (2, 2, "b2"),
    ]
    assert (done.summary.rows, done.summary.records) == (2, 4)


LABELLED = asking_for(node({"type": "object", "required": ["label"]}))


def test_structured_output_is_parsed_and_checked(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "a", "b", "c")
    answers = source(
        tmp_path / "1", succeeded("a", '{"label":"x"}'), succeeded("b", "{}"), succeeded("c", "no")
    )
    done = collect(job(tmp_path, request=LABELLED), rows, [answers], price_of)
    assert [(r["json"], r["problem"]) for r in records(tmp_path / "out/o.jsonl")] == [
        ({"label": "x"}, None),
        (None, "schema: $: 'label' is a required property"),
        (None, "unparsable"),
    ]
    assert done.summary.all_succeeded
    assert done.summary.problems == (
        Cause("schema", "$: 'label' is a required property", 1, "T-2"),
        Cause("unparsable", "", 1, "T-3"),
    )


def test_input_columns_in_jsonl_and_csv(tmp_path: Path) -> None:
    inputs: list[dict[str, Any]] = [{"id": "x", "subject": "=1+1"}, {"subject": "Grüße,\n", "n": 2}]
    rows = rows_file(tmp_path / "rows", "a", "b", inputs=inputs)
    answers = [source(tmp_path / "1", succeeded("a"), errored("b", "api_error", "oh"))]
    collect(job(tmp_path, include_input=True), rows, answers, price_of)
    assert [r["input"] for r in records(tmp_path / "out/o.jsonl")] == inputs
    collect(job(tmp_path, "out/o.csv", include_input=True), rows, answers, price_of)
    assert (tmp_path / "out/o.csv").read_bytes().decode() == (
        "id,row,status,text,problem,error,input_id,subject,n\n"
        "T-1,1,succeeded,Blue.,,,x,'=1+1,\n"
        'T-2,2,errored,,,api_error: oh,,"Grüße,\n",2\n'
    )


def test_csv_with_columns_of_the_users(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "a", "b")
    answers = [source(tmp_path / "1", succeeded("a", '{"label":"x","n":[1]}'), errored("b", "api_error"))]
    columns = {
        "ticket": "{{ id }}",
        "=label": "{{ json.label }}",
        "n": "{{ json.n }}",
        "cost": "{{ cost_usd }}",
    }
    spec = job(tmp_path, "o.csv", columns=columns, request=LABELLED)
    collect(spec, rows, answers, price_of)
    with (tmp_path / "o.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["ticket", "'=label", "n", "cost"],
            ["T-1", "x", "[1]", "0.001"],
            ["T-2", "", "", "0.0"],
        ]


def test_a_column_that_fails_leaves_no_file(tmp_path: Path) -> None:
    spec = job(tmp_path, "o.csv", columns={"bad": "{{ usage + 1 }}"})
    with pytest.raises(DataError, match=r"^row 1: column 'bad': "):
        collect(spec, rows_file(tmp_path / "rows", "a"), [source(tmp_path / "1", succeeded("a"))], price_of)
    assert not (tmp_path / "o.csv").exists()


def test_an_output_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "o.jsonl").mkdir()
    with pytest.raises(CannotCreate, match="it is a folder"):
        collect(job(tmp_path, "o.jsonl"), rows_file(tmp_path / "rows"), [], price_of)


def test_errors_are_grouped_by_cause(tmp_path: Path) -> None:
    names = [str(n) for n in range(6)]
    rows = rows_file(tmp_path / "rows", *names)
    credit = "Your credit balance is too low to access the API. Please go to Plans & Billing."
    lines = [errored(n, "invalid_request_error", f"max_tokens: {n}99 > 64000") for n in names[:3]]
    lines += [errored(n, "invalid_request_error", credit) for n in names[3:5]]
    lines += [errored("5", "not_found_error", "model: \x1b[31mnope")]
    done = collect(job(tmp_path), rows, [source(tmp_path / "1", *lines)], price_of)
    assert done.summary.errors == (
        Cause("invalid_request_error", "max_tokens: 099 > 64000", 3, "T-1"),
        Cause("invalid_request_error", credit, 2, "T-4", money=True),
        Cause("not_found_error", "model: \ufffd[31mnope", 1, "T-6"),
    )


def test_causes_do_not_grow_with_the_rows() -> None:
    causes = Causes()
    letters = "abcdefghijklmnopqrst"
    for one in letters:
        for other in letters:
            causes.add("e", f"message {one} of {other}", "row")
    found = causes.sorted()
    assert len(found) == MAX_CAUSES + 1
    assert found[0] == Cause("e", "…", 200, "row")
    assert sum(cause.count for cause in found) == 400


def test_prices_nobody_knows_and_searches_are_counted(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "a", "b")
    searching = {"input_tokens": 1000, "output_tokens": 0, "server_tool_use": {"web_search_requests": 2}}
    answers = [source(tmp_path / "1", succeeded("a", model="claude-x"), succeeded("b", usage=searching))]
    summary = collect(job(tmp_path), rows, answers, price_of).summary
    assert (summary.unpriced, summary.searches, summary.cost_usd) == (1, 2, 0.0205)


def test_results_need_no_order_and_ids_no_file(tmp_path: Path) -> None:
    rows = rows_file(tmp_path / "rows", "b")
    one, two = source(tmp_path / "1", succeeded("a")), source(tmp_path / "2", succeeded("b"))
    collect(job(tmp_path), rows, [two, one], price_of)
    assert [r["custom_id"] for r in records(tmp_path / "out/o.jsonl")] == [custom_id("b")]


@pytest.mark.parametrize("output", ["out/o.jsonl", "out/o.csv", "out/o.parquet"])
def test_one_odd_answer_does_not_cost_the_others_their_output(tmp_path: Path, output: str) -> None:
    rows = rows_file(tmp_path / "rows", "a", "b", "c", "d")
    answers = source(
        tmp_path / "1",
        succeeded("a", "[" * 300 + "]" * 300),
        succeeded("b", "", content=5, model=[5], stop_reason={"a": 1}),
        succeeded("c", json.dumps(["x" * 48])),
        succeeded("d", '["xxy"]'),
    )
    schema = node({"type": "array", "items": {"pattern": "^(x+x+)+y$"}})
    done = collect(job(tmp_path, output, request=asking_for(schema)), rows, [answers], price_of)
    assert {(p.type, p.count) for p in done.summary.problems} == {("unparsable", 2), ("schema", 1)}
    assert done.summary.records == 4
    if output.endswith("jsonl"):
        out = records(tmp_path / output)
        assert [r["json"] for r in out] == [None, None, None, ["xxy"]]


ODD_TEXTS = [
    "one\u2028two",
    "one\u2029two",
    "one\x85two",
    "one\rtwo",
    "one\r\ntwo\n",
    "a\r",
    "\u2028",
    "a\x0bb\x0cc\x1cd\x1ee",
]
"""Each holds what ends a line to a careless reader."""


def read_back(path: Path) -> list[str]:
    """The texts of an output, by the reader that its format has in the standard library, or pyarrow's."""
    match path.suffix:
        case ".jsonl":
            return [json.loads(line)["text"] for line in path.read_bytes().removesuffix(b"\n").split(b"\n")]
        case ".csv":
            with path.open(newline="", encoding="utf-8") as stream:
                return [row["text"] for row in csv.DictReader(stream)]
        case _:
            return [str(row["text"]) for row in pyarrow.parquet.read_table(path).to_pylist()]


@pytest.mark.parametrize("output", ["out/o.jsonl", "out/o.csv", "out/o.parquet"])
def test_ends_of_lines_in_a_text_end_no_record(tmp_path: Path, output: str) -> None:
    keys = [f"k{number}" for number in range(len(ODD_TEXTS))]
    answers = source(tmp_path / "1", *(succeeded(k, text) for k, text in zip(keys, ODD_TEXTS, strict=True)))
    done = collect(job(tmp_path, output), rows_file(tmp_path / "rows", *keys), [answers], price_of)
    assert done.summary.records == len(ODD_TEXTS)
    assert read_back(tmp_path / output) == ODD_TEXTS


@pytest.mark.parametrize("output", ["out/o.jsonl", "out/o.csv"])
def test_ends_of_lines_in_structured_output_end_no_record(tmp_path: Path, output: str) -> None:
    keys = [f"k{number}" for number in range(len(ODD_TEXTS))]
    said = [json.dumps({"said": text}, ensure_ascii=False) for text in ODD_TEXTS]
    answers = source(tmp_path / "1", *(succeeded(k, text) for k, text in zip(keys, said, strict=True)))
    asking = asking_for(node({"type": "object"}))
    collect(job(tmp_path, output, request=asking), rows_file(tmp_path / "rows", *keys), [answers], price_of)
    if output.endswith("jsonl"):
        found = [record["json"] for record in records(tmp_path / output)]
    else:
        with (tmp_path / output).open(newline="", encoding="utf-8") as stream:
            found = [json.loads(row["text"]) for row in csv.DictReader(stream)]
    assert [value["said"] for value in found] == ODD_TEXTS
