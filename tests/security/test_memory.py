"""A dropped spec cannot take all memory: each of these ends with 65 in a process that may have one gibibyte.

Templates are tried in requests and in columns of the output, which see rows and answers of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from batchrun.templates.sandbox import fault_of
from tests.workbench import PATIENCE

LIMIT = 1 << 30
GROWS = "its values may grow past 256,000,000 bytes"

TEMPLATES = {
    "a text doubled by set": ("{% set x = x ~ x %}" * 28 + "{{ x }}", GROWS),
    "a text doubled by +": ("{% set x = x + x %}" * 28 + "{{ x }}", GROWS),
    "a text doubled by with": ("{% with x = x ~ x %}" * 28 + "{{ x }}" + "{% endwith %}" * 28, GROWS),
    "a text doubled in one with": (
        "{% with " + ", ".join(["x = x ~ x"] * 28) + " %}{{ x }}{% endwith %}",
        GROWS,
    ),
    "a text doubled by nested loops": (
        "{% for x in [x ~ x] %}" * 28 + "{{ x }}" + "{% endfor %}" * 28,
        GROWS,
    ),
    "a text doubled behind a brace in quotes": ("{% set x = '%}' ~ x ~ x %}" * 28 + "{{ x }}", GROWS),
    "a block captured again and again": (
        "{% set x %}{{ x }}{{ x }}{% endset %}" * 28 + "{{ x }}",
        "the text grows past 64,000,000 characters",
    ),
    "a repeated text, ten times": ("{% set a = x * 10**7 %}{{ a ~ a ~ a ~ a ~ a ~ a ~ a ~ a }}", GROWS),
    "a repeated text as a list": ("{{ (x * 10**7)|list|length }}", GROWS),
    "lists of lists": (
        "{% set a = [x] * n %}{% set b = [a] * n %}{% set c = [b] * n %}{{ c }}",
        GROWS,
    ),
    "indent": ("{{ x|indent(10**9) }}", "it takes more than 1,000,000 steps"),
    "tojson": ("{{ [1]|tojson(indent=10**9) }}", "`tojson` takes no number larger than 1,000"),
    "batch": ("{{ [1]|batch(10**9, x)|length }}", "it takes more than 1,000,000 steps"),
    "slice": ("{{ [1]|slice(10**9, x)|length }}", "it takes more than 1,000,000 steps"),
    "replace": ("{{ x|replace('a', x * 10**7) }}", "it takes more than 1,000,000 steps"),
    "join": ("{{ range(99999)|join(x * 1000) }}", "it takes more than 1,000,000 steps"),
    "format": ("{{ '%1000000000d'|format(1) }}", "it cannot use `format`: its memory could not be bounded"),
    "methods": (
        "{% for i in range(99999) %}{{ x.replace('a', x ~ x ~ x ~ x) }}{% endfor %}",
        "it takes more than 1,000,000 steps",
    ),
    "an expression that overflows the engine's stack": (
        "{{ " + "-" * 19_000 + "1 }}",
        "it cannot use an expression of more than 8,000 characters",
    ),
    "a long text in a loop": (
        "{% for i in range(99999) %}" + "x" * 20_000 + "{% endfor %}",
        "it takes more than 1,000,000 steps",
    ),
    "a long text in a loop, hidden from a look at the braces": (
        "{%for i in range(99999)%}{% raw %}" + "{{ }}" * 4_000 + "{% endraw %}{% endfor %}",
        "it takes more than 1,000,000 steps",
    ),
    "endless loops": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "it takes more than 1,000,000 steps",
    ),
}

OF_A_LIST = {
    "extended by itself": ("{% for i in range(60) %}{% set y = l.extend(l) %}{% endfor %}{{ l|length }}", "`a method that adds to a list`"),
    "appended to": ("{% for i in range(99999) %}{% set y = l.append(x * 1000) %}{% endfor %}", "`a method that adds to a list`"),
    "shared by itself": ("{% set l = [l, l] %}" * 28 + "{{ l }}", GROWS),
    "shared by itself, as JSON": ("{% set l = [l, l] %}" * 28 + "{{ l|tojson|length }}", GROWS),
    "shared by itself, joined": ("{% set l = [l, l] %}" * 28 + "{{ l ~ l }}", GROWS),
}  # fmt: skip

SPECS = {
    "an alias bomb": "a: &a [" + "x, " * 9 + "]\n" + "".join(
        f"{name}: &{name} [" + f"*{last}, " * 9 + "]\n" for last, name in zip("abcdefg", "bcdefgh", strict=True)
    ),
    "a mebibyte of brackets": "[" * (1 << 20),
    "a mebibyte of empty lists": "a: [" + "[]," * 349_000 + "]",
    "a mebibyte of anchors": "".join(f"- &a{n} x\n" for n in range(90_000)),
    "a mebibyte of keys": "".join(f"k{n}: 1\n" for n in range(90_000)),
    "a file without end": "input: {path: x}\n" + "# " + "x" * (3 << 20),
}  # fmt: skip

PROGRAM = """
import json, resource, sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import batchrun.cli
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
for spec in sys.argv[2:]:
    with redirect_stderr(StringIO()) as said:
        code = batchrun.cli.run(["validate", spec])
    print(json.dumps([Path(spec).stem, code, said.getvalue()]), flush=True)
