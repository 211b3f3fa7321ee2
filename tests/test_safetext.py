from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.safetext import escaped, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("  two\nlines\t here ", "two lines here"),
        ("\x1b[31mred", "�[31mred"),
        ("\x9b2J", "�2J"),
        ("a\u202eb\u2066c\u200bd\ufeff", "a�b�c�d�"),
        ("a\u2028b\u0085c", "a b c"),
        ("half \ud83d pair", "half � pair"),
        ("ünï 日本 🙂", "ünï 日本 🙂"),
    ],
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_plain_is_cut_and_says_so() -> None:
    assert plain("x" * 11, 10) == "x" * 9 + "…"
    assert plain("x" * 10, 10) == "x" * 10
    assert plain("a" + " " * 50 + "b", 10) == "a…"


@given(st.text(), st.integers(2, 40))
def test_plain_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert "\n" not in shown


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_escaped_is_the_same_json_and_cannot_move_a_terminal(value: object) -> None:
    try:
        line = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    shown = escaped(line)
    assert json.loads(shown) == value
    assert not any(ch in shown.decode() for ch in "\x7f\x9b\u202e\u200b")


def test_escaped_keeps_the_lines_of_indented_json() -> None:
    text = json.dumps({"a": "\x9b2J\u202e\n"}, indent=2, ensure_ascii=False)
    shown = escaped(text.encode()).decode()
    assert json.loads(shown) == {"a": "\x9b2J\u202e\n"}
    assert shown.splitlines() == ["{", '  "a": "\\u009b2J\\u202e\\n"', "}"]
