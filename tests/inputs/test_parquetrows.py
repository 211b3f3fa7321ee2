from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.errors import DataError, Problem
from batchrun.fs.files import digest
from batchrun.inputs.rows import open_rows
from tests.inputs.helpers import problem, read, spec, values, write


def save(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path)


def test_reads(tmp_path: Path) -> None:
    save(
        tmp_path / "t.parquet",
        i=[1, 2**62],
        f=[1.5, None],
        s=["é\n", ""],
        b=[True, None],
        t=[datetime.datetime(2026, 11, 22, 10, 0), datetime.datetime(1, 1, 1)],
        u=[datetime.datetime(2026, 11, 22, 10, 0, tzinfo=datetime.UTC), None],
        d=[datetime.date(2026, 11, 22), None],
        m=[Decimal("1.10"), Decimal("12345678901234567890.12")],
        x=[[{"k": 1}], None],
    )
    assert values(tmp_path, "t.parquet") == [
        {
            "i": 1, "f": 1.5, "s": "é\n", "b": True, "t": "2026-11-22T10:00:00",
            "u": "2026-11-22T10:00:00+00:00", "d": "2026-11-22",
            "m": "1.10", "x": [{"k": 1}],
        },
        {
            "i": 2**62, "f": None, "s": "", "b": None, "t": "0001-01-01T00:00:00",
            "u": None, "d": None,
            "m": "12345678901234567890.12", "x": None,
        },
    ]  # fmt: skip


def test_rows_and_facts(tmp_path: Path) -> None:
    save(tmp_path / "t.parquet", id=list(range(3000)))
    rows = open_rows(spec("t.parquet", id="id"), root=tmp_path)
    assert [row.id for row in rows] == [str(number) for number in range(3000)]
    (fact,) = rows.files
    assert fact.sha256 == digest(tmp_path / "t.parquet")
    assert read(tmp_path, "t.parquet")[1].where == "t.parquet"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": [1], "f": [float("nan")]}, Problem(
            "row 1: column 'f' holds nan, which JSON cannot express", "t.parquet",
            "store null for a missing number, and text instead of bytes")),
        ({"id": [1], "b": [b"x"]}, Problem(
            "row 1: column 'b' holds bytes, which JSON cannot express", "t.parquet",
            "store null for a missing number, and text instead of bytes")),
        ({"idd": [1]}, Problem(
            "input.id: there is no column 'id'", "t.parquet", "did you mean 'idd'? the columns are 'idd'")),
        ({"id": [1, 1]}, Problem(
            "row 2 has the id '1' of row 1 (t.parquet)", "t.parquet",
            "make 'id' unique, or set input.id to a column that is")),
    ],
)  # fmt: skip
def test_faults(tmp_path: Path, columns: dict[str, object], expected: Problem) -> None:
    save(tmp_path / "t.parquet", **columns)
    assert problem(tmp_path, "t.parquet", id="id", error=DataError) == expected


def test_equal_names(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "t.parquet"
    )
    assert problem(tmp_path, "t.parquet", error=DataError).message == "columns 1 and 2 are both named 'a'"


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    write(tmp_path, {"t.parquet": b"a,b\n1,2\n"})
    found = problem(tmp_path, "t.parquet", error=DataError)
    assert found.where == "t.parquet"
    assert found.message.startswith("not readable as Parquet: ")


def test_without_pyarrow(tmp_path: Path) -> None:
    """In a process of its own, whose import path has a pyarrow that cannot be imported."""
    save(tmp_path / "t.parquet", a=[1])
    write(tmp_path, {"path/pyarrow.py": b"raise ImportError\n"})
    program = dedent("""
        import sys
        from pathlib import Path
        from batchrun.errors import ConfigError
        from batchrun.inputs.rows import open_rows
        from batchrun.model import InputSpec, Place
        sys.path.insert(0, "path")
        rows = open_rows(InputSpec(("t.parquet",), Place("job.yaml")), root=Path.cwd())
        assert "pyarrow" not in sys.modules
        try:
            list(rows)
        except ConfigError as error:
            print(*error.problems, error.exit_code)
    """)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    expected = Problem(
        "reading Parquet needs pyarrow, which is not installed",
        "t.parquet",
        "pip install 'batchrun[parquet]'",
    )
    assert (done.stdout, done.stderr) == (f"{expected} 78\n", "")
