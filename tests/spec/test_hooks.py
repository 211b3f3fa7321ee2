"""`on:` in a spec: what stands in it, what is wrong with it, and who may have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.config.values import Config, SpecHooks
from batchrun.errors import SpecError
from batchrun.model import Hook, Moment
from batchrun.spec import load

SMALL = """\
version: 1
input: {path: rows.csv}
request: {model: claude-haiku-4-5, max_tokens: 5, messages: [{role: user, content: hi}]}
output: {path: out.jsonl}
"""
ON = "on:\n  done:\n    - run: [echo, 'a b']\n    - {post: https://example.com/x}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    return tmp_path / "job.yaml"


def told(spec: Path, text: str, hooks: SpecHooks = SpecHooks.OWN) -> list[tuple[str, str, str]]:
    spec.write_text(SMALL + text)
    with pytest.raises(SpecError) as caught:
        load(spec, hooks=hooks)
    return [(p.where.removeprefix(f"{spec}:"), p.field, p.message) for p in caught.value.problems]


def test_what_stands_in_it(spec: Path) -> None:
    spec.write_text(SMALL + ON)
    assert load(spec).job.on == {
        Moment.DONE: (
            Hook(("echo", "a b"), "", f"{spec}:7:7", spec.parent),
            Hook((), "https://example.com/x", f"{spec}:8:7", spec.parent),
        )
    }
    spec.write_text(SMALL)
    assert load(spec).job.on == {}


@pytest.mark.parametrize(
    ("text", "place", "field", "message"),
    [
        ("on: {finished: []}", "5:6", "on", "unknown key 'finished'"),
        ("on: {done: {run: [x]}}", "5:12", "on.done", "must be a list, not a mapping"),
        ("on: {done: [x]}", "5:13", "on.done[0]", "must be a mapping, not the string 'x'"),
        ("on: {done: [{run: echo x}]}", "5:19", "on.done[0].run", "must be a list, not the string 'echo x'"),
        ("on: {done: [{run: []}]}", "5:19", "on.done[0].run", "must not be empty"),
        ("on: {done: [{run: [sleep, 1]}]}", "5:27", "on.done[0].run[1]", "must be a string, not 1"),
        ("on: {done: [{}]}", "5:13", "on.done[0]", "must not be empty"),
        (
            "on: {done: [{run: [x], post: 'https://x.org'}]}", "5:13", "on.done[0]",
            "must hold one of run, post, not 2 of them",
        ),
        ("on: {done: [{mail: x}]}", "5:14", "on.done[0]", "unknown key 'mail'"),
        (
            "on: {done: [{post: 'http://x.org/secret'}]}", "5:13", "on.done[0]",
            "post must be https; http is for loopback hosts",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_place(spec: Path, text: str, place: str, field: str, message: str) -> None:
    assert told(spec, text) == [(place, field, message)]


def test_not_in_a_watched_folder(spec: Path) -> None:
    rule = Config().spec_hooks(watched=True)
    assert told(spec, ON, rule) == [("5:1", "", "a spec in a watched folder may not have hooks")]
    spec.write_text(SMALL + "on: {}\n")
    load(spec, hooks=rule)
    spec.write_text(SMALL + ON)
    assert load(spec, hooks=Config(allow_commands=True).spec_hooks(watched=True)).job.on


def test_not_where_others_can_write(spec: Path) -> None:
    spec.parent.chmod(0o777)
    message = (
        f"a spec that others may have written may not have hooks: {spec.parent} can be written by everybody"
    )
    assert told(spec, ON) == [("5:1", "", message)]
    spec.write_text(SMALL)
    load(spec)
    spec.write_text(SMALL + ON)
    assert load(spec, hooks=Config(allow_commands=True).spec_hooks(watched=False)).job.on


def test_not_through_a_link(spec: Path) -> None:
    spec.write_text(SMALL + ON)
    link = spec.with_name("link.yaml")
    link.symlink_to(spec)
    with pytest.raises(SpecError, match="is no regular file"):
        load(link)
