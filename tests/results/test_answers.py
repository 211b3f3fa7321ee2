from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.errors import DiskError
from batchrun.model import ResultType
from batchrun.results.answers import Answers, Source
from tests.resultlines import custom_id, ended, errored, key, succeeded, write


def source(path: Path, *lines: bytes, attempt: int = 1) -> Source:
    return Source(write(path, *lines), "0123456789abcdef", f"msgbatch_{path.name}", attempt)


def test_an_answer_is_found_by_its_key(tmp_path: Path) -> None:
    first = source(tmp_path / "1", succeeded("b", "B"), succeeded("a", "A"))
    second = source(tmp_path / "2", errored("c", "invalid_request_error"))
    with Answers([first, second]) as answers:
        assert len(answers) == 3
        found = answers.get(key("a"))
        assert found is not None and found.source == first and found.result.custom_id == custom_id("a")
        assert found.result.message is not None
        assert found.result.message["content"] == [{"type": "text", "text": "A"}]
        failed = answers.get(key("c"))
        assert failed is not None and failed.source == second and failed.result.type is ResultType.ERRORED
        assert answers.get(key("nobody")) is None


def test_a_success_wins_else_the_latest(tmp_path: Path) -> None:
    sources = [
        source(tmp_path / "1", ended("late", "expired"), succeeded("early"), ended("never", "expired")),
        source(tmp_path / "2", errored("late", "api_error"), ended("early", "expired")),
        source(tmp_path / "3", succeeded("late"), errored("never", "overloaded_error")),
    ]
    with Answers(sources) as answers:
        chosen = {name: answers.get(key(name)) for name in ("late", "early", "never")}
    assert {name: (a.source.batch_id, a.result.type) for name, a in chosen.items() if a} == {
        "late": ("msgbatch_3", ResultType.SUCCEEDED),
        "early": ("msgbatch_1", ResultType.SUCCEEDED),
        "never": ("msgbatch_3", ResultType.ERRORED),
    }


def test_two_rows_share_one_entry(tmp_path: Path) -> None:
    with Answers([source(tmp_path / "1", succeeded("a"), succeeded("b"))]) as answers:
        a, again, b = (answers.get(key(name)) for name in "aab")
    assert a and again and b
    assert a.entry == again.entry != b.entry


def test_keys_with_the_same_first_half_are_told_apart(tmp_path: Path) -> None:
    one, other = "0" * 16 + "1" * 16, "0" * 16 + "2" * 16
    lines = [
        succeeded("a").replace(key("a").encode(), one.encode()),
        succeeded("a", "other").replace(key("a").encode(), other.encode()),
    ]
    with Answers([source(tmp_path / "1", *lines)]) as answers:
        found = [answers.get(one), answers.get(other), answers.get("0" * 32)]
    assert [f and f.result.custom_id[:32] for f in found] == [one, other, None]


def test_lines_may_be_spaced_and_ordered_as_they_like(tmp_path: Path) -> None:
    odd = b' { "result" : {"type":"expired"}, "custom_id" : "' + custom_id("a").encode() + b'"}\r'
    spaced = b'{ "custom_id" : "' + custom_id("b").encode() + b'", "result" : {"type":"canceled"}}'
    with Answers([source(tmp_path / "1", odd, b"", spaced)]) as answers:
        a, b = answers.get(key("a")), answers.get(key("b"))
    assert a and b
    assert (a.result.type, b.result.type) == (ResultType.EXPIRED, ResultType.CANCELED)


def test_a_line_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "r", b'{"custom_id":"' + custom_id("a").encode() + b'"}')
    with Answers([Source(path, "n", "b")]) as answers, pytest.raises(DiskError) as caught:
        answers.get(key("a"))
    assert str(caught.value) == f"{path} holds a line that batchrun did not write: result is not an object"
