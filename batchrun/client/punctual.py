"""Connections whose answers begin in time. A socket's timeout is for one silence: a server that drips its headers,
a byte a second, would never meet it."""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class PunctualAdapter(HTTPAdapter):
    """The read timeout also bounds a whole head (interim answers and a proxy's included), and each wait for more
    of a body."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _punctual(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **options)
        return _punctual(manager)


def _punctual(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


class _Watched(io.RawIOBase):
    """`raw`, which gives nothing any more once `until` is over: a time of the monotonic clock."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self.until = raw, float("inf")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.until:
            raise TimeoutError("timed out")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    fp: io.BufferedReader

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._patience: float | None = sock.gettimeout()
        self._watched = _Watched(self.fp.detach())
        self.fp = io.BufferedReader(self._watched)
        self._wait_from_now()

    def read1(self, n: int = -1) -> bytes:
        self._wait_from_now()
        return super().read1(n)

    def _wait_from_now(self) -> None:
        if self._patience is not None:
            self._watched.until = time.monotonic() + self._patience


class _Connection(HTTPConnection):
    response_class: ClassVar[type[HTTPResponse]] = _Response  # type: ignore[misc]


class _SecureConnection(HTTPSConnection):
    response_class: ClassVar[type[HTTPResponse]] = _Response  # type: ignore[misc]


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
