"""The Anthropic Message Batches API as a provider: `BatchesClient` in the words of `base`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from batchrun.client.apierrors import NO_ANSWER_OF_THE_API, created_nothing
from batchrun.client.batches import BatchesClient
from batchrun.client.body import Body
from batchrun.client.streams import MAX_LINE
from batchrun.errors import (
    ApiError,
    BadRequest,
    BadResponse,
    Conflict,
    ConnectionFailed,
    IncompleteResults,
    NotFound,
    RateLimited,
    ServerError,
    TooLarge,
)
from batchrun.fs.files import CHUNK, disk_error
from batchrun.fs.permissions import open_file
from batchrun.model import Batch, Json
from batchrun.providers.base import (
    CLOCKS_DIFFER,
    EVER,
    Baseline,
    OutcomeUnknown,
    Polled,
    Rejected,
    TryLater,
)

_PAGE = 100
"""Batches of a list at a time. So many are known before a submission: only what comes on top is new."""
_LOOKED_FOR = 3
"""So many batches are asked for, one by one, when a list shows none of those that were there."""


class Anthropic:
    name = "anthropic"

    def __init__(self, client: BatchesClient, *, now: Callable[[], float] = time.time) -> None:
        self._client, self._now = client, now

    @property
    def origin(self) -> str:
        return self._client.base_url

    def close(self) -> None:
        self._client.close()

    def newest(self) -> Baseline:
        with _reading(Conflict):
            page, headers = self._client.list_page(_PAGE)
        newest = page.data[0] if page.data else None
        return Baseline(
            batch_id=newest.id if newest else None,
            created_at=newest.created_at if newest else None,
            server_time=self._server_time(headers),
            credential=self._client.fingerprint(headers),
            known=tuple(b.id for b in page.data),
            known_since=min(b.created_at for b in page.data) if page.has_more else EVER,
        )

    def _server_time(self, headers: Mapping[str, str]) -> datetime:
        """By the Date of an answer; by our own clock where it has none (RFC 9110 §6.6.1 lets it)."""
        try:
            moment = parsedate_to_datetime(headers.get("date", ""))
        except (TypeError, ValueError):
            return datetime.fromtimestamp(self._now(), UTC)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def create(self, body: Path, *, requests: int, betas: Sequence[str], api_version: str) -> Batch:
        try:
            batch = self._client.create(Body(body), betas=betas, api_version=api_version)
        except ApiError as error:
            if not created_nothing(error):
                raise OutcomeUnknown(error) from error
            raise (TryLater(error) if _later(error) else Rejected(error)) from error
        if batch.request_counts.total != requests:
            total = batch.request_counts.total
            odd = BadResponse(
                f"the batch {batch.id} came back with {total} requests, not {requests}", status=200
            )
            raise OutcomeUnknown(odd, batch=batch) from odd
        return batch

    def retrieve(self, id: str) -> Polled:
        with _reading(NotFound, Conflict):
            return self._client.poll(id)

    def since(self, baseline: Baseline) -> Sequence[Batch]:
        known = tuple(filter(None, dict.fromkeys((baseline.batch_id, *baseline.known))))
        floor, newer, met = _floor(baseline), [], not known
        with _reading(Conflict):
            for batch in self._client.iterate(limit=_PAGE):
                if batch.id in known:
                    met = True
                elif batch.created_at >= floor or not met:
                    newer.append(batch)
                else:
                    return newer
            if not met:
                self._refuse_parts(known)
        return newer if met else [batch for batch in newer if batch.created_at >= floor]

    def _refuse_parts(self, known: Sequence[str]) -> None:
        """Of a list that shows none of the `known` batches. Raises BadResponse where one of them is still there."""
        for id in known[:_LOOKED_FOR]:
            with suppress(NotFound):
                self._client.poll(id)
                raise BadResponse(
                    f"the list of batches is not whole: it lacks {id}, which is there", status=200
                )

    def download(self, id: str, part: Path) -> None:
        with _reading(NotFound, Conflict), _writing(part) as write:
            for piece in _short_lines(_results(self._client.chunks(id), id)):
                write(piece)

    def cancel(self, id: str) -> Batch:
        try:
            with _reading(NotFound):
                return self._client.cancel(id)
        except (BadRequest, Conflict) as error:
            raise Rejected(error) from error

    def count_tokens(self, params: Mapping[str, Json]) -> int:
        try:
            with _reading():
                return self._client.count_tokens(params)
        except (BadRequest, NotFound, TooLarge) as error:
            raise Rejected(error) from error


def _floor(baseline: Baseline) -> datetime:
    """What was created before this was there before the baseline, if a known batch stands above it in the list."""
    if baseline.created_at is None:
        return EVER
    return min(
        baseline.server_time - CLOCKS_DIFFER, baseline.known_since or baseline.created_at - CLOCKS_DIFFER
    )


@contextmanager
def _reading(*passing: type[ApiError]) -> Iterator[None]:
    """Calls that change nothing: what may pass becomes TryLater, what a person must cure stays as it is."""
    try:
        yield
    except IncompleteResults:
        raise
    except ApiError as error:
        # BadResponse: a proxy's error page comes and goes. And a server in trouble that says not to ask again
        # (x-should-retry) means now, not for ever: the batch is there all the same.
        if error.transient or isinstance(error, (BadResponse, RateLimited, ServerError, *passing)):
            raise TryLater(error) from error
        raise


@contextmanager
def _writing(part: Path) -> Iterator[Callable[[bytes], int]]:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(open_file(part, flags), "wb", buffering=CHUNK) as stream:
            yield stream.write
    except OSError as error:
        raise disk_error(error, part, "write") from error


def _results(pieces: Iterator[bytes], id: str) -> Iterator[bytes]:
    """The pieces, if they begin as results do. A proxy's page comes and goes: it says nothing about the results."""
    begun = False
    for piece in pieces:
        if not begun and (start := piece.lstrip()):
            if not start.startswith(b"{"):
                break
            begun = True
        yield piece
    if not begun:
        raise BadResponse(f"what came is no results of {id}", status=200, hint=NO_ANSWER_OF_THE_API)


def _short_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, as long as no line grows past what a reader of the file would take."""
    length = 0
    for piece in pieces:
        length = len(piece) - piece.rindex(b"\n") - 1 if b"\n" in piece else length + len(piece)
        if length > MAX_LINE:
            raise IncompleteResults(f"a line of the results is longer than {MAX_LINE:,} bytes")
        yield piece


def _later(error: ApiError) -> bool:
    """Of a create that made nothing: whether the same one may succeed later."""
    return isinstance(error, ConnectionFailed | RateLimited | ServerError)
