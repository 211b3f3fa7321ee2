"""What a spec may hold much of takes no longer than its size: calls are counted, as seconds differ."""

from __future__ import annotations

import cProfile

from batchrun.spec.complaints import validator_for


def test_entries_that_do_not_sort_are_compared_in_linear_time() -> None:
    """`betas: [1, b0, b1, …]`; each with each, it is 200,000,000 comparisons."""
    schema = {"properties": {"betas": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}}
    validator, profile = validator_for(schema), cProfile.Profile()
    value = {"betas": [1, *(f"b{n}" for n in range(20_000))]}
    found = profile.runcall(lambda: [error.message for error in validator.iter_errors(value)])
    assert found == ["1 is not of type 'string'"]
    assert sum(entry.callcount for entry in profile.getstats()) < 2_000_000
    assert [error.validator for error in validator.iter_errors({"betas": ["a", "b", "a"]})] == ["uniqueItems"]
