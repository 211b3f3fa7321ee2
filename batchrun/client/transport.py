"""HTTP to one origin: one try or several, bounded in time and size, errors as our own tree.

Below `requests.Session` on purpose: the adapter alone knows no redirects, cookies, netrc or environment,
and its connection pool is safe to share between threads.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import orjson
import requests

from batchrun import jsonbytes
from batchrun.client import apierrors
from batchrun.client.body import Upload
from batchrun.client.disconnects import LIBRARY_ERRORS, broken, connected, no_answer
from batchrun.client.endpoint import Endpoint
from batchrun.client.punctual import PunctualAdapter
from batchrun.client.redaction import redacted, redacted_bytes, redacted_pieces
from batchrun.client.streams import PIECE, gunzip
from batchrun.clockwork import Clockwork
from batchrun.errors import ApiError, BadResponse
from batchrun.model import Json
from batchrun.safetext import plain

T = TypeVar("T")

MAX_ANSWER = 16 * 1024 * 1024  # a list page of 1,000 batches is well below 1 MiB
MAX_ERROR = 64 * 1024
BACKOFF_BASE, BACKOFF_CAP = 0.5, 30.0
RETRY_BUDGET = 300.0  # seconds of waiting in one call, whatever the server asks


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `read` is the longest silence, and the longest the head of an answer may take; `answer` the
    longest the body of one may, but for results.

    For create: `upload` is how long one piece of the body may take to leave, and the connection to come
    about; `create` the same as `read` after it, while the server checks up to 256 MB.
    """

    connect: float = 10.0
    read: float = 60.0
    answer: float = 120.0
    upload: float = 60.0
    create: float = 600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 with its JSON. `headers` have lower-case names."""

    value: Json
    headers: Mapping[str, str]
    request_id: str


class Transport:
    """Safe to use from several threads."""

    def __init__(self, to: Endpoint, *, timeouts: Timeouts, max_retries: int, clockwork: Clockwork) -> None:
        self._to, self._timeouts, self._max_retries = to, timeouts, max_retries
        self._clockwork = clockwork
        self._adapter = PunctualAdapter(pool_connections=1, pool_maxsize=32, max_retries=0)

    def close(self) -> None:
        _close(self._adapter)

    def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str | int] | None = None,
        body: Json = None,
        retries: int | None = None,
    ) -> Answer:
        """A call that is safe to repeat, and repeated on transient errors with full-jitter backoff."""
        request = self._request(method, path, headers, query)
        if method == "POST":
            request.body = jsonbytes.dumps(body if body is not None else {})
            request.headers.update(
                {"content-type": "application/json", "content-length": str(len(request.body))}
            )

        def once() -> Answer:
            with self._response(self._adapter, request) as response:
                return self._answer(response)

        return self.repeat(once, retries=retries)

    def post_once(self, path: str, headers: Mapping[str, str], upload: Upload) -> Answer:
        """One POST, whatever happens. On a connection of its own: a pooled one that the server has just
        closed would leave us not knowing whether the request arrived."""
        request = self._request("POST", path, headers, None)
        request.headers.update({"content-type": "application/json", "content-length": str(upload.length)})
        request.body = upload  # type: ignore[assignment]  # any iterable of bytes will do
        adapter = PunctualAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        try:
            with self._response(adapter, request, upload) as response:
                return self._answer(response)
        finally:
            _close(adapter)

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], *, retries: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The body of a GET, unpacked, in pieces; whatever goes wrong, the connection is given back.

        Getting to the first byte is retried, the stream itself is not: a ConnectionFailed out of the
        pieces means that the body broke off.
        """
        request = self._request("GET", path, headers, None)
        response = self.repeat(lambda: self._accepted(request), retries=retries)
        try:
            yield redacted_pieces(self._pieces(response), self._to.secret)
        finally:
            response.close()

    def repeat(self, attempt: Callable[[], T], *, retries: int | None = None) -> T:
        """`attempt`, again after each transient ApiError, within the tries and the waiting time allowed."""
        left = self._max_retries if retries is None else retries
        until = self._clockwork.clock() + RETRY_BUDGET
        ceiling = BACKOFF_BASE
        while True:
            try:
                return attempt()
            except ApiError as error:
                delay = max(self._clockwork.rng() * ceiling, error.retry_after or 0.0)
                # A server that wants more than we may wait is told to the caller, not asked too early.
                if not error.transient or left <= 0 or self._clockwork.clock() + delay > until:
                    raise
            left, ceiling = left - 1, min(ceiling * 2, BACKOFF_CAP)
            self._clockwork.sleep(delay)

    # ---- one try -------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str | int] | None
    ) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        url = f"{self._to.base}{path}" + (f"?{urlencode(query)}" if query else "")
        # The body and its length are set by hand: requests would read or buffer it to find out.
        request.prepare(method=method, url=url, headers=dict(headers))
        return request

    def _accepted(self, request: requests.PreparedRequest) -> requests.Response:
        """A response of status 200, its body unread and open; any other is closed and raised."""
        response = self._send(self._adapter, request, None)
        try:
            self._refuse(response)
        except BaseException:
            response.close()
            raise
        return response

    @contextmanager
    def _response(
        self, adapter: PunctualAdapter, request: requests.PreparedRequest, upload: Upload | None = None
    ) -> Iterator[requests.Response]:
        response = self._send(adapter, request, upload)
        try:
            self._refuse(response)
            yield response
        finally:
            response.close()

    def _send(
        self, adapter: PunctualAdapter, request: requests.PreparedRequest, upload: Upload | None
    ) -> requests.Response:
        times = self._timeouts
        try:
            return adapter.send(
                request,
                stream=True,
                # urllib3 lets the connect timeout hold for each write too.
                timeout=(times.connect, times.read) if upload is None else (times.upload, times.create),
                verify=self._to.verify,
                proxies=dict(self._to.proxies),
            )
        except LIBRARY_ERRORS as error:
            # The body is asked for its first byte only once connection, tunnel and TLS stand: a server that
            # got none of it has created nothing, however the connection ended.
            sent = connected(error) if upload is None else upload.begun
            failed = no_answer(error, self._to.base, sent=sent)
        # Out here, `error` is not the context of what is raised: it holds the request, and with it the key.
        raise failed

    def _refuse(self, response: requests.Response) -> None:
        if response.status_code == 200:
            return
        try:
            body = b"".join(_first(self._timely(response), MAX_ERROR))
        except ApiError:
            body = b""  # the status alone still says what to do
        raise apierrors.from_answer(
            response.status_code, _lower(response), body, now=self._clockwork.now(), secret=self._to.secret
        )

    def _answer(self, response: requests.Response) -> Answer:
        headers = _lower(response)
        request_id = plain(redacted(headers.get("request-id", ""), self._to.secret), 100)
        body = bytearray()
        for piece in self._timely(response):
            body += piece
            if len(body) > MAX_ANSWER:
                raise self._bad(f"an answer of more than {MAX_ANSWER:,} bytes", request_id)
        told = redacted_bytes(bytes(body), self._to.secret)
        with suppress(orjson.JSONDecodeError):
            return Answer(orjson.loads(told), headers, request_id)
        # Out here, the decoder's error is not the context of ours: it holds the whole text.
        start = plain(redacted(told[:2000].decode("utf-8", "replace"), self._to.secret), 200)
        raise self._bad(f"an answer that is not JSON: {start!r}" if start else "an empty answer", request_id)

    def _timely(self, response: requests.Response) -> Iterator[bytes]:
        """The pieces of a body that has to be here in time."""
        until = self._clockwork.clock() + self._timeouts.answer
        for piece in self._pieces(response):
            yield piece
            if self._clockwork.clock() > until:
                raise broken(f"{self._to.base} took longer than {self._timeouts.answer:g} s to answer")

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it was before any packing, in pieces. A body that breaks off is a ConnectionFailed."""
        packing = response.headers.get("content-encoding", "").strip().lower()
        raw = self._raw(response)
        match packing:
            case "" | "identity":
                yield from raw
            case "gzip" | "x-gzip":
                try:
                    yield from gunzip(raw)
                except EOFError:
                    raise broken(f"{self._to.base} ended its answer early") from None
                except zlib.error:
                    raise self._bad("an answer whose gzip packing is damaged") from None
            case _:
                raise self._bad(f"an answer packed as {plain(packing, 40)!r}, which was not asked for")

    def _raw(self, response: requests.Response) -> Iterator[bytes]:
        try:
            # read1: what has arrived is passed on, so that a server that drips meets our deadline.
            while piece := response.raw.read1(PIECE, decode_content=False):
                yield piece
            return
        except LIBRARY_ERRORS as error:
            failed = no_answer(error, self._to.base, sent=True)
        raise failed

    # ---- what went wrong -----------------------------------------------------------------------

    def _bad(self, what: str, request_id: str = "") -> BadResponse:
        return BadResponse(
            f"{self._to.base} gave {what}",
            status=200,
            request_id=request_id,
            hint=apierrors.NO_ANSWER_OF_THE_API,
        )


def _close(adapter: PunctualAdapter) -> None:
    """Close the connections now. The adapter alone would leave it to the garbage collector, and an exception
    with its traceback keeps them alive."""
    for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
        for key in manager.pools.keys():  # noqa: SIM118 - not iterable in itself
            if pool := manager.pools.get(key):
                pool.close()
    adapter.close()


def _first(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    left = limit
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


def _lower(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
