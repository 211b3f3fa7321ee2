from __future__ import annotations

from batchrun.errors import Problem
from batchrun.render.problems import problem_lines


def test_what_where_and_what_next() -> None:
    problem = Problem("is wrong", "job.yaml:1:2", "mend it\nor leave it", "request.model")
    assert problem_lines(problem) == [
        "error: request.model: is wrong",
        "  --> job.yaml:1:2",
        "hint: mend it",
        "hint: or leave it",
    ]
    assert problem_lines(Problem("odd"), "warning") == ["warning: odd"]


def test_foreign_words_are_made_plain() -> None:
    assert problem_lines(Problem("a\x1bb\nc", "d\x07", "e\x00"))[0] == "error: a\ufffdb c"
