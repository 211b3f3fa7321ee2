from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from batchrun.errors import MissingInput, Problem, SpecError
from batchrun.fs.files import file_fact
from batchrun.model import InputFormat, Limits, OutputFormat, Place, Template, Timing
from batchrun.spec.loader import load, schema_text

TODAY = date(2026, 11, 22)
CHECKOUT = Path(__file__).parents[2]

REQUEST = """\
request:
  model: claude-haiku-4-5
  max_tokens: 10
  messages: [{role: user, content: "{{ body }}"}]
"""
SMALL = f"version: 1\ninput: {{path: rows.csv}}\noutput: {{path: out.jsonl}}\n{REQUEST}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def write(folder: Path, text: str | bytes, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def told(path: Path, **options: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(path, today=TODAY, **options)
    return [f"{p.where.rpartition('/')[2]} {p.field}: {p.message}" for p in caught.value.problems]


# ---- the job ------------------------------------------------------------------------------------


def test_defaults(folder: Path) -> None:
    job = load(write(folder, SMALL), today=TODAY).job
    assert (job.name, job.spec, job.root) == ("job", folder / "job.yaml", folder)
    assert job.files == (file_fact(folder / "job.yaml"),)
    assert job.input.paths == ("rows.csv",)
    assert (job.input.format, job.input.id, job.input.delimiter) == (None, None, None)
    assert job.input.place == Place(str(folder / "job.yaml"), 2, 15)
    assert (job.output.path, job.output.format) == (folder / "out.jsonl", OutputFormat.JSONL)
    assert (job.output.include_input, job.output.columns) == (False, {})
    assert (job.samples, job.betas, job.api_version, job.max_attempts) == (1, (), "2023-06-01", 3)
    assert (job.limits, job.timing) == (Limits(), Timing())
    assert job.request is not None
    assert job.request["max_tokens"] == 10


def test_every_key(folder: Path) -> None:
    (folder / "system.md").write_text("Be brief.")
    text = (
        "version: 1\n"
        "name: labels\n"
        "input: {path: [a.csv, 'b-*.csv'], format: csv, id: key, delimiter: ;}\n"
        "output: {path: out/labels.csv, include: input, columns: {label: '{{ json.label }}'}}\n"
        f"{REQUEST}  system: {{$file: system.md}}\n"
        "samples: 2\n"
        "betas: [output-300k-2026-03-24]\n"
        "api_version: 2026-10-21\n"
        "limits: {max_cost_usd: 5, max_in_flight: 1000, batch_requests: 500, batch_bytes: 10MB}\n"
        "retry: {max_attempts: 5}\n"
        "poll: {interval: 30s, timeout: 2h}\n"
        "reconcile: {listings: 5, over: 20m}\n"
    )
    job = load(write(folder, text), today=TODAY).job
    assert job.name == "labels"
    assert job.input.paths == ("a.csv", "b-*.csv")
    assert (job.input.format, job.input.id, job.input.delimiter) == (InputFormat.CSV, "key", ";")
    assert (job.output.path, job.output.format) == (folder / "out" / "labels.csv", OutputFormat.CSV)
    column = Template("{{ json.label }}", Place(str(folder / "job.yaml"), 4, 66))
    assert (job.output.include_input, job.output.columns) == (True, {"label": column})
    assert job.request is not None
    assert job.request["system"] == Template("Be brief.", Place("system.md", 1, 1))
    assert job.files == (file_fact(folder / "job.yaml"), file_fact(folder / "system.md"))
    assert (job.samples, job.betas, job.api_version) == (2, ("output-300k-2026-03-24",), "2026-10-21")
    assert job.limits == Limits(5.0, 1000, 500, 10_000_000)
    assert job.max_attempts == 5
    assert job.timing == Timing(30.0, 7200.0, 5, 1200.0)


def test_whole_requests_as_rows(folder: Path) -> None:
    text = "version: 1\ninput: {path: lines.jsonl, format: requests}\noutput: {path: out.jsonl}\n"
    assert load(write(folder, text)).job.request is None
    assert told(write(folder, text + "samples: 2\n")) == [
        "job.yaml:4:1 : 'samples' cannot be used with input.format: requests"
    ]


def test_a_batch_is_no_larger_than_what_may_be_in_flight(folder: Path) -> None:
    spec = write(folder, SMALL + "limits: {max_in_flight: 50}\n")
    assert load(spec).job.limits.batch_requests == 50


