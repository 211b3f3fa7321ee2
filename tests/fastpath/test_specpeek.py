"""Which specs name no job, by the look of their bytes: in doubt, they may."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchrun import specnames
from batchrun.config import find
from batchrun.errors import SpecError
from batchrun.fastpath import specpeek
from batchrun.fs import STATE_FOLDER
from batchrun.spec import load

TODAY = date(2026, 11, 22)

BLOCK = """
version: 1
input: {path: rows.csv}
request:
  model: claude-haiku-4-5
  max_tokens: 5
  tools:
  - name: tool
    input_schema: {type: object}
  messages: [{role: user, content: "Say\\n\\x41{{ name }}"}]
output: {path: out/a.jsonl}
"""
FLOW = """{version: 1, input: {path: rows.csv}, output: {path: out/a.jsonl},
request: {model: claude-haiku-4-5, max_tokens: 5, messages: [{role: user, content: "Say\\n{{ name }}"}]},
"""

UNNAMED = [
    BLOCK,
    f"# the name: x\n{BLOCK}",
    f"---\n{BLOCK}",
    BLOCK.replace("\n", "\r\n"),
    FLOW + "}",
    FLOW + "betas: [name], # my name is\n}",
]
NAMED = {
    "plain": f"{BLOCK}name: x",
    "first": f"name: x{BLOCK}",
    "quoted": f"{BLOCK}name: 'x'",
    "explained": f"{BLOCK}name: x # of the job",
    "after a return": f"{BLOCK}name: x".replace("\n", "\r"),
}
HIDDEN = {
    "quoted key": f"{BLOCK}'name': x",
    "blank": f"{BLOCK}name : x",
    "next line": f"{BLOCK}name:\n  x",
    "explicit": f"{BLOCK}? name\n: x",
    "explicit, below": f"{BLOCK}?\n  name\n: x",
    "anchor": f"{BLOCK}&a name: x",
    "escaped": f'{BLOCK}"n\\x61me": x',
    "NEL": f"{BLOCK}samples: 1\x85name: x",
    "separator": f"{BLOCK}samples: 1\u2028name: x",
    "indented": f"{BLOCK}name: x".replace("\n", "\n "),
    "BOM": f"\ufeffname: x{BLOCK}",
    "flow": FLOW + "name: x}",
    "flow, quoted": FLOW + '"name" : x}',
    "flow, next line": FLOW + '"name"\n: x}',
    "flow, explicit": FLOW + "? name # so\n: x}",
    "flow, escaped": FLOW + '"n\\x61me": x}',
    "flow, wide": FLOW + '"\\u006eame": x}',
    "flow, wider": FLOW + '"\\U0000006eame": x}',
    "flow, folded": FLOW + '? "na\\\n  me"\n: x}',
    "flow, folded by CR": FLOW + '? "na\\\r\n  me"\r\n: x}',
    "flow, folded by NEL": FLOW + '? "na\\\x85  me"\n: x}',
    "flow, NEL": FLOW + "? name\x85: x}",
    "flow, after dashes": f"---\n{FLOW}name: x}}",
    "flow, after a comment": f"# so\n{FLOW}name: x}}",
    "flow, after a blank": f" {FLOW}name: x}}",
    "flow, indented": f"{FLOW}name: x}}".replace("\n", "\n ").replace("{", " {", 1),
}


APOSTROPHES = st.sampled_from(
    [
        "it's short",
        "'it''s short'",
        '"say \\"so\\""',
        "don't [",
        "a # 'b",
        "|\n    it's [text",
        "'a\\'",
        "]",
        '"\\\\"',
        'a"b',
    ]
)
OPENED = st.sampled_from(
    [
        ("metadata:\n    user_id: '", "'"),
        ('metadata:\n    user_id: "', '"'),
        ("stop_sequences: [a, 'b", "']"),
        ("inference_geo: >-", ""),
    ]
)
WITHIN = st.lists(st.sampled_from(["name: x", "name: x", "it''s", "a: ["]), max_size=3)
"""Parts of a spec in which `name: x` may stand in a text, with an apostrophe before it that opens nothing."""

INSIDE = [
    BLOCK.replace("  tools:\n  - name: tool\n    ", "  tools: [{\nname: x\n  , ").replace(
        "object}", "object}}]"
    ),
    BLOCK.replace("  tools:", '  system: "\nname: x\n  "\n  tools:'),
    BLOCK.replace("  tools:", "  system: '\nname: x\n  '\n  tools:"),
    BLOCK.replace("  tools:", "  system: it's short\n  metadata:\n    user_id: 'a\nname: x\n  '\n  tools:"),
    BLOCK.replace("  tools:", "  stop_sequences: [ # ]\n'\nname: x\n  ']\n  tools:"),
    BLOCK.replace("  tools:", "  system: 'a\\'\n  stop_sequences: ['b\nname: x\n  ']\n  tools:"),
]
"""Brackets and quotes in which lines begin anywhere."""


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("BATCHRUN_", "XDG_"))]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str = BLOCK, name: str = "batch.yaml") -> Path:
    (folder / "rows.csv").write_text("name\nx\n")
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("text", UNNAMED)
def test_a_spec_that_names_no_job(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    found = specpeek.find(str(path))
    assert found is not None
    assert found.job == load(path).job.name == "batch"
    assert found.lock_file == str(tmp_path / ".batchrun" / "batch" / "lock")


@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED.keys())
def test_a_spec_that_names_its_job(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    found = specpeek.find(str(path))
    assert found is not None
    assert found.job == load(path).job.name == "x"


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_spec_that_has_to_be_read(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert specpeek.find(str(path)) is None
    try:
        assert load(path).job.name == "x"
    except SpecError as error:  # YAML knows more ways than we admit
        assert "name" not in str(error)


@pytest.mark.parametrize("text", INSIDE)
def test_a_line_that_only_looks_like_the_name(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert load(path).job.name == "batch"
    assert specpeek.find(str(path)) is None


@pytest.mark.parametrize("name", ["", "''", "a b", "ä", "[x]", "-x", "&a x", "x\nname: y"])
def test_a_name_that_no_job_may_have(tmp_path: Path, name: str) -> None:
    assert specpeek.find(str(written(tmp_path, f"{BLOCK}name: {name}"))) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_spec_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "batch.yaml"
    path.write_bytes(f"name: x{BLOCK}".encode(encoding))
    assert specpeek.find(str(path)) is None


@pytest.mark.parametrize(
    "name",
    ["batch.json", "batch", ".batch.yaml", "-a.yaml", "a b.yaml", "ä.yaml", "a$.yaml", f"{'a' * 65}.yml"],
)
def test_a_file_after_which_no_job_is_called_just_so(tmp_path: Path, name: str) -> None:
    assert specpeek.find(str(written(tmp_path, name=name))) is None


@pytest.mark.parametrize("name", ["b.yml", "a.b.yaml", "A-1_..yaml", f"{'a' * 64}.yml"])
def test_a_file_after_which_a_job_is_called(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name=name)
    found = specpeek.find(str(path))
    assert found is not None
    assert found.job == load(path).job.name == specnames.job_name(name)


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").mkdir()
    with (tmp_path / "c.yaml").open("wb") as large:
        large.truncate(1 << 20)
    assert [specpeek.find(str(tmp_path / name)) for name in ("a.yaml", "b.yaml", "c.yaml")] == [None] * 3


@pytest.mark.parametrize("place", ["job", ".", ".config/batchrun"])
def test_a_configuration_that_allows_more_folders(tmp_path: Path, place: str) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / ".config" / "batchrun").mkdir(parents=True)
    path = written(tmp_path / "job")
    settings = tmp_path / place / "batchrun.toml"
    found = specpeek.find(str(path))
    assert found is not None
    assert not found.configured
    settings.write_text("[budget]\ndefault_usd = 5")
    found = specpeek.find(str(path))
    assert found is not None
    assert found.configured
    for line in ('roots = ["/"]', '"\\u0072oots" = ["/"]'):
        settings.write_text(line)
        assert find.load_config(path.parent).roots
        assert specpeek.find(str(path)) is None


@pytest.mark.parametrize("variable", ["BATCHRUN_ROOTS", "BATCHRUN_CONFIG"])
def test_a_variable_that_may_allow_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    path = written(tmp_path)
    monkeypatch.setenv(variable, "/")
    assert specpeek.find(str(path)) is None


@pytest.mark.parametrize("place", ["", "batch", "batch/shards"])
def test_a_state_behind_a_link(tmp_path: Path, place: str) -> None:
    path = written(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / STATE_FOLDER / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    assert specpeek.find(str(path)) is None


def test_how_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    path = written(tmp_path / "in")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    names = ["in/batch.yaml", "./in/batch.yaml", "link/batch.yaml", str(path)]
    assert {found.shown for name in names if (found := specpeek.find(name))} == {"in/batch.yaml"}
    monkeypatch.chdir(tmp_path / "in")
    found = specpeek.find("../link/batch.yaml")
    assert found is not None
    assert found.shown == "batch.yaml"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(system=APOSTROPHES, marks=OPENED, within=WITHIN, named=st.sampled_from(["", "name: z\n"]))
def test_the_job_is_the_loaders_or_does_not_show(
    tmp_path: Path, system: str, marks: tuple[str, str], within: list[str], named: str
) -> None:
    user = "\n".join([f"  {marks[0]}", *within, f"    {marks[1]}"])
    text = BLOCK.replace("  tools:", f"  system: {system}\n{user}\n  tools:") + named
    path = written(tmp_path, text)
    found = specpeek.find(str(path))
    try:
        job = load(path, today=TODAY).job.name
    except SpecError:
        return  # what is wrong has no name, and is told as such once nobody holds the lock
    assert found is None or found.job == job
