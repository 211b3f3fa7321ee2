"""A webhook: one POST, no redirects, nothing of ours but the notice, and an end to waiting whatever comes back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress

import requests
from requests.adapters import HTTPAdapter

from batchrun import __version__
from batchrun.client.disconnects import LIBRARY_ERRORS, no_answer
from batchrun.client.endpoint import certificates, proxies
from batchrun.config.layers import origin_of
from batchrun.errors import ConfigError
from batchrun.units import format_duration

_CONNECT = 5.0


def post(
    url: str, body: bytes, headers: Mapping[str, str], environ: Mapping[str, str], timeout: float
) -> str:
    """What went wrong, or "". Only the origin of `url` is ever told: its path may be the secret."""
    try:
        way, verify = proxies(url, environ), certificates(environ)
    except ConfigError as error:
        return str(error)
    faults: list[str] = []
    # In a thread: a server that sends a byte at a time could hold a socket's own time-outs for ever.
    asking = threading.Thread(
        target=lambda: faults.append(_post(url, body, headers, way, verify, timeout)), daemon=True
    )
    asking.start()
    asking.join(timeout)
    return faults[0] if faults else f"no answer from {origin_of(url)} in {format_duration(timeout)}"


def _post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    way: Mapping[str, str],
    verify: bool | str,
    timeout: float,
) -> str:
    # Below requests.Session, as in client/transport: no redirects, cookies, netrc or environment.
    adapter = HTTPAdapter(max_retries=0)
    plain = {
        "content-type": "application/json",
        "user-agent": f"batchrun/{__version__}",
        "connection": "close",
    }
    try:
        prepared = requests.Request("POST", url, headers={**headers, **plain}, data=body).prepare()
        limits = (min(_CONNECT, timeout), timeout)
        answer = adapter.send(
            prepared, stream=True, timeout=limits, verify=verify, proxies=dict(way) if way else None
        )
        answer.close()
        code = answer.status_code
    except LIBRARY_ERRORS as error:
        return str(no_answer(error, origin_of(url), sent=True))
    except ValueError:
        return f"no address to post to: {origin_of(url)}"
    finally:
        with suppress(*LIBRARY_ERRORS):
            adapter.close()
    return "" if 200 <= code < 300 else f"{origin_of(url)} answered {code}"
