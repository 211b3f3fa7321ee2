from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchrun.cost.amounts import Tally
from batchrun.cost.prices import TICKS, message_ticks, price_of
from batchrun.cost.usage import tokens_of, usage_of
from batchrun.errors import DiskError, IncompleteResults
from batchrun.model import RequestCounts, Usage
from batchrun.results.proof import ForeignResults, prove
from tests.resultlines import MODEL, custom_id, ended, errored, message, succeeded, usage, write

IDS = [custom_id(name) for name in "abcd"]
COUNTS = RequestCounts(succeeded=1, errored=1, canceled=1, expired=1)
LINES = (
    errored("b", "api_error"),
    ended("d", "expired"),
    succeeded("a"),
    ended("c", "canceled"),
)


def problem(path: Path, counts: RequestCounts = COUNTS) -> str:
    with pytest.raises(IncompleteResults) as caught:
        prove(path, IDS, counts, price_of)
    assert type(caught.value) is IncompleteResults
    return str(caught.value)


def test_whole_results_are_tallied(tmp_path: Path) -> None:
    assert prove(write(tmp_path / "r", *LINES), IDS, COUNTS, price_of) == Tally(
        counts=COUNTS,
        errors={"api_error": 1},
        stop_reasons={"end_turn": 1},
        usage=Usage(1000, 200),
        cost_usd=0.001,
    )


def test_a_last_line_feed_and_blank_lines_prove_nothing(tmp_path: Path) -> None:
    prove(write(tmp_path / "r", *LINES, b""), IDS, COUNTS, price_of)
    prove(write(tmp_path / "r", *LINES, b"", b" \r"), IDS, COUNTS, price_of)


def test_carriage_returns_and_line_separators_end_no_line(tmp_path: Path) -> None:
    lines = [succeeded("a", "x\u2028y\x85z"), *LINES[:2], LINES[3] + b"\r"]
    prove(write(tmp_path / "r", *lines), IDS, COUNTS, price_of)


def test_a_file_cut_inside_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "r", *LINES)
    path.write_bytes(path.read_bytes()[:-4])
    text = problem(path)
    assert text.startswith("the results are not complete: 1 line that is no result (line 4: not JSON: ")
    assert f"1 id without a result ({custom_id('c')}); 0 canceled where the API counts 1" in text


def test_a_file_cut_between_lines(tmp_path: Path) -> None:
    assert problem(write(tmp_path / "r", *LINES[:3])) == (
        f"the results are not complete: 1 id without a result ({custom_id('c')}); 0 canceled where the API counts 1"
    )


def test_an_empty_file_is_not_foreign(tmp_path: Path) -> None:
    assert problem(write(tmp_path / "r")).startswith("the results are not complete: 4 ids without a result (")


def test_an_id_that_comes_twice(tmp_path: Path) -> None:
    text = problem(write(tmp_path / "r", *LINES, succeeded("a", "another answer"), ended("d", "canceled")))
    assert text == f"the results are not complete: 2 ids with different results ({custom_id('a')})"
    text = problem(write(tmp_path / "r", *LINES, LINES[2], LINES[2] + b" "))
    assert text == f"the results are not complete: 1 id with different results ({custom_id('a')})"


@pytest.mark.parametrize("doubled", [LINES[:1], LINES[2:3], LINES, LINES * 3])
def test_a_line_that_comes_again_byte_for_byte_says_nothing_new(
    doubled: tuple[bytes, ...], tmp_path: Path
) -> None:
    once = prove(write(tmp_path / "once", *LINES), IDS, COUNTS, price_of)
    assert prove(write(tmp_path / "r", *LINES, *doubled), IDS, COUNTS, price_of) == once
    assert prove(write(tmp_path / "r", *doubled, *LINES), IDS, COUNTS, price_of) == once


def test_doubled_lines_hide_nothing_that_is_missing(tmp_path: Path) -> None:
    text = problem(write(tmp_path / "r", *LINES[:3], LINES[0]))
    assert text == (
        f"the results are not complete: 1 id without a result ({custom_id('c')}); 0 canceled where the API counts 1"
    )
    theirs = succeeded("a", nonce="feedfeedfeedfeed")
    assert "2 ids of other requests" in problem(write(tmp_path / "r", *LINES, theirs, theirs))


