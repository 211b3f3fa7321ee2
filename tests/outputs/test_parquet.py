from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from batchrun.cost.prices import price_of
from batchrun.outputs.collect import collect
from batchrun.outputs.parquet import GROUP_ROWS
from tests.conftest import MakeSimulator
from tests.jobs import job, rows_file, source
from tests.resultlines import MODEL, custom_id, errored, message, succeeded
from tests.workbench import Bench


def table(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    found = pyarrow.parquet.read_table(path)
    return {field.name: str(field.type) for field in found.schema}, found.to_pylist()


def test_every_field_has_its_type(tmp_path: Path) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"city": "Oslo"}}
    content = [*message("Blue.")["content"], call]
    answers = source(tmp_path / "1", errored("b", "api_error", "oh"), succeeded("a", content=content))
    collect(job(tmp_path, "o.parquet"), rows_file(tmp_path / "rows", "a", "b"), [answers], price_of)
    kinds, rows = table(tmp_path / "o.parquet")
    assert kinds == {
        "id": "string",
        "row": "int64",
        "status": "string",
        "text": "string",
        "json": "string",
        "stop_reason": "string",
        "input_tokens": "int64",
        "output_tokens": "int64",
        "cache_write_5m": "int64",
        "cache_write_1h": "int64",
        "cache_read": "int64",
        "cost_usd": "double",
        "error_type": "string",
        "error_message": "string",
        "problem": "string",
        "model": "string",
        "batch_id": "string",
        "custom_id": "string",
        "tool_calls": "string",
    }
    assert {name: value for name, value in rows[0].items() if value is not None} == {
        "id": "T-1",
        "row": 1,
        "status": "succeeded",
        "text": "Blue.",
        "stop_reason": "end_turn",
        "input_tokens": 1000,
        "output_tokens": 200,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "cache_read": 0,
        "cost_usd": 0.001,
        "model": MODEL,
        "batch_id": "msgbatch_1",
        "custom_id": custom_id("a"),
        "tool_calls": '[{"name":"look_up","input":{"city":"Oslo"}}]',
    }
    assert (rows[1]["error_type"], rows[1]["error_message"], rows[1]["input_tokens"]) == (
        "api_error",
        "oh",
        None,
    )


def test_columns_and_input_columns(tmp_path: Path) -> None:
    inputs: list[dict[str, Any]] = [
        {"label": "in", "n": 1, "f": 0.5, "b": True, "l": [1]},
        {"n": None, "f": 2},
    ]
    rows = rows_file(tmp_path / "rows", "a", "b", inputs=inputs)
    answers = [source(tmp_path / "1", succeeded("a"), succeeded("b"))]
    columns = {"label": "{{ text }}", "cost": "{{ cost_usd }}"}
    collect(job(tmp_path, "o.parquet", include_input=True, columns=columns), rows, answers, price_of)
    kinds, found = table(tmp_path / "o.parquet")
    assert kinds == {
        "label": "string",
        "cost": "string",
        "input_label": "string",
        "n": "int64",
        "f": "double",
        "b": "bool",
        "l": "string",
    }
    assert found == [
        {"label": "Blue.", "cost": "0.001", "input_label": "in", "n": 1, "f": 0.5, "b": True, "l": "[1]"},
        {"label": "Blue.", "cost": "0.001", "input_label": None, "n": None, "f": 2.0, "b": None, "l": None},
    ]


@pytest.mark.parametrize("count", [0, 1, GROUP_ROWS + 1])
def test_row_groups_are_streamed_and_bytes_stay_the_same(tmp_path: Path, count: int) -> None:
    names = [str(n) for n in range(count)]
    rows = rows_file(tmp_path / "rows", *names, inputs=[{}] * count)
    answers = [source(tmp_path / "1", *map(succeeded, names))]
    spec = job(tmp_path, "o.parquet", samples=1, include_input=True)
    first = collect(spec, rows, answers, price_of)
    assert not collect(spec, rows, answers, price_of).changed
    found = pyarrow.parquet.ParquetFile(tmp_path / "o.parquet")
    with found:
        assert found.metadata.num_rows == count
        assert found.num_row_groups == -(-count // GROUP_ROWS)
    assert first.changed


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"output": {"path": "out/a.parquet"}},
            "error: writing Parquet needs pyarrow, which is not installed\n",
        ),
        (
            {"input": {"path": "rows.parquet"}},
            "error: reading Parquet needs pyarrow, which is not installed\n  --> rows.parquet\n",
        ),
    ],
    ids=["output", "input"],
)
def test_without_pyarrow_nothing_is_sent(
    tmp_path: Path, make_simulator: MakeSimulator, changes: dict[str, Any], error: str
) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.job(rows=2, **changes)
    bench.write("rows.parquet", "never read")
    bench.write("broken/pyarrow.py", "raise ImportError\n")
    for verb in ("validate", "plan", "run"):
        ran = bench.run(verb, code=78, PYTHONPATH=str(bench.path("broken")))
        assert ran.stdout == ""
        assert ran.stderr.startswith(error)
        assert "hint: pip install 'batchrun[parquet]'" in ran.stderr
    assert bench.calls() == []
