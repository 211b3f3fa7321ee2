from __future__ import annotations

from pathlib import Path

import pytest

from batchrun import __version__
from batchrun.crash import write_crash

KEY = "key-of-my-own-1234"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the crash files go; `tempfile` remembers what it once found."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def crash(text: str) -> Exception:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        return error


def test_a_crash_file_is_private_and_tells_where(tmp_path: Path) -> None:
    written = write_crash(crash("it broke ü\ud800"))
    assert written is not None
    path = Path(written)
    assert (path.parent, path.stat().st_mode & 0o777) == (tmp_path, 0o600)
    text = path.read_text("utf-8")
    assert text.startswith(f"batchrun {__version__}, Python 3.")
    assert "raise RuntimeError(text)\nRuntimeError: it broke ü?" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"x-api-key: {KEY}", "x-api-key: <ANTHROPIC_API_KEY>"),
        ("sk-ant-api03-AbC_d-9", "<secret>"),
        ("Authorization: Bearer abc.def-9", "Authorization: <secret>"),
    ],
)
def test_secrets_stay_out(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    written = write_crash(crash(text))
    assert written is not None
    assert f"RuntimeError: {shown}" in Path(written).read_text("utf-8")


def test_values_stay_out() -> None:
    row = "a row's own text"

    def work(_text: str) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as caught:
        work(row)
    written = write_crash(caught.value)
    assert written is not None
    assert row not in Path(written).read_text("utf-8").replace(f'"{row}"', "")


def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert write_crash(crash("no")) is None
