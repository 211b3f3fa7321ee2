"""Labelled lines for a terminal of 80 columns, with colours or without."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

WIDTH = 80
LABEL = 12
INDENT = " " * (2 + LABEL)


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours, or none: ANSI's eight, which every theme makes readable."""

    on: bool = False

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def bold(self, text: str) -> str:
        return self._in("1", text)

    def dim(self, text: str) -> str:
        return self._in("2", text)

    def good(self, text: str) -> str:
        return self._in("32", text)

    def bad(self, text: str) -> str:
        return self._in("31", text)

    def warn(self, text: str) -> str:
        return self._in("33", text)


def labelled(paint: Paint, label: str, text: str, style: Callable[[str], str] = str) -> Iterator[str]:
    """`  label       text`, wrapped under itself; `style` colours the text once it is wrapped."""
    head = f"  {paint.dim(label.ljust(LABEL))}"
    for line in wrapped(text, len(INDENT)) or [""]:
        yield head + style(line)
        head = INDENT


def wrapped(text: str, indent: int) -> list[str]:
    """Lines that fit beside `indent` columns. A no-break space keeps a number and its unit together."""
    lines = textwrap.wrap(text, WIDTH - indent, break_on_hyphens=False, break_long_words=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def counted(counts: Mapping[str, int]) -> str:
    """`2,990 end_turn · 4 max_tokens`."""
    return " · ".join(f"{count:,}\N{NO-BREAK SPACE}{word}" for word, count in counts.items())


def plural(count: int, word: str, many: str = "") -> str:
    """`1 request`, `2,000 requests`."""
    return f"{count:,}\N{NO-BREAK SPACE}{word if count == 1 else many or word + 's'}"


def span(low: str, high: str) -> str:
    """`10 – 25`, or one of them where they are the same."""
    return low if low == high else f"{low}\N{NO-BREAK SPACE}–\N{NO-BREAK SPACE}{high}"


def joined(lines: Iterable[str]) -> str:
    return "".join(line.replace("\N{NO-BREAK SPACE}", " ").rstrip() + "\n" for line in lines)
