from __future__ import annotations

import http.client
import inspect
import ssl
from types import ModuleType

import pytest
import requests
import urllib3.exceptions
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.exceptions import SSLError as Urllib3SSLError

from batchrun.client.disconnects import LIBRARY_ERRORS, connected, no_answer


@pytest.mark.parametrize("module", [requests.exceptions, urllib3.exceptions, http.client, ssl])
def test_no_error_of_the_libraries_is_missed(module: ModuleType) -> None:
    theirs = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    errors = [c for c in theirs if issubclass(c, Exception) and not issubclass(c, Warning)]
    assert [c for c in errors if not issubclass(c, LIBRARY_ERRORS)] == []
    assert errors


def wrapped(cause: Exception) -> requests.RequestException:
    """As requests hands on what urllib3 hands on."""
    return requests.ConnectionError(MaxRetryError(None, "/", cause))  # type: ignore[arg-type]


def refused() -> requests.RequestException:
    try:
        raise NewConnectionError(None, "no") from ConnectionRefusedError(111, "x")  # type: ignore[arg-type]
    except NewConnectionError as error:
        return wrapped(error)


CERTIFICATE = ssl.SSLCertVerificationError(1, "certificate verify failed")
CERTIFICATE.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("error", "words", "transient", "made"),
    [
        (refused(), "connection refused", True, False),
        (
            wrapped(Urllib3SSLError(CERTIFICATE)),
            "its certificate is not valid: self-signed certificate",
            False,
            True,
        ),
        (wrapped(Urllib3SSLError(ssl.SSLError(1, "bad mac"))), "TLS failed: bad mac", True, True),
        (requests.ConnectTimeout(), "timed out", True, False),
        (requests.ReadTimeout(TimeoutError()), "timed out", True, True),
        (OSError(113, "No route to host"), "No route to host", True, True),
        (http.client.BadStatusLine("sk-secret"), "what came back is not HTTP", True, True),
        (http.client.LineTooLong("header"), "what came back is not HTTP", True, True),
        (requests.RequestException("odd\x1b[2J"), "odd�[2J", True, True),
        (requests.RequestException(), "RequestException", True, True),
    ],
)
def test_words(error: Exception, words: str, transient: bool, made: bool) -> None:
    failed = no_answer(error, "https://api.example", sent=True)
    assert str(failed) == f"no answer from https://api.example: {words}"
    assert failed.transient is transient
    assert connected(error) is made
    assert "sk-secret" not in repr(failed.__cause__)


def test_a_certificate_that_is_not_trusted_has_its_own_advice() -> None:
    failed = no_answer(wrapped(Urllib3SSLError(CERTIFICATE)), "https://api.example", sent=False)
    assert failed.hint == "the server's certificate is not trusted here: name your CA file in SSL_CERT_FILE"
    assert not failed.sent