def test_the_stem_names_the_job_when_it_can(folder: Path) -> None:
    assert load(write(folder, SMALL, "a.b.yaml")).job.name == "a.b"
    with pytest.raises(SpecError) as caught:
        load(write(folder, SMALL, "My tickets (2).yaml"))
    [problem] = caught.value.problems
    assert problem.message == "the file's name, 'My tickets (2)', cannot be the job's name"
    assert problem.hint == "add a line to the spec: name: My-tickets-2"
    assert load(write(folder, SMALL + "name: tickets\n", "My tickets (2).yaml")).job.name == "tickets"


def test_other_roots(folder: Path) -> None:
    home, other = folder / "home", folder / "other"
    home.mkdir()
    other.mkdir()
    spec = write(home, SMALL.replace("out.jsonl", "../other/out.jsonl"))
    assert told(spec) == ["job.yaml:3:16 output.path: '../other/out.jsonl' lies outside the spec's folder"]
    job = load(spec, roots=(other,)).job
    assert (job.output.path, job.roots) == (other / "out.jsonl", (other,))


def test_a_link_to_a_spec_is_seen_from_the_folder_of_the_link(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "linked.yaml").symlink_to(write(folder, SMALL))
    job = load(home / "linked.yaml").job
    assert (job.name, job.root, job.spec) == ("linked", home, home / "linked.yaml")


# ---- what is wrong ------------------------------------------------------------------------------


def test_everything_is_told_in_one_pass_and_in_file_order(folder: Path) -> None:
    text = (
        "version: 2\n"
        "input: {path: /rows.csv}\n"
        "request:\n"
        "  modle: claude-haiku-4-5\n"
        "  max_tokens: 0\n"
        "  messages: [{role: usr, content: '{{ a | }}'}]\n"
        "  stream: true\n"
        "output: {path: out.txt}\n"
        "poll: {interval: 0s}\n"
        "poll: {}\n"
    )
    role = "must be 'user', 'assistant' or 'system', not the string 'usr'"
    syntax = "template: unexpected end of variable block, expected identifier"
    assert told(write(folder, text)) == [
        "job.yaml:1:10 version: must be 1, not 2",
        "job.yaml:2:15 input.path: '/rows.csv' lies outside the spec's folder",
        "job.yaml:4:3 request: unknown key 'modle'",
        "job.yaml:5:15 request.max_tokens: 0 fills a cache and answers nothing; batches refuse it",
        f"job.yaml:6:21 request.messages[0].role: {role}",
        f"job.yaml:6:35 request.messages[0].content: {syntax}",
        "job.yaml:7:3 request: 'stream': batches never stream",
        "job.yaml:8:16 output.path: must end in .jsonl, .csv or .parquet, not the string 'out.txt'",
        "job.yaml:9:18 poll.interval: must be longer than 0s, not 0s",
        "job.yaml:10:1 : duplicate key 'poll'; it already stands on line 9",
    ]


def test_warnings(folder: Path) -> None:
    text = SMALL.replace("claude-haiku-4-5", "claude-sonnet-4-5") + (
        "betas: [message-batches-2024-09-24, files-api-2025-04-14]\n"
    )
    spec = write(folder, text)
    assert load(spec, today=TODAY).warnings == (
        Problem(
            "claude-sonnet-4-5 is deprecated and retires on 2026-11-30",
            f"{spec}:5:10",
            "use claude-sonnet-5-5",
            "request.model",
        ),
        Problem(
            "message-batches-2024-09-24 is obsolete: batches need no beta header",
            f"{spec}:8:9",
            "take it out",
            "betas[0]",
        ),
        Problem(
            "files-api-2025-04-14 is not needed any more: the Files API is generally available",
            f"{spec}:8:37",
            "take it out",
            "betas[1]",
        ),
    )


def test_a_model_that_has_retired_by_the_day(folder: Path) -> None:
    spec = write(folder, SMALL.replace("claude-haiku-4-5", "claude-sonnet-4-5"))
    (problem,) = load(spec, today=date(2026, 11, 30)).retired
    assert problem.text == "request.model: claude-sonnet-4-5 was retired on 2026-11-30"
    assert load(spec, today=date(2026, 11, 29)).retired == ()


def test_there_is_no_spec(folder: Path) -> None:
    with pytest.raises(MissingInput) as caught:
        load(folder / "none.yaml")
    assert str(caught.value) == f"there is no spec {folder / 'none.yaml'}"
    assert caught.value.hint == "`batchrun init` writes one to start from"


