"""Counts of trials: added up over workers, and never zero by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trials.tally import PAGE, Campaign, publish, table


def test_counts_are_added_up_by_name(tmp_path: Path) -> None:
    report = tmp_path / "build" / "trials.jsonl"
    for _ in range(2):
        with Campaign("kills", report) as kills:
            for number in range(1000):
                with kills.trial(str(number)):
                    pass
    with pytest.raises(AssertionError, match="1 of 2 trials failed"), Campaign("disks", report) as disks:
        with disks.trial("first"):
            pass
        with disks.trial("second"):
            raise AssertionError("it broke")
    assert table(report) == [
        "| Campaign | Trials | Failures | Seconds |",
        "| --- | ---: | ---: | ---: |",
        "| disks | 2 | 1 | 0 |",
        "| kills | 2,000 | 0 | 0 |",
        "| all | 2,002 | 1 | 0 |",
    ]


def test_failures_are_told_of_at_the_end() -> None:
    campaign = Campaign("kills")
    with pytest.raises(AssertionError) as caught, campaign:
        for name in ("line 1", "line 2"):
            with campaign.trial(name):
                assert name == "line 1", "paid twice"
    assert str(caught.value).startswith("kills: 1 of 2 trials failed\n\nline 2: paid twice")


def test_a_campaign_without_a_trial_fails() -> None:
    with pytest.raises(AssertionError, match="kills: there was nothing to try"), Campaign("kills"):
        pass


def test_what_is_no_failed_assertion_ends_the_campaign(tmp_path: Path) -> None:
    report = tmp_path / "trials.jsonl"
    with pytest.raises(OSError, match="disk"), Campaign("kills", report) as campaign, campaign.trial():
        raise OSError("disk")
    assert table(report)[2] == "| kills | 1 | 1 | 0 |"


def test_no_report_no_table(tmp_path: Path) -> None:
    assert table(tmp_path / "none") == []


def test_counts_go_into_the_page(tmp_path: Path) -> None:
    report, page = tmp_path / "trials.jsonl", tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    with Campaign("kills", report) as campaign, campaign.trial():
        pass
    for _ in range(2):
        publish(report, page)
        [line] = [line for line in page.read_text().splitlines() if line.startswith("| kills")]
        assert line == "| kills | 1 | 0 | 0 |"
    assert page.read_text().count("<!-- end -->") == 1
