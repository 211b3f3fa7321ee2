"""`BatchesClient`: every call of the Message Batches API (api-facts §2), typed and streaming."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from batchrun.client import apierrors, streams, wire
from batchrun.client.body import Body, Upload, uploading
from batchrun.client.endpoint import DEFAULT_VERSION, endpoint
from batchrun.client.transport import Answer, Timeouts, Transport
from batchrun.client.waiting import PATIENCE, Polled, wait
from batchrun.clockwork import Clockwork
from batchrun.errors import (
    ApiError,
    BadRequest,
    BadResponse,
    Conflict,
    ConnectionFailed,
    IncompleteResults,
    NotFinished,
    NotFound,
    UsageError,
)
from batchrun.fs.files import replacing
from batchrun.model import Batch, BatchPage, Json, Result
from batchrun.safetext import plain

T = TypeVar("T")

BATCHES = "/v1/messages/batches"
COUNT_TOKENS = "/v1/messages/count_tokens"
MAX_PAGE = 1000
LIST_AGAIN = 5
"""So often a list is begun again without anything new on it."""
_ID = re.compile(r"[\x21-\x7e]{1,256}")
# What count_tokens takes of a request's params (api-facts §6).
_COUNTED = frozenset(
    (
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "speed",
    )
)
_AGAIN = "download them again"
NOTHING = "nothing was submitted"
UNKNOWN = "it may have been submitted: look with `batchrun batches list` before sending it again"


class BatchesClient:
    """Safe to share between threads. Close it, or use it as a context manager.

    Arguments win over the environment: ANTHROPIC_API_KEY (x-api-key), else ANTHROPIC_AUTH_TOKEN (Bearer),
    ANTHROPIC_BASE_URL, ANTHROPIC_WORKSPACE_ID, HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE. It
    follows no redirect, reads no netrc, and talks to the one origin only.

    Every call but create is repeated on transient errors, `max_retries` times: cancel, delete and the token
    count change nothing when they are repeated (api-facts §1.4). Errors are the ApiError tree.
    """

    def __init__(
        self,
        api_key: str | None = None,
        auth_token: str | None = None,
        base_url: str | None = None,
        *,
        workspace_id: str | None = None,
        api_version: str = DEFAULT_VERSION,
        betas: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        timeout: Timeouts | None = None,
        max_retries: int = 4,
        environ: Mapping[str, str] = os.environ,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint(
            api_key, auth_token, base_url, workspace_id=workspace_id, headers=headers, environ=environ
        )
        self._headers = self._endpoint.headers(api_version=api_version, betas=betas)
        self._api_version, self._betas = api_version, tuple(betas)
        self._clockwork = Clockwork(sleep, clock, rng, now)
        self._transport = Transport(
            self._endpoint, timeouts=timeout or Timeouts(), max_retries=max_retries, clockwork=self._clockwork
        )
        # One entry for each create of this client: a handful, where the requests are in the thousands.
        self._born: dict[str, float] = {}

    def __enter__(self) -> BatchesClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"BatchesClient({self.base_url!r})"

    def close(self) -> None:
        self._transport.close()

    @property
    def base_url(self) -> str:
        return self._endpoint.base

    # ---- the calls -----------------------------------------------------------------------------

    def create(
        self,
        requests: Iterable[Mapping[str, object]] | Path | Body | Upload,
        *,
        betas: Sequence[str] | None = None,
        api_version: str | None = None,
    ) -> Batch:
        """Submit a batch: requests, or a JSONL file of them. Costs money.

        The envelope is checked first and DataError raised (api-facts §2.1); a `Body` is sent as it is. One
        POST, never repeated: there is no idempotency key (§1.4). An ApiError for which
        `apierrors.created_nothing` is false may have left a batch behind; its hint says how to look.
        """
        headers = self._endpoint.headers(
            api_version=self._api_version if api_version is None else api_version,
            betas=self._betas if betas is None else betas,
        )
        with uploading(requests) as upload:
            try:
                batch = _read(self._transport.post_once(BATCHES, headers, upload), wire.batch)
            except ApiError as error:
                said = NOTHING if apierrors.created_nothing(error) else UNKNOWN
                error.hint = f"{said}\n{error.hint}".strip()
                raise
        self._born[batch.id] = self._clockwork.clock()
        return batch

    def get(self, id: str) -> Batch:
        """The batch. A 404 on one that this client has just created is waited out (api-facts §2.2)."""
        return self.poll(id).batch

    def list(self, limit: int = 20, before_id: str | None = None, after_id: str | None = None) -> BatchPage:
        """One page, newest first: the batches right before (newer) or right after (older) a cursor."""
        return self._list(limit, before_id, after_id)[0]

    def iterate(
        self, *, before_id: str | None = None, after_id: str | None = None, limit: int = 100
    ) -> Iterator[Batch]:
        """Every batch, `limit` a page: from the newest, or from `after_id`, to the oldest; with `before_id`
        from there to the newest. In either direction the nearest comes first.

        A page begins at the last batch of the one before. Where somebody deleted that one meanwhile, it begins
        at the batch before it, and so on; at last the list is read again, past what was given already."""
        _one_cursor(before_id, after_id)
        newer, start = before_id is not None, after_id if before_id is None else before_id
        cursors, seen, in_vain = [start], set[str](), 0
        while True:
            cursor = cursors[-1]
            try:
                page = self.list(limit, cursor, None) if newer else self.list(limit, None, cursor)
            except NotFound:
                cursors.pop()
                in_vain += len(cursors) == 1
                if not cursors or in_vain > LIST_AGAIN:
                    raise
                continue
            way = page.data[::-1] if newer else page.data
            fresh = [batch for batch in way if batch.id not in seen]
            if fresh:
                seen.update(batch.id for batch in fresh)
                in_vain = 0
            yield from fresh
            if not page.has_more or not page.data:
                return
            if cursor == way[-1].id:
                raise BadResponse("the list of batches does not advance", status=200)
            cursors = [start, *(batch.id for batch in way)]

    def results(self, id: str) -> Iterator[Result]:
        """The results in the order they come, which is no particular one: join by custom_id.

        Complete, or IncompleteResults at the end. Raises NotFinished before the batch has ended.
        """
        return (result for _, result in self.result_lines(id))

    def result_lines(self, id: str) -> Iterator[tuple[bytes, Result]]:
        """`results`, with each line as it was served, without its LF."""
        return self._complete(self._ended(id))

    def download(self, id: str, path: Path) -> Path:
        """The results as a file, byte for byte as served. `path` appears only once they are complete."""

        def once() -> None:
            batch = self._ended(id, retries=0)
            with replacing(path) as out:
                for _ in self._complete(batch, lambda pieces: _tee(pieces, out.write), retries=0):
                    pass

        self._transport.repeat(once)
        return path

    def cancel(self, id: str) -> Batch:
        """Ask for the batch to end. What has been answered is kept, and paid for (api-facts §2.4)."""
        try:
            return _read(self._call("POST", f"{_path(id)}/cancel"), wire.batch, id=id)
        except (BadRequest, Conflict) as error:
            batch = self.get(id)
            if batch.cancel_initiated_at and not batch.ended:
                return batch  # an earlier try, whose answer was lost, has done it
            if not batch.ended:
                raise
            raise _reworded(error, f"batch {id} has already ended: there is nothing to cancel") from error

    def delete(self, id: str) -> None:
        """Delete an ended batch and its results. Repeating it raises NotFound."""
        tries = 0

        def once() -> None:
            nonlocal tries
            tries += 1
            try:
                _read(self._call("DELETE", _path(id), retries=0), wire.deleted, id=id)
            except NotFound:
                if tries == 1:
                    raise
                # The try before deleted it, and only its answer was lost.

        try:
            self._transport.repeat(once)
        except (BadRequest, Conflict) as error:
            if not error.hint:
                error.hint = f"cancel it with `batchrun batches cancel {id}`, and delete it once it has ended"
            raise

    def wait_for_completion(
        self,
        id: str,
        poll_interval: float = 30,
        timeout: float = 86_400,
        callback: Callable[[Batch], object] | None = None,
    ) -> Batch:
        """Poll until the batch has ended, and return it. Seconds; `callback` gets the batch on every poll.

        Polls no more often than the server asks. Transient failures are waited out, for as long as `timeout`
        allows; then WaitTimeout, the batch untouched. Raises UsageError for times that are not positive.
        """
        return wait(
            id,
            lambda: self.poll(id, retries=0, patience=0),
            self._clockwork,
            poll_interval=poll_interval,
            timeout=timeout,
            callback=callback,
            known=id in self._born,
        )

    def count_tokens(self, params: Mapping[str, object]) -> int:
        """The input tokens of a request's `params`, an estimate. Free (api-facts §6)."""
        body = _json({name: value for name, value in params.items() if name in _COUNTED})
        return _read(self._call("POST", COUNT_TOKENS, body=body), wire.input_tokens)

    # ---- for providers -------------------------------------------------------------------------

    def poll(self, id: str, *, retries: int | None = None, patience: float = PATIENCE) -> Polled:
        """`get` with the server's polling hint."""

        def once() -> Polled:
            answer = self._call("GET", _path(id), retries=retries)
            return Polled(
                _read(answer, wire.batch, id=id), apierrors.retry_after(answer.headers, self._clockwork.now())
            )

        born = self._born.get(id)
        return once() if born is None else self._patiently(once, until=born + patience)

    def fingerprint(self, headers: Mapping[str, str]) -> str:
        """Key, workspace and organization as a short hash; `headers` are those of an answer."""
        return self._endpoint.fingerprint(headers)

    def list_page(self, limit: int) -> tuple[BatchPage, Mapping[str, str]]:
        """The newest batches, and the headers of the answer, names in lower case."""
        return self._list(limit, None, None)

    def chunks(
        self, id: str, *, retries: int | None = None, patience: float = 0.0
    ) -> Generator[bytes, None, None]:
        """The results as served, unpacked, in pieces; IncompleteResults when they break off.

        From our own origin always: `results_url` may name another, which shall not see the key (§2.6). For
        `patience` seconds a 404 is waited out: results may show a moment after the batch has ended (§2.2).
        """
        with ExitStack() as opened:
            stream = f"{_path(id)}/results", self._headers
            pieces = self._patiently(
                lambda: opened.enter_context(self._transport.stream(*stream, retries=retries)),
                until=self._clockwork.clock() + patience,
            )
            try:
                yield from pieces
            except (ConnectionFailed, BadResponse) as error:
                raise IncompleteResults(f"the results of {id} broke off: {error}", hint=_AGAIN) from error

    # ---- inside --------------------------------------------------------------------------------

    def _call(self, method: str, path: str, *, body: Json = None, retries: int | None = None) -> Answer:
        return self._transport.call(method, path, self._headers, body=body, retries=retries)

    def _list(
        self, limit: int, before_id: str | None, after_id: str | None
    ) -> tuple[BatchPage, Mapping[str, str]]:
        if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
            raise UsageError(f"limit is 1 to {MAX_PAGE}, not {limit!r}")
        _one_cursor(before_id, after_id)
        query: dict[str, str | int] = {"limit": limit}
        for name, cursor in (("before_id", before_id), ("after_id", after_id)):
            if cursor is not None:
                query[name] = _checked(cursor)
        answer = self._transport.call("GET", BATCHES, self._headers, query=query)
        return _read(answer, wire.page), answer.headers

    def _ended(self, id: str, *, retries: int | None = None) -> Batch:
        batch = self.poll(id, retries=retries).batch
        if batch.archived_at:
            raise NotFound(f"the results of {id} are gone: they are kept for 29 days after creation")
        if not batch.ended:
            raise NotFinished(
                f"batch {id} is {plain(batch.processing_status)}: it has no results yet",
                hint=f"wait for it with `batchrun batches wait {id}`",
            )
        return batch

    def _complete(
        self,
        batch: Batch,
        through: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
        *,
        retries: int | None = None,
    ) -> Iterator[tuple[bytes, Result]]:
        # Closed here and not when collected: the connection is given back when the reader stops early.
        with closing(self.chunks(batch.id, retries=retries, patience=PATIENCE)) as pieces:
            yield from streams.complete(through(pieces), batch.request_counts)

    def _patiently(self, attempt: Callable[[], T], *, until: float) -> T:
        """`attempt`, again while it raises NotFound and the clock has not reached `until`."""
        pause = 0.5
        while True:
            try:
                return attempt()
            except NotFound:
                left = until - self._clockwork.clock()
                if left <= 0:
                    raise
            self._clockwork.sleep(min(pause, left))
            pause *= 2


