from __future__ import annotations

import pytest

from batchrun.errors import Problem, SpecError
from batchrun.requests.params import dotted
from batchrun.spec.faults import Faults, Mark, Steps


def faults() -> Faults:
    values: dict[Steps, Mark] = {
        (): Mark(1, 1),
        ("a",): Mark(1, 4),
        ("b",): Mark(2, 4),
        ("b", "c"): Mark(3, 6),
    }
    return Faults("job.yaml", values, {("a",): Mark(1, 1), ("b",): Mark(2, 1)})


def test_paths_as_people_write_them() -> None:
    assert dotted(("request", "messages", 0, "role")) == "request.messages[0].role"
    assert dotted(()) == ""


def test_errors_come_in_file_order_with_place_and_field() -> None:
    found = faults()
    found.at_value(("b", "c"), "must be short", "shorten it")
    found.at_key(("a",), "unknown key 'a'")
    with pytest.raises(SpecError) as caught:
        found.raise_errors()
    assert caught.value.problems == (
        Problem("unknown key 'a'", "job.yaml:1:1", "", ""),
        Problem("must be short", "job.yaml:3:6", "shorten it", "b.c"),
    )


def test_nothing_is_raised_for_warnings() -> None:
    found = faults()
    found.at_value(("a",), "is old", warning=True)
    found.raise_errors()
    assert [p.message for p in found.problems(found.warnings)] == ["is old"]


def test_what_is_told_covers_what_lies_in_it() -> None:
    found = faults()
    found.at_value(("b",), "must be a list")
    assert found.is_told(("b", "c", 0))
    assert not found.is_told(("a",))


def test_what_is_missing_is_told_where_it_should_be() -> None:
    found = faults()
    found.missing(("b", "d"))
    found.excuse(("b", "e"))
    found.missing(("b", "e"))
    found.excuse_missing(())
    found.missing(("z",))
    assert [(f.mark, f.message, f.field) for f in found.errors] == [((2, 1), "'d' is missing", "b")]
    assert found.told_keys(("b",)) == {"d", "e"}


def test_a_value_without_a_place_is_told_at_the_nearest() -> None:
    assert faults().mark_of(("b", "x", 3)) == (2, 4)
