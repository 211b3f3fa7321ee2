"""Asking the API: a rate, and what trouble does to it."""

from __future__ import annotations

from batchrun.watch.pace import BURST, FIRST_PAUSE, LONGEST_PAUSE, Pace, due_with_spread, spread

NOW = 1_795_000_000.0


def polls(pace: Pace, seconds: float) -> int:
    """How many polls go in so many seconds, for someone who always wants to."""
    now, count = NOW, 0
    while (now := max(now, pace.free_at())) < NOW + seconds:
        pace.asked(now)
        count += 1
    return count


def test_a_rate_is_kept() -> None:
    assert polls(Pace(60), 600) <= 600 + BURST + 1
    assert polls(Pace(60), 600) >= 600
    assert polls(Pace(600), 60) >= 600


def test_a_silence_saves_up_no_more_than_a_burst() -> None:
    pace = Pace(60)
    pace.asked(NOW - 86_400)
    assert polls(pace, 0.5) <= BURST + 1


def test_trouble_stops_everybody_longer_each_time_and_an_answer_ends_it() -> None:
    pace, now, pauses = Pace(600), NOW, []
    for _ in range(10):
        pace.trouble(now)
        assert pace.probing
        pauses.append(pace.paused_until() - now)
        now = pace.paused_until()
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    pace.fine(now)
    assert not pace.probing
    pace.trouble(now)
    assert pace.paused_until() == now + FIRST_PAUSE


def test_trouble_that_was_met_together_counts_once() -> None:
    pace = Pace(600)
    for _ in range(4):
        pace.trouble(NOW)
    assert pace.paused_until() == NOW + FIRST_PAUSE
    pace.fine(NOW + 0.5)  # an answer to what was asked before
    assert pace.probing


def test_the_servers_own_wish_is_heeded() -> None:
    pace = Pace(600)
    pace.trouble(NOW, until=NOW + 30)
    assert pace.paused_until() == NOW + 30
    other = Pace(600)
    other.trouble(NOW, until=NOW + 86_400)
    assert other.paused_until() == NOW + LONGEST_PAUSE


def test_jobs_are_spread_by_their_names() -> None:
    shares = [spread(f"job{n}") for n in range(1000)]
    assert all(0 <= share < 1 for share in shares)
    assert 400 < sum(share < 0.5 for share in shares) < 600
    assert spread("labels") == spread("labels")
    assert NOW + 60 <= due_with_spread(NOW + 60, NOW, "labels") <= NOW + 66
    assert due_with_spread(NOW - 60, NOW, "labels") == NOW - 60