def _read(answer: Answer, parse: Callable[..., T], **expected: str) -> T:
    try:
        return parse(answer.value, **expected)
    except ValueError as error:
        raise BadResponse(
            f"an answer out of shape: {error}",
            status=200,
            request_id=answer.request_id,
            hint=apierrors.NO_ANSWER_OF_THE_API,
        ) from None


def _path(id: str) -> str:
    return f"{BATCHES}/{quote(_checked(id), safe='')}"


def _one_cursor(before_id: str | None, after_id: str | None) -> None:
    if before_id is not None and after_id is not None:
        raise UsageError("before_id and after_id cannot be used together")


def _checked(id: str) -> str:
    """A batch id as it came; its format may change (api-facts §2.7), so only what cannot be one is refused.
    An empty one would turn `get` into `list`."""
    if not _ID.fullmatch(id) or id in {".", ".."}:
        raise UsageError(f"not a batch id: {plain(id, 60)!r}")
    return id


def _reworded(error: ApiError, message: str) -> ApiError:
    return type(error)(message, status=error.status, type=error.type, request_id=error.request_id)


def _json(value: Mapping[str, object]) -> Json:
    try:
        checked: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the params are not JSON: {error}") from None
    return checked


def _tee(pieces: Iterable[bytes], write: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        write(piece)
        yield piece