def test_a_spec_that_is_no_regular_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    for name in ("circle.yaml", "circle"):
        (folder / name).symlink_to(name)
    circle = f"cannot open {folder / 'circle.yaml'}: Too many levels of symbolic links"
    inside = f"cannot open {folder / 'circle' / 'a.yaml'}: Too many levels of symbolic links"
    for path, message in (
        (folder / "circle.yaml", circle),
        (folder / "circle" / "a.yaml", inside),
        (folder, "this is a folder"),
        (folder / "pipe.yaml", f"{folder / 'pipe.yaml'} is not a regular file"),
        (Path("/dev/null"), "/dev/null is not a regular file"),
    ):
        with pytest.raises(SpecError) as caught:
            load(path)
        assert [(p.message, p.where) for p in caught.value.problems] == [(message, str(path))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "- a",
        "3",
        "version: [",
        "version: 1",
        b"\xff\xfe",
        b"\x00",
        "a: " * 1000,
        "? ? ? x",
        "&a [*a]",
    ],
)
def test_whatever_it_holds_it_is_a_spec_error(folder: Path, text: str | bytes) -> None:
    assert told(write(folder, text))


# ---- the schema and the reference ---------------------------------------------------------------


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("examples", "default"):
                yield from _schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from _schemas(value)


def _properties() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for schema in _schemas(json.loads(schema_text("job"))):
        if schema.get("type") == "object" or "additionalProperties" in schema:
            found += list(schema.get("properties", {}).items())
    return found


def test_every_key_of_the_schema_is_described() -> None:
    properties = _properties()
    assert len(properties) > 100
    for key, about in properties:
        assert about.get("title"), key
        assert about.get("description", "").endswith("."), key
        assert "default" in about or about.get("examples"), key


def test_unknown_schemas() -> None:
    with pytest.raises(ValueError, match="no schema named 'jobs': job, config, event, state, result"):
        schema_text("jobs")


def _example() -> str:
    return (CHECKOUT / "batch.yaml.example").read_text()


def test_the_reference_is_a_job() -> None:
    loaded = load(CHECKOUT / "batch.yaml.example", today=TODAY)
    assert (loaded.job.name, loaded.warnings) == ("ticket-triage", ())


def test_every_key_of_the_schema_is_in_the_reference() -> None:
    text = _example()
    missing = {key for key, _ in _properties() if not re.search(rf"(?<![\w$]){re.escape(key)}:", text)}
    assert missing == set()


_THINKING = r"^  thinking:.*\n(?:    .*\n)*"
_CHOICE = r"^  tool_choice:.*\n(?:    .*\n)*"
_CITATIONS = r"^          citations: {enabled: true}\n"
_SAMPLING = r"^  (?:temperature|top_p|top_k):.*\n"


@pytest.mark.parametrize(
    "left_out", [[_THINKING, _CITATIONS, r"^  top_p:.*\n"], [_CHOICE, _CITATIONS, _SAMPLING]]
)
def test_every_setting_of_the_reference_can_be_switched_on(folder: Path, left_out: list[str]) -> None:
    """A '#' without a space behind it, or with several, stands before a setting; some are for older models, and
    some exclude each other."""
    (folder / "prompts").mkdir()
    (folder / "prompts" / "question.md").write_text("{{ question }}")
    text = re.sub(r"^( *)#(?=  |[^ #])", r"\1", _example(), flags=re.MULTILINE)
    text = text.replace("claude-haiku-5-5", "claude-haiku-4-5")
    for lines in left_out:
        text, count = re.subn(lines, "", text, flags=re.MULTILINE)
        assert count
    loaded = load(write(folder, text), today=TODAY)
    assert loaded.job.samples == 3
    assert loaded.job.request is not None
    assert loaded.job.request["new_parameter"] is True
    assert [w.field for w in loaded.warnings] == ["request.fallback_credit_token"]


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (SMALL.replace("out.jsonl", '"out.jsonl\\n"'), "output.path"),
        (SMALL + 'name: "job\\n"\n', "name"),
        (SMALL + 'betas: ["abc\\n"]\n', "betas[0]"),
        (SMALL.replace("rows.csv", 'rows.csv, delimiter: ";\\n"'), "input.delimiter"),
    ],
)
def test_a_line_break_at_the_end_of_a_name(folder: Path, text: str, field: str) -> None:
    assert [line.split(": ")[0].split(" ")[1] for line in told(write(folder, text))] == [field]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes no such names")
def test_a_name_that_is_no_text(folder: Path) -> None:
    path = folder / os.fsdecode(b"job\xff.yaml")
    path.write_text(SMALL)
    with pytest.raises(SpecError) as caught:
        load(path, today=TODAY)
    message = "the name of this file or of its folder is not UTF-8"
    assert caught.value.problems == (Problem(message, f"{folder}/job\\udcff.yaml", "rename it"),)
