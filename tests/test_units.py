from __future__ import annotations

import pytest

from batchrun.units import duration, format_duration, format_size, format_usd, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("25h", 90_000),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("500ms", 0.5),
        (" 1.5 h ", 5400),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "60", "s", "-5s", "5 minutes", "1h30", "5S", "1e3s", "٣s"])
def test_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration: write it like 90s, 15m, 25h or 1h30m$"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("240MB", 240_000_000),
        ("200MiB", 200 << 20),
        ("1b", 1),
        ("1.5kB", 1500),
        ("2 gib", 2 << 30),
        ("9007199254740993B", 9007199254740993),
    ],
)
def test_size(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "240", "MB", "240M", "-1MB", "1MB 1kB", "240mib/s"])
def test_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size: write it like 500kB, 240MB or 200MiB$"):
        size(text)


def test_a_size_beyond_all_bounds() -> None:
    with pytest.raises(ValueError, match="is too large"):
        size("9" * 400 + ".5TB")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (42, "42s"),
        (59.9, "1m"),
        (3600, "1h"),
        (3661, "1h 1m"),
        (3605, "1h"),
        (93_600, "1d 2h"),
        (-90, "-1m 30s"),
    ],
)
def test_format_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.2 kB"),
        (999_600, "1 MB"),
        (240_000_000, "240 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_format_size(count: int, text: str) -> None:
    assert format_size(count) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"),
        (12.345, "$12.35"),
        (1234.5, "$1,234.50"),
        (0.0042, "$0.0042"),
        (0.0000287, "$0.000029"),
        (-1, "-$1.00"),
    ],
)
def test_format_usd(amount: float, text: str) -> None:
    assert format_usd(amount) == text
