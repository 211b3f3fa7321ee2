from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.client.endpoint import NO_KEY_HINT, Endpoint, endpoint
from batchrun.errors import ConfigError

KEY = {"ANTHROPIC_API_KEY": "sk-env"}


def made(
    environ: dict[str, str] | None = None,
    *,
    key: str | None = None,
    token: str | None = None,
    base: str | None = None,
    workspace: str | None = None,
    headers: dict[str, str] | None = None,
) -> Endpoint:
    known = KEY if environ is None else environ
    return endpoint(key, token, base, workspace_id=workspace, headers=headers, environ=known)


def sent(to: Endpoint) -> dict[str, str]:
    return to.headers(api_version="2023-06-01")


@pytest.mark.parametrize(
    ("key", "token", "environ", "name", "value"),
    [
        (None, None, KEY, "x-api-key", "sk-env"),
        (None, None, {"ANTHROPIC_AUTH_TOKEN": "tok"}, "authorization", "Bearer tok"),
        (None, None, {**KEY, "ANTHROPIC_AUTH_TOKEN": "tok"}, "x-api-key", "sk-env"),
        (None, None, {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "tok"}, "authorization", "Bearer tok"),
        ("sk-arg", None, {**KEY, "ANTHROPIC_AUTH_TOKEN": "tok"}, "x-api-key", "sk-arg"),
        (None, "tok-arg", KEY, "authorization", "Bearer tok-arg"),
    ],
)
def test_which_credential(
    key: str | None, token: str | None, environ: dict[str, str], name: str, value: str
) -> None:
    headers = sent(made(environ, key=key, token=token))
    assert headers[name] == value
    assert len({"x-api-key", "authorization"} & headers.keys()) == 1


def test_no_credential() -> None:
    with pytest.raises(ConfigError, match=r"^no API key$") as caught:
        made({})
    assert caught.value.hint == NO_KEY_HINT
    with pytest.raises(ConfigError, match=r"^both api_key and auth_token are given$"):
        made(key="a", token="b")


@pytest.mark.parametrize("key", ["sk 1", "sk\n", "sk\x00", "sk\u00e9", "\tsk", "sk\x7f"])
def test_an_unfit_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made({"ANTHROPIC_API_KEY": key})
    text = "ANTHROPIC_API_KEY holds white space, control or non-ASCII characters"
    assert str(caught.value) == text
    with pytest.raises(ConfigError, match=r"^auth_token is empty$"):
        made(token="")


