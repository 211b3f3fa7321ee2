"""Every way requests, urllib3, ssl and the socket say "no answer" → one ConnectionFailed, in our words."""

from __future__ import annotations

from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError

import requests
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ProxySchemeUnsupported
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from batchrun.errors import ConnectionFailed
from batchrun.safetext import plain

LIBRARY_ERRORS = (requests.RequestException, HTTPError, ProxySchemeUnsupported, HTTPException, OSError)
_NETWORK = "check the network, ANTHROPIC_BASE_URL and HTTPS_PROXY"
_CERTIFICATE = "the server's certificate is not trusted here: name your CA file in SSL_CERT_FILE"


def no_answer(error: Exception, base: str, *, sent: bool) -> ConnectionFailed:
    """The error for a library's `error` on the way to `base`. Raise it outside the except block: `error`
    holds the request, and with it the key. Its cause is the innermost error."""
    cause = _chain(error)[-1]
    untrusted = isinstance(cause, SSLCertVerificationError)
    failed = broken(f"no answer from {base}: {_words(cause)}", sent=sent, lasting=untrusted)
    # An HTTPException repeats what the server said, which may be the key again.
    failed.__cause__ = None if isinstance(cause, HTTPException) else cause
    return failed


def broken(message: str, *, sent: bool = True, lasting: bool = False) -> ConnectionFailed:
    """A ConnectionFailed; transient unless the trouble is of the kind that stays."""
    failed = ConnectionFailed(message, sent=sent, hint=_CERTIFICATE if lasting else _NETWORK)
    failed.transient = not lasting
    return failed


def connected(error: Exception) -> bool:
    """False where the error arose before there was a connection: no such host, refused, connect timeout."""
    return not any(isinstance(e, NewConnectionError | requests.ConnectTimeout) for e in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    return chain


def _inner(error: BaseException) -> BaseException | None:
    """What `error` wraps: in `reason` or its arguments, or as its cause where urllib3 keeps only the text."""
    candidates = (getattr(error, "reason", None), *reversed(error.args))
    wrapped = next((c for c in candidates if isinstance(c, BaseException)), None)
    return wrapped or (error.__cause__ if isinstance(error, HTTPError) else None)


def _words(cause: BaseException) -> str:
    match cause:
        case gaierror():
            return "the host name cannot be resolved"
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError() | Urllib3Timeout() | requests.Timeout():
            return "timed out"
        case SSLCertVerificationError():
            return f"its certificate is not valid: {plain(getattr(cause, 'verify_message', ''))}"
        case SSLError():
            return f"TLS failed: {plain(getattr(cause, 'reason', '') or str(cause))}"
        case RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "the connection was closed"
        case IncompleteRead() | ProtocolError():
            return "the connection broke off in the middle of the answer"
        case HTTPException():
            return "what came back is not HTTP"
        case OSError(strerror=str(text)) if text:
            return plain(text)
        case _:
            return plain(str(cause)) or type(cause).__name__
