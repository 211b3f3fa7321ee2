"""A problem as lines: what is wrong, where, and what to do next."""

from __future__ import annotations

from batchrun.errors import BatchrunError, Problem
from batchrun.safetext import plain


def problem_lines(problem: Problem, word: str = "error") -> list[str]:
    """`error: …`, and below it `  --> file:line:col` and `hint: …` where there are any."""
    lines = [plain(f"{word}: {problem.text}", 2000)]
    if problem.where:
        lines.append(f"  --> {plain(problem.where, 1000)}")
    return lines + [plain(f"hint: {hint}", 1000) for hint in problem.hint.splitlines()]


def error_lines(error: BatchrunError, word: str = "error") -> list[str]:
    """All that is wrong, one problem after the other, and what went on all the same."""
    lines = [line for problem in error.problems for line in problem_lines(problem, word)]
    return lines + [plain(f"note: {note}", 1000) for note in error.note.splitlines()]