def test_the_key_is_in_no_repr() -> None:
    assert "sk-env" not in repr(made())


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.example", "https://api.example"),
        ("https://gw.example/anthropic/", "https://gw.example/anthropic"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:1/", "http://localhost:1"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_base_urls(url: str, base: str) -> None:
    assert made(base=url).base == base
    assert made({**KEY, "ANTHROPIC_BASE_URL": url}).base == base


def test_the_default_base() -> None:
    assert made().base == "https://api.anthropic.com"
    assert made({**KEY, "ANTHROPIC_BASE_URL": ""}).base == "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://api.example", "would send the key unencrypted"),
        ("http://localhost.example", "would send the key unencrypted"),
        ("http://127.0.0.1.example", "would send the key unencrypted"),
        ("http://2130706433", "would send the key unencrypted"),
        ("http://0.0.0.0", "would send the key unencrypted"),
        ("https://user:pass@api.example", "the base URL holds a user name or password"),
        ("http://127.0.0.1@evil.example", "the base URL holds a user name or password"),
        ("http://127.0.0.1\\@evil.example", "white space, a backslash"),
        ("https://api.example?x=1", "holds a query or a fragment"),
        ("https://api.example/#x", "holds a query or a fragment"),
        ("https://api.example/?", "holds a query or a fragment"),
        ("https://api.example:99999", "cannot be read as a URL"),
        ("https://[::1", "cannot be read as a URL"),
        ("ftp://api.example", "is not an https URL"),
        ("api.example", "is not an https URL"),
        ("https://", "is not an https URL"),
        ("https://*.example", "is not an https URL"),
        ("https://a%2eb", "is not an https URL"),
        ("https://api.example /", "white space, a backslash"),
        ("https://api.example/v1", "ends in /v1"),
        ("", "white space, a backslash"),
    ],
)
def test_unfit_base_urls(url: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        made(base=url)
    assert "pass@" not in str(caught.value)


def test_the_headers_of_a_call() -> None:
    to = made({**KEY, "ANTHROPIC_WORKSPACE_ID": "wrkspc_1"}, headers={"X-Team": " blue "})
    headers = to.headers(api_version="2026-10-21", betas=("a-1", "b-2"))
    assert headers.pop("user-agent").startswith("batchrun/")
    assert headers == {
        "accept": "application/json",
        "x-team": "blue",
        "accept-encoding": "identity",
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "a-1,b-2",
        "anthropic-workspace-id": "wrkspc_1",
        "x-api-key": "sk-env",
    }
    assert sent(made(workspace="wrkspc_2"))["anthropic-workspace-id"] == "wrkspc_2"
    assert "anthropic-beta" not in sent(made())


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"X-Api-Key": "x"}, "the header 'X-Api-Key' cannot be set: batchrun sets it itself"),
        ({"Authorization": "x"}, "cannot be set"),
        ({"ANTHROPIC-VERSION": "x"}, "cannot be set"),
        ({"host": "x"}, "cannot be set"),
        ({"content-length": "1"}, "cannot be set"),
        ({"x y": "1"}, "the header 'x y' is malformed"),
        ({"x": "1\r\ny: 2"}, "the header 'x' is malformed"),
    ],
)
def test_headers_that_cannot_be_set(headers: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        made(headers=headers)


@pytest.mark.parametrize(
    ("version", "betas", "fault"),
    [
        ("latest", (), "^api_version 'latest' is not a date like 2023-06-01$"),
        ("2023-06-01\r\nx: y", (), "is not a date"),
        ("2023-06-01", ("a,b",), "^'a,b' is not the name of a beta$"),
        ("2023-06-01", ("",), "is not the name of a beta"),
    ],
)
def test_versions_and_betas(version: str, betas: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        made().headers(api_version=version, betas=betas)


@pytest.mark.parametrize("workspace", ["a b", "a\r\nx: y"])
def test_an_unfit_workspace(workspace: str) -> None:
    with pytest.raises(ConfigError, match="holds white space or control characters"):
        made(workspace=workspace)


PROXY = {**KEY, "HTTPS_PROXY": "http://proxy.example:3128"}


@pytest.mark.parametrize(
    ("environ", "base", "proxies"),
    [
        (PROXY, None, {"https": "http://proxy.example:3128"}),
        ({**KEY, "https_proxy": "proxy.example:1"}, None, {"https": "http://proxy.example:1"}),
        ({**PROXY, "NO_PROXY": "*"}, None, {}),
        ({**PROXY, "NO_PROXY": "x.example, .anthropic.com"}, None, {}),
        ({**PROXY, "no_proxy": "api.anthropic.com"}, None, {}),
        ({**PROXY, "NO_PROXY": "opic.com,"}, None, {"https": "http://proxy.example:3128"}),
        (PROXY, "http://127.0.0.1:1", {}),
        (PROXY, "https://localhost", {}),
        ({**KEY, "HTTP_PROXY": "http://proxy.example"}, "http://127.0.0.1:1", {}),
    ],
)
def test_proxies(environ: dict[str, str], base: str | None, proxies: dict[str, str]) -> None:
    assert made(environ, base=base).proxies == proxies


def test_a_proxy_of_another_kind() -> None:
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY is not an http or https URL$"):
        made({**KEY, "HTTPS_PROXY": "socks5://user:pass@x"})


def test_certificates(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match=r"^SSL_CERT_FILE names a file that is not there: "):
        made({**KEY, "SSL_CERT_FILE": str(bundle)})
    bundle.touch()
    assert made({**KEY, "SSL_CERT_FILE": str(bundle)}).verify == str(bundle)
    assert made().verify is True


def test_the_fingerprint_changes_with_who_we_are() -> None:
    seen = {"anthropic-organization-id": "org", "anthropic-workspace-id": "w"}
    prints = [
        made().fingerprint({}),
        made(key="sk-2").fingerprint({}),
        made(workspace="w").fingerprint({}),
        made().fingerprint(seen),
        made().fingerprint({**seen, "anthropic-workspace-id": "v"}),
        made(token="t").fingerprint({}),
        made(token="t").fingerprint(seen),
    ]
    assert len(set(prints)) == len(prints)
    assert all(len(p) == 16 for p in prints)
    # The sandbox has a new port each time, and a token a new value each hour.
    assert made(base="http://127.0.0.1:1").fingerprint({}) == made(base="http://127.0.0.1:2").fingerprint({})
    assert made(token="t").fingerprint(seen) == made(token="u").fingerprint(seen)
    assert made(token="t").fingerprint({}) != made(token="u").fingerprint({})
