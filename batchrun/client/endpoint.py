"""Where the API is and who we are: base URL, credential, workspace, proxy, certificates (api-facts §1.1).

All of it comes from arguments and the environment the caller passes in, never from a job spec (design §2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from batchrun import __version__
from batchrun.errors import ConfigError

DEFAULT_BASE = "https://api.anthropic.com"
DEFAULT_VERSION = "2023-06-01"
NO_KEY_HINT = (
    "set ANTHROPIC_API_KEY, or key_file in batchrun.toml; to try without a key, use `batchrun run --sandbox`"
)

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
_HOST = re.compile(r"\w[\w.-]*|[0-9a-fA-F:.]+", re.ASCII)
_BETA = re.compile(r"[A-Za-z0-9._-]+")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
_OURS = {
    "accept-encoding", "anthropic-beta", "anthropic-version", "anthropic-workspace-id", "authorization",
    "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "host",
    "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "x-api-key",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`base` has no trailing slash. `secret` stands in no text that leaves this object but the one header."""

    base: str
    secret: str = field(repr=False)
    bearer: bool = False
    workspace_id: str = ""
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    def headers(self, *, api_version: str, betas: Sequence[str] = ()) -> dict[str, str]:
        """The headers of every call. Raises ConfigError for a version or a beta that is no header word."""
        if not _VERSION.fullmatch(api_version):
            raise ConfigError(f"api_version {api_version!r} is not a date like {DEFAULT_VERSION}")
        for beta in betas:
            if not _BETA.fullmatch(beta):
                raise ConfigError(f"{beta!r} is not the name of a beta")
        return {
            "user-agent": f"batchrun/{__version__}",
            "accept": "application/json",
            **self.extra,
            # A stream cut short is only noticed for certain when nothing packs it on the way.
            "accept-encoding": "identity",
            "anthropic-version": api_version,
            **({"anthropic-beta": ",".join(betas)} if betas else {}),
            **({"anthropic-workspace-id": self.workspace_id} if self.workspace_id else {}),
            **({"authorization": f"Bearer {self.secret}"} if self.bearer else {"x-api-key": self.secret}),
        }

    def fingerprint(self, seen: Mapping[str, str]) -> str:
        """Who we are to the server; `seen` are response headers. Changes with key, workspace, organization.

        A token is short-lived by nature (api-facts §1.1), so it counts only where the server does not say
        whose it is. Sixteen hexadecimal digits: enough to tell keys apart, and nothing to guess one from.
        """
        theirs = [seen.get(f"anthropic-{name}-id", "") for name in ("organization", "workspace")]
        ours = "token" if self.bearer and all(theirs) else self.secret
        return sha256("\0".join([self.workspace_id, *theirs, ours]).encode()).hexdigest()[:16]


def endpoint(
    api_key: str | None,
    auth_token: str | None,
    base_url: str | None,
    *,
    workspace_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    environ: Mapping[str, str],
) -> Endpoint:
    """Arguments win over the environment, and the API key over the token, as in the official client.

    Raises ConfigError for anything that is missing or unfit; no message repeats a credential.
    """
    secret, bearer = _credential(api_key, auth_token, environ)
    base = _base(base_url if base_url is not None else environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE)
    workspace = workspace_id if workspace_id is not None else environ.get("ANTHROPIC_WORKSPACE_ID", "")
    if workspace and not _VISIBLE.fullmatch(workspace):
        raise ConfigError(f"the workspace id {workspace!r} holds white space or control characters")
    return Endpoint(
        base=base,
        secret=secret,
        bearer=bearer,
        workspace_id=workspace,
        extra=_extra(headers or {}),
        proxies=proxies(base, environ),
        verify=certificates(environ),
    )


def _credential(api_key: str | None, auth_token: str | None, environ: Mapping[str, str]) -> tuple[str, bool]:
    if api_key is not None and auth_token is not None:
        raise ConfigError("both api_key and auth_token are given", hint="pass the one to be used")
    candidates = [(api_key, "api_key", False), (auth_token, "auth_token", True)]
    if api_key is None and auth_token is None:
        names = (("ANTHROPIC_API_KEY", False), ("ANTHROPIC_AUTH_TOKEN", True))
        candidates = [(environ.get(name) or None, name, bearer) for name, bearer in names]
    for value, name, bearer in candidates:
        if value is None:
            continue
        if not _VISIBLE.fullmatch(value):
            fault = "holds white space, control or non-ASCII characters" if value else "is empty"
            raise ConfigError(
                f"{name} {fault}", hint="set it again, without a line break or quotes around it"
            )
        return value, bearer
    raise ConfigError("no API key", hint=NO_KEY_HINT)


def _base(url: str) -> str:
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        raise ConfigError("the base URL holds white space, a backslash or characters outside ASCII")
    parts, host = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "the base URL holds a user name or password", hint="the key goes in ANTHROPIC_API_KEY"
        )
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        raise ConfigError(f"the base URL {url!r} is not an https URL")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ConfigError(f"the base URL {url!r} holds a query or a fragment")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigError(
            f"the base URL {url!r} would send the key unencrypted",
            hint="use https; http is for loopback hosts",
        )
    path = parts.path.rstrip("/")
    if path.endswith("/v1"):
        raise ConfigError(
            f"the base URL {url!r} ends in /v1", hint="leave /v1 out; it is added to every path"
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


def _split(url: str) -> tuple[SplitResult, str]:
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed, and refused, only when read
        return parts, parts.hostname or ""
    except ValueError:
        raise ConfigError("the base URL cannot be read as a URL") from None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _extra(headers: Mapping[str, str]) -> dict[str, str]:
    extra = {}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"the header {name!r} is malformed")
        if name.lower() in _OURS:
            raise ConfigError(f"the header {name!r} cannot be set: batchrun sets it itself")
        extra[name.lower()] = value.strip()
    return extra


def proxies(base: str, environ: Mapping[str, str]) -> dict[str, str]:
    """HTTPS_PROXY for https bases, but for loopback and the hosts of NO_PROXY. Raises ConfigError."""
    parts, host = _split(base)
    proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    if not proxy or parts.scheme != "https" or _loopback(host):
        return {}
    if _exempt(host, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return {}
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise ConfigError("HTTPS_PROXY is not an http or https URL")
    return {"https": proxy}


def _exempt(host: str, no_proxy: str) -> bool:
    """NO_PROXY: `*`, or a list of domains that stand for themselves and everything below them."""
    domains = [entry.strip().lstrip(".").lower() for entry in no_proxy.split(",")]
    return "*" in domains or any(
        host == domain or host.endswith(f".{domain}") for domain in domains if domain
    )


def certificates(environ: Mapping[str, str]) -> bool | str:
    """The file of trusted certificates, or True for the usual ones. Raises ConfigError."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := environ.get(name):
            if not Path(path).exists():
                raise ConfigError(f"{name} names a file that is not there: {path}")
            return path
    return True
