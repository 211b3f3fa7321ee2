"""The cheap test on what fills the holes: it may send a row through all rules for nothing, and misses none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError
from batchrun.model import Row, Slice
from batchrun.requests.expand import Expander
from batchrun.requests.holes import is_blank, longest_sure, some_are_blank
from tests.requests.test_expand import a_job, no_files

SPACES = "\t\n\r\v\f \x1c\x85\xa0\u1680\u2003\u2028\u202f\u205f\u3000"


@given(st.text(alphabet=st.one_of(st.sampled_from(SPACES), st.characters(codec="utf-8")), max_size=4))
def test_a_blank_is_what_python_takes_for_one(text: str) -> None:
    assert is_blank(orjson.dumps(text)[1:-1]) is (not text.strip())


@pytest.mark.parametrize(
    ("rows", "texts", "found"),
    [
        ([[b"a", b""]], [[0]], True),
        ([[b"a", b"\\n"]], [[0]], True),
        ([[b"a", "「".encode()]], [[0]], False),
        ([[b"", b""], [b"x", b"y"]], [[0, 1]], False),
        ([[b"", b""], [b"x", b" "]], [[0, 1]], True),
        ([[b"", b""], [b"x", b"y"]], [[0], [1]], True),
        ([[b"a"]], [], False),
    ],
)
def test_texts_of_several_holes(rows: list[list[bytes]], texts: list[list[int]], found: bool) -> None:
    assert some_are_blank(rows, texts) is found


def test_what_surely_fits() -> None:
    assert longest_sure("claude-haiku-4-5", 100) == 800_000
    assert longest_sure("claude-haiku-4-5", 64_000) == 800_000
    assert longest_sure("claude-haiku-4-5", 199_000) == 6_000
    assert longest_sure("no-model", 1) > 1 << 60


def a_slice(*cells: str, column: str = "text") -> Slice:
    return Slice(1, [str(n) for n in range(len(cells))], {column: "\0".join(cells).encode()}, "rows.csv", 2)


def expander(content: Any, **more: Any) -> Expander:
    return Expander(a_job({"messages": [{"role": "user", "content": content}], **more}), no_files)


@pytest.mark.parametrize(
    "content", ["{{ text }}", " {{ text }}\n", "{{ text | trim }}", "{% if text %}{{ text }}{% endif %}"]
)
@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\u3000"])
def test_one_blank_among_many_is_found(content: str, blank: str) -> None:
    bulk = expander(content)
    assert bulk.slice(a_slice("one", "two")) is not None
    assert bulk.slice(a_slice("one", blank, "two")) is None
    with pytest.raises(DataError, match=r"^row 2 \(rows.csv:3\): messages\[0\].content: is ") as caught:
        bulk.row(Row(2, "2", {"text": blank}, "rows.csv:3"))
    assert caught.value.where == "job.yaml:1:1"


def test_text_beside_a_hole_says_something() -> None:
    assert expander("Sort: {{ text }}").slice(a_slice("one", "")) is not None
    assert expander("{{ text }}", system="Sort.").slice(a_slice("one", "")) is None


def test_one_long_row_among_many_is_found() -> None:
    bulk = expander("{{ text }}")
    assert bulk.slice(a_slice("one", "two")) is not None
    long = "lorem ipsum " * 110_000
    assert bulk.slice(a_slice("one", long)) is None
    with pytest.raises(
        DataError, match=r"^row 2: about 220,003 tokens or more; claude-haiku-4-5 reads 200,000"
    ):
        bulk.row(Row(2, "2", {"text": long}, ""))


def test_a_begun_answer_that_ends_in_a_column_is_checked_in_every_row() -> None:
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is {{ text }}"}]
    bulk = Expander(a_job({"messages": turns}), no_files)
    assert bulk.slice(a_slice("one")) is None
    assert bulk.row(Row(1, "1", {"text": "one"}, ""))
    with pytest.raises(DataError, match="cannot end in white space"):
        bulk.row(Row(2, "2", {"text": "one "}, ""))


def test_warnings_of_rows_are_told_once_with_their_number() -> None:
    bulk = expander("Sort: {{ text }}")
    for number in range(1, 4):
        bulk.row(Row(number, str(number), {"text": None if number > 1 else "x"}, ""))
    [problem] = bulk.warnings
    assert problem.message == (
        "row 2: the column 'text' is null, and stands in the text as the word null (and 1 more row)"
    )
