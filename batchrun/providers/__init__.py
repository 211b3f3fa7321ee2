"""The providers, by the name that state files keep. To add one: a file beside this and a line below."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from batchrun.clockwork import REAL, Clockwork
from batchrun.errors import ConfigError
from batchrun.providers.base import Provider


def _anthropic(
    environ: Mapping[str, str], base_url: str | None, api_key: str | None, time: Clockwork
) -> Provider:
    # Here and not above: requests takes a tenth of a second to import, and most reruns need no network.
    from batchrun.client.batches import BatchesClient
    from batchrun.providers.anthropic import Anthropic

    client = BatchesClient(
        api_key,
        base_url=base_url,
        environ=environ,
        sleep=time.sleep,
        clock=time.clock,
        rng=time.rng,
        now=time.now,
    )
    return Anthropic(client, now=time.now)


PROVIDERS: Mapping[str, Callable[[Mapping[str, str], str | None, str | None, Clockwork], Provider]] = {
    "anthropic": _anthropic,
}


def connect(
    name: str,
    environ: Mapping[str, str] = os.environ,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    clockwork: Clockwork = REAL,
) -> Provider:
    """The provider of that name; arguments win over the environment. Nothing is sent yet.

    Raises ConfigError for an unknown name, a missing key, an unfit base URL.
    """
    if name not in PROVIDERS:
        raise ConfigError(f"unknown provider {name!r}", hint=f"known: {', '.join(sorted(PROVIDERS))}")
    return PROVIDERS[name](environ, base_url, api_key, clockwork)