def test_a_stranger_among_ours(tmp_path: Path) -> None:
    text = problem(write(tmp_path / "r", *LINES[:3], ended("c", "canceled", nonce="feedfeedfeedfeed")))
    assert f"1 id of another request ({custom_id('c', 'feedfeedfeedfeed')})" in text
    assert f"1 id without a result ({custom_id('c')})" in text


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            RequestCounts(succeeded=2, canceled=1, expired=1),
            "1 succeeded where the API counts 2; 1 errored where the API counts 0",
        ),
        (RequestCounts(processing=4), "the API still counts 4 requests as processing"),
    ],
)
def test_counts_must_be_those_of_the_api(tmp_path: Path, counts: RequestCounts, expected: str) -> None:
    assert problem(write(tmp_path / "r", *LINES), counts) == f"the results are not complete: {expected}"


def test_a_batch_of_somebody_else(tmp_path: Path) -> None:
    theirs = [succeeded(name, nonce="feedfeedfeedfeed") for name in "abcd"]
    with pytest.raises(ForeignResults) as caught:
        prove(write(tmp_path / "r", *theirs), IDS, COUNTS, price_of)
    assert str(caught.value) == (
        "the batch is not ours: none of its 4 results has an id of this shard"
        f" (the first is {custom_id('a', 'feedfeedfeedfeed')})"
    )


def test_ids_of_another_tool_are_shown_harmlessly(tmp_path: Path) -> None:
    line = b'{"custom_id":"\\u001b[2Jrow","result":{"type":"expired"}}'
    with pytest.raises(ForeignResults, match=r"the first is \ufffd\[2Jrow\)$"):
        prove(write(tmp_path / "r", line), IDS, COUNTS, price_of)


def test_a_model_without_a_price_is_counted(tmp_path: Path) -> None:
    lines = [succeeded("a", model="claude-opus-99"), *LINES[:2], LINES[3]]
    tally = prove(write(tmp_path / "r", *lines), IDS, COUNTS, price_of)
    assert (tally.cost_usd, tally.unpriced, tally.usage) == (0.0, 1, Usage(1000, 200))


def test_costs_add_up_without_drift(tmp_path: Path) -> None:
    names = [f"row {n}" for n in range(1000)]
    path = write(tmp_path / "r", *map(succeeded, names))
    tally = prove(path, map(custom_id, names), RequestCounts(succeeded=1000), price_of)
    assert (tally.cost_usd, tally.usage) == (1.0, Usage(1_000_000, 200_000))


def test_what_messages_cost_is_what_each_of_them_costs(tmp_path: Path) -> None:
    """Those that cost what their tokens cost are priced together, all others one by one."""
    dear = usage(input_tokens=200_000, cache_read_input_tokens=7, cache_creation_input_tokens=5)
    american = usage(inference_geo="us", server_tool_use={"web_search_requests": 2})
    free: dict[str, Any] = {"stop_reason": "refusal", "content": [], "stop_details": {"category": "cyber"}}
    changes: list[dict[str, Any]] = [
        {"model": model, **change}
        for model in (MODEL, "claude-opus-5-5", "claude-haiku-5-5", "claude-opus-99", None)
        for change in ({}, {"usage": dear}, {"usage": american}, free, {"usage": None}, {})
    ]
    names = [str(number) for number in range(len(changes))]
    path = write(tmp_path / "r", *(succeeded(n, **c) for n, c in zip(names, changes, strict=True)))
    tally = prove(path, map(custom_id, names), RequestCounts(succeeded=len(names)), price_of)
    messages = [message(**change) for change in changes]
    prices = [(price_of(str(m["model"])), m) for m in messages]
    ticks = sum(message_ticks(price, m, tokens_of(m)) for price, m in prices if price)
    assert tally.cost_usd == ticks / TICKS
    assert tally.cost_usd > 0.1
    assert tally.usage == sum(map(usage_of, messages), Usage())
    assert (tally.unpriced, tally.searches) == (12, 10)


def test_a_missing_file_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"^cannot read .*/r: No such file or directory$"):
        prove(tmp_path / "r", IDS, COUNTS, price_of)
