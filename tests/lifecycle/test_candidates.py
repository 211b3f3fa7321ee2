"""Which batches could be a shard's, by what their counts say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.lifecycle.candidates import choose, could_be, fits
from batchrun.model import Batch, ProcessingStatus, RequestCounts
from tests.states import batch, shard

RUNNING, CANCELING, ENDED = ProcessingStatus
OURS = shard(requests=3)


def counted(status: ProcessingStatus | str, **counts: int) -> Batch:
    return replace(batch(), processing_status=status, request_counts=RequestCounts(**counts))


@pytest.mark.parametrize(
    ("found", "size"),
    [
        (counted(RUNNING, processing=3), 3),
        (counted(RUNNING, processing=1, succeeded=2), 3),
        (counted(CANCELING, processing=2, canceled=1), 3),
        (counted(ENDED, succeeded=1, errored=1, expired=1), 3),
        (counted(RUNNING, processing=7), 7),
        (counted(RUNNING), None),
        (counted(CANCELING), None),
        (counted("validating"), None),
        (counted(RUNNING, succeeded=2), None),  # counted as they end
        (counted(ENDED), None),
    ],
)
def test_what_the_counts_tell(found: Batch, size: int | None) -> None:
    assert found.size == size
    assert could_be(found, OURS) is (size in (3, None))


def test_as_many_as_there_are_is_a_fit_whatever_the_status() -> None:
    assert fits(counted(RUNNING, succeeded=3), OURS)
    assert not fits(counted(RUNNING), OURS)


def test_the_one_that_fits_is_chosen_from_those_that_could() -> None:
    ours, other = counted(RUNNING, processing=3), replace(counted(RUNNING, processing=3), id="other")
    untold = replace(counted(RUNNING), id="untold")
    assert choose((untold, ours), OURS) == (ours,)
    assert choose((other, untold, ours), OURS) == (other, untold, ours)
    assert choose((untold,), OURS) == (untold,)
    assert choose((), OURS) == ()
