"""What a provider of batches promises. Errors on create come in three kinds, on all else in two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from batchrun.client.waiting import Polled
from batchrun.errors import ApiError, BatchrunError, ExitCode
from batchrun.model import Batch, Json

__all__ = ["Baseline", "OutcomeUnknown", "Polled", "Provider", "ProviderError", "Rejected", "TryLater"]


class ProviderError(BatchrunError):
    """Wraps the ApiError that stands in `cause`, and in `__cause__`; its message and hint are this one's."""

    def __init__(self, cause: ApiError, *, hint: str = "") -> None:
        super().__init__(str(cause), where=cause.where, hint=hint or cause.hint)
        self.cause = cause
        self.__cause__ = cause


class Rejected(ProviderError):
    """Nothing was created, or changed; sending it again will not help."""

    exit_code = ExitCode.DATA


class TryLater(ProviderError):
    """Nothing was created, or changed; wait `after` seconds and repeat. None: the server named no time."""

    exit_code = ExitCode.UNAVAILABLE

    @property
    def after(self) -> float | None:
        return self.cause.retry_after


class OutcomeUnknown(ProviderError):
    """It may have been created: reconcile before anything else. `batch`: what the API named, where it named
    one that does not fit what was sent."""

    exit_code = ExitCode.NOT_FINISHED

    def __init__(self, cause: ApiError, *, batch: Batch | None = None) -> None:
        super().__init__(cause)
        self.batch = batch


CLOCKS_DIFFER = timedelta(seconds=60)
"""A batch may be listed as older than the moment of its POST by the server's clock: several servers accept them,
each with a clock of its own. By less than this, where no batch that was known then says more."""

EVER = datetime.fromtimestamp(0, UTC)
"""Before there was any batch."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The newest batch (None where there is none), the server's clock, and who we are to the server: a short
    fingerprint that changes with the key and the workspace, and from which no key can be read.

    `known`: the newest batches, that one included. Whatever else is listed as created at `known_since` or later
    was not there; EVER where there were no more than these. None: it was not noted (by an earlier batchrun), and
    of `known` only those created within CLOCKS_DIFFER before the newest are told.
    """

    batch_id: str | None
    created_at: datetime | None
    server_time: datetime
    credential: str
    known: tuple[str, ...] = ()
    known_since: datetime | None = None


class Provider(Protocol):
    """Every method may also raise the ApiErrors that only a person can cure: KeyRefused, BillingStopped,
    and BadRequest where the provider does not understand us at all."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str:
        """The base URL: batches of one origin are unknown to another."""

    def newest(self) -> Baseline:
        """What stood before a submission. Raises TryLater."""

    def create(self, body: Path, *, requests: int, betas: Sequence[str], api_version: str) -> Batch:
        """Submit the request lines of `body`: one POST, never repeated. `requests` is their number, and the
        batch returned has that many.

        Raises Rejected, TryLater or OutcomeUnknown, and no other error of the API, so that a caller who
        handles the three has handled all. DataError or DiskError: `body` could not be sent whole, and
        nothing was created.
        """

    def retrieve(self, id: str) -> Polled:
        """The batch. Raises TryLater, also for a 404: a batch we own may be invisible for a while."""

    def since(self, baseline: Baseline) -> Sequence[Batch]:
        """Every batch that may be newer than the baseline, in the order of the list, also where that one is
        deleted by now. By the moment of the baseline and not by the times of what was there: a batch may be listed
        as hours newer or older than it is.

        Raises TryLater, also for a list that shows none of the known batches though they are there: it is not
        whole, and proves nothing.
        """

    def download(self, id: str, part: Path) -> None:
        """Write the results to `part`, replacing it, byte for byte as served. Not synced to disk, and no
        proof: the caller compares them with what was asked.

        Raises IncompleteResults when they break off, TryLater when they are not to be had at the moment,
        DiskError.
        """

    def cancel(self, id: str) -> Batch:
        """Ask for the batch to end; repeating it is harmless. Raises Rejected when it has ended already,
        TryLater."""

    def count_tokens(self, params: Mapping[str, Json]) -> int:
        """Input tokens of one request, an estimate, free of charge. Raises Rejected or TryLater."""

    def close(self) -> None: ...
