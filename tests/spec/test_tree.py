from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.model import FromFile, FromRow, Json, Node, Place, Template
from batchrun.requests.params import DYNAMIC
from batchrun.spec.tree import RequestTree, known_values
from batchrun.spec.yamldoc import read

SYNTAX = "template: unexpected end of variable block, expected identifier"


def tree(text: str, root: Path) -> tuple[RequestTree, dict[str, Json]]:
    document = read(text.encode(), "job.yaml")
    assert isinstance(document.value, dict)
    request = document.value["request"]
    assert isinstance(request, dict)
    return RequestTree(document, root), request


def told(found: RequestTree) -> list[str]:
    faults = found.document.faults
    return [f"{p.where} {p.field}: {p.message}" for p in faults.problems(faults.errors)]


def test_strings_become_templates_and_the_rest_stays(tmp_path: Path) -> None:
    found, request = tree("request:\n  a: text\n  b: [1, true, null, {c: '{{ d }}'}]\n", tmp_path)
    assert found.request(request) == {
        "a": Template("text", Place("job.yaml", 2, 6)),
        "b": (1, True, None, {"c": Template("{{ d }}", Place("job.yaml", 3, 27))}),
    }
    assert told(found) == []


def test_values_files_and_binaries_of_the_row(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_bytes(b"\xef\xbb\xbfHello {{ name }}\n")
    text = "request:\n  a: {$row: column}\n  b: {$file: p.md}\n  c: {$base64: 'img/{{ f }}'}\n  d: {$file: p.md}\n"
    found, request = tree(text, tmp_path)
    prompt = Template("Hello {{ name }}\n", Place("p.md", 1, 1))
    assert found.request(request) == {
        "a": FromRow("column", Place("job.yaml", 2, 13)),
        "b": prompt,
        "c": FromFile(Template("img/{{ f }}", Place("job.yaml", 4, 17))),
        "d": prompt,
    }
    assert list(found.files) == [tmp_path / "p.md"]


def test_passthrough_is_merged(tmp_path: Path) -> None:
    text = "request:\n  a: {b: 1}\n  passthrough:\n    a: {c: '{{ x }}'}\n    new: [1]\n"
    found, request = tree(text, tmp_path)
    c = Template("{{ x }}", Place("job.yaml", 4, 13))
    assert found.request(request) == {"a": {"b": 1, "c": c}, "new": (1,)}
    assert found.where(("a", "b")) == ("request", "a", "b")
    assert found.where(("a", "c")) == ("request", "passthrough", "a", "c")
    assert found.where(("nowhere",)) == ("request", "nowhere")


def test_passthrough_replaces_nothing(tmp_path: Path) -> None:
    found, request = tree("request:\n  a: {b: 1}\n  passthrough: {a: {b: 2}}\n", tmp_path)
    found.request(request)
    assert told(found) == ["job.yaml:3:21 request.passthrough.a: 'b' already stands in the request"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{$row: 3}", "2:13 request.a.$row: must be the name of a column"),
        ("{$base64: ''}", "2:16 request.a.$base64: must be a path"),
        ("{$row: b, c: 1}", "2:6 request.a: $row stands alone in its mapping"),
        ("{$file: none.md}", "2:14 request.a.$file: there is no file 'none.md'"),
        ("{$file: /etc/passwd}", "2:14 request.a.$file: '/etc/passwd' lies outside the spec's folder"),
        ("{$file: link.md}", "2:14 request.a.$file: 'link.md' lies outside the spec's folder"),
        ("{$file: large.md}", "2:14 request.a.$file: 'large.md' is larger than 10 MiB"),
        ("{$file: binary.md}", "2:14 request.a.$file: 'binary.md' is not UTF-8: byte 3, line 2"),
        (
            "{$file: broken.md}",
            f"2:14 request.a.$file: broken.md: {SYNTAX} (line 2 of the text)",
        ),
        (
            "'{{ a | }}'",
            f"2:6 request.a: {SYNTAX}",
        ),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, value: str, said: str) -> None:
    (tmp_path / "link.md").symlink_to("/etc/passwd")
    (tmp_path / "binary.md").write_bytes(b"a\nb\xff")
    (tmp_path / "broken.md").write_text("a\n{{ b | }}\n")
    with (tmp_path / "large.md").open("wb") as large:
        large.truncate((10 << 20) + 1)
    found, request = tree(f"request:\n  a: {value}\n", tmp_path)
    found.request(request)
    assert told(found) == [f"job.yaml:{said}"]


def test_other_roots_are_open_where_the_operator_allows_them(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (other / "p.md").write_text("hi")
    found, request = tree(f"request:\n  a: {{$file: {other / 'p.md'}}}\n", home)
    found.roots = (other,)
    assert found.request(request) == {"a": Template("hi", Place(str(other / "p.md"), 1, 1))}


def test_what_is_known_before_any_row() -> None:
    here = Place("job.yaml", 1, 1)
    node: Node = {"a": (Template("x", here), Template("{{ y }}", here), 3), "b": FromRow("c", here)}
    assert known_values(node) == {"a": ["x", DYNAMIC, 3], "b": DYNAMIC}
