from __future__ import annotations

import subprocess
import sys

import pytest

from batchrun.errors import ConfigError
from batchrun.providers import connect

ENVIRON = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}


def test_connect() -> None:
    provider = connect("anthropic", ENVIRON)
    assert (provider.name, provider.origin) == ("anthropic", "http://127.0.0.1:9")
    provider.close()
    provider = connect("anthropic", {}, base_url="http://localhost:1", api_key="x")
    assert provider.origin == "http://localhost:1"
    provider.close()


def test_an_unknown_provider() -> None:
    with pytest.raises(ConfigError, match=r"^unknown provider 'acme'$") as caught:
        connect("acme", ENVIRON)
    assert caught.value.hint == "known: anthropic"


def test_no_key() -> None:
    with pytest.raises(ConfigError, match=r"^no API key$"):
        connect("anthropic", {})


@pytest.mark.parametrize(
    "module", ["batchrun.providers", "batchrun.providers.base", "batchrun.commands.batches"]
)
def test_no_http_library_before_it_is_needed(module: str) -> None:
    code = f"import sys, {module}; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