print(json.dumps(["peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ""]))
"""


COLUMNS = """
import json, resource, sys
from batchrun.errors import DataError
from batchrun.model import Place, Template
from batchrun.outputs.columns import chosen

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
row = {"x": "aaaaaaaaaa", "n": 100000, "l": ["a"], "d": {"a": 1}}
record = {"row": 1, "status": "succeeded", "problem": None, "input": row}
for name, source in json.load(sys.stdin).items():
    names = "".join("{% set " + field + " = input." + field + " %}" for field in row)
    [(_, get)] = chosen({"c": Template(names + source, Place("job.yaml", 1, 1))})
    try:
        said = "made: " + get(record)[:100]
    except DataError as error:
        said = str(error)
    assert row == {"x": "aaaaaaaaaa", "n": 100000, "l": ["a"], "d": {"a": 1}}, name
    print(json.dumps([name, said]), flush=True)
print(json.dumps(["peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


@pytest.fixture(scope="module")
def said_of_columns() -> dict[str, str]:
    """The words for every template that `validate` lets pass, as a column of the output."""
    tried = {**TEMPLATES, **OF_A_LIST}
    sources = {name: source for name, (source, _) in tried.items() if fault_of(source) is None}
    ran = subprocess.run(
        [sys.executable, "-c", COLUMNS, str(LIMIT)],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, f"{ran.stdout[-300:]}\n{ran.stderr[-300:]}"
    return dict(map(json.loads, ran.stdout.splitlines()))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The exit code and the words for every spec: read one after the other in one such process."""
    folder = tmp_path_factory.mktemp("memory")
    (folder / "rows.jsonl").write_text('{"x": "aaaaaaaaaa", "n": 100000, "l": ["a"]}\n')
    for name, (template, _) in {**TEMPLATES, **OF_A_LIST}.items():
        (folder / f"{name}.yaml").write_text(json.dumps(spec_with(template)))
    for name, text in SPECS.items():
        (folder / f"{name}.yaml").write_text(text)
    specs = [str(folder / f"{name}.yaml") for name in (*TEMPLATES, *OF_A_LIST, *SPECS)]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(LIMIT), *specs], capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.returncode == 0, f"{ran.stdout[-300:]}\n{ran.stderr[-300:]}"
    return {name: (code, text) for name, code, text in map(json.loads, ran.stdout.splitlines())}


def spec_with(template: str) -> dict[str, object]:
    return {
        "version": 1,
        "name": "job",
        "input": {"path": "rows.jsonl"},
        "request": {
            "model": "claude-haiku-4-5",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": template}],
        },
        "output": {"path": "out.jsonl"},
    }


@pytest.mark.parametrize("name", [*TEMPLATES, *OF_A_LIST])
def test_templates(name: str, said: dict[str, tuple[int, str]]) -> None:
    code, text = said[name]
    assert code == 65
    assert {**TEMPLATES, **OF_A_LIST}[name][1] in text.splitlines()[0]


@pytest.mark.parametrize("name", [*TEMPLATES, *OF_A_LIST])
def test_columns(name: str, said_of_columns: dict[str, str]) -> None:
    words = {**TEMPLATES, **OF_A_LIST}[name][1]
    if name in said_of_columns:
        assert words in said_of_columns[name]
    else:
        assert words in str(fault_of({**TEMPLATES, **OF_A_LIST}[name][0]))


@pytest.mark.parametrize("name", SPECS)
def test_yaml(name: str, said: dict[str, tuple[int, str]]) -> None:
    code, text = said[name]
    assert code == 65
    assert text.startswith("error: ")


def test_what_it_took(said: dict[str, tuple[int, str]], said_of_columns: dict[str, str]) -> None:
    kilobytes, _ = said["peak"]
    assert kilobytes < 800_000
    assert int(said_of_columns["peak"]) < 800_000
