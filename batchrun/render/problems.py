"""A problem as lines: what is wrong, where, and what to do next."""

from __future__ import annotations

from batchrun.errors import Problem
from batchrun.safetext import plain


def problem_lines(problem: Problem, word: str = "error") -> list[str]:
    """`error: …`, and below it `  --> file:line:col` and `hint: …` where there are any."""
    lines = [plain(f"{word}: {problem.text}", 2000)]
    if problem.where:
        lines.append(f"  --> {plain(problem.where, 1000)}")
    return lines + [plain(f"hint: {hint}", 1000) for hint in problem.hint.splitlines()]
