from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.inputs.csvfault import explain


@pytest.mark.parametrize(
    "record", ["\n", "a\n", "a,b\n", 'a,"b\nc",\r\n', '"",""', ",,", 'a"b,c"\n', '"a""b"']
)
def test_a_good_record_has_no_fault(record: str) -> None:
    assert explain(iter(record.splitlines(keepends=True)), 1, ",") is None


@given(st.text('a,"\n', max_size=12))
def test_finds_a_fault_wherever_the_parser_does(text: str) -> None:
    """Only the first record counts; a parser error further down is none of ours."""
    lines = text.split("\n")
    record = [f"{line}\n" for line in lines]
    reader = csv.reader(iter(record), strict=True)
    try:
        next(reader)
    except csv.Error:
        assert explain(iter(record), 1, ",") is not None
    else:
        assert explain(iter(record), 1, ",") is None
