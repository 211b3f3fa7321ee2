from __future__ import annotations

import pytest

from batchrun.errors import Problem, SpecError
from batchrun.spec.yamltext import compose


def refused(data: bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(SpecError) as caught:
        compose(data, "job.yaml")
    return [(p.where, p.message, p.hint) for p in caught.value.problems]


def test_a_byte_order_mark_is_no_text() -> None:
    assert compose(b"\xef\xbb\xbfa: 1\n", "job.yaml").text == "a: 1\n"


def test_an_empty_document_has_no_root() -> None:
    assert compose(b"# nothing\n", "job.yaml").root is None


@pytest.mark.parametrize(
    ("data", "where", "message", "hint"),
    [
        (b"\xff\xfea\x00", "job.yaml", "the spec is UTF-16 or UTF-32", "save it as UTF-8"),
        (b"a: 1\nb\xc3\xa9: \xe9\n", "job.yaml:2:5", "byte 10 (0xe9) is not UTF-8", "save the spec as UTF-8"),
        (b"\xef\xbb\xbfa\xff", "job.yaml:1:2", "byte 4 (0xff) is not UTF-8", "save the spec as UTF-8"),
        (
            b"#" * (1 << 20) + b"\n",
            "job.yaml",
            "the spec is larger than 1 MiB",
            "long texts belong in files: {$file: path}",
        ),
        (b"[" * 70, "job.yaml:1:65", "nested more than 64 levels deep", ""),
        (
            b"a: [" + b"1," * 60_000,
            "job.yaml:1:99999",
            "more than 50,000 keys and values",
            "what differs by row belongs in the input",
        ),
        (
            b"a: &a 1\nb: &a 2\n",
            "job.yaml:2:4",
            "not valid YAML: found duplicate anchor 'a'",
            "give each anchor its own name",
        ),
        (
            b"a: b\nword\nc: d\n",
            "job.yaml:2:1",
            "not valid YAML: a key without its ': '",
            "write 'key: value'; check the indentation",
        ),
        (
            b'a: "\\q"\n',
            "job.yaml:1:6",
            "not valid YAML: found unknown escape character 'q'",
            "use single quotes where a backslash is meant",
        ),
        (b"a: !x!y 1\n", "job.yaml:1:4", "not valid YAML: found undefined tag handle '!x!'", ""),
    ],
    ids=["utf-16", "latin-1", "after a BOM", "size", "depth", "count", "anchor", "colon", "escape", "handle"],
)
def test_what_cannot_be_read(data: bytes, where: str, message: str, hint: str) -> None:
    assert refused(data) == [(where, message, hint)]


def test_every_control_character_is_told() -> None:
    assert refused(b"a: \x07\nb: \x00\n") == [
        ("job.yaml:1:4", "control character U+0007", "take it out"),
        ("job.yaml:2:4", "control character U+0000", "take it out"),
    ]


def test_a_template_without_quotes_says_so() -> None:
    hint = 'put a template in quotes: "{{ column }}"'
    assert refused(b"a: {{ b }} and more\n")[0][1:] == ("not valid YAML: a template without quotes", hint)


def test_the_error_holds_problems() -> None:
    with pytest.raises(SpecError) as caught:
        compose(b"a: 'b\n", "job.yaml")
    assert caught.value.problems == (
        Problem("not valid YAML: the text ends inside quotes", "job.yaml:1:4", "close the quotes"),
    )
