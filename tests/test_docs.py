"""What the pages in docs/ show is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from batchrun.simulator import Scenario
from batchrun.simulator.faults import ACTIONS
from batchrun.simulator.requests import CALLS

DOCS = Path(__file__).parent.parent / "docs"
SIMULATOR = (DOCS / "simulator.md").read_text("utf-8")
_ROWS = re.findall(r"^\| (`\w+`)? ?\| `(\w+: \{[^`]*\})` \|", SIMULATOR, re.MULTILINE)
FAULTS = [example for _, example in _ROWS]


@pytest.mark.parametrize("example", FAULTS)
def test_a_fault_loads(example: str) -> None:
    scenario = Scenario().with_faults([example], source="docs/simulator.md")
    assert len(scenario.faults) == 1


def test_every_fault_has_an_example_under_its_name() -> None:
    action = ""
    for name, example in _ROWS:
        action = name.strip("`") or action
        assert Scenario().with_faults([example], source="").faults[0].action == action
    assert {name.strip("`") for name, _ in _ROWS} - {""} == set(ACTIONS)
    # None that the pattern overlooks.
    lines = SIMULATOR.partition("### The connection")[2].splitlines()
    assert len(_ROWS) == len(
        [line for line in lines if re.match(r"\| (`| \|? ?)", line) or line[:3] == "| |"]
    )


def test_every_call_is_named() -> None:
    sentence = SIMULATOR.partition("\nCalls are ")[2].partition(".\n")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == {*CALLS, "any"}


def test_the_scenario_loads(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", SIMULATOR, re.MULTILINE | re.DOTALL)
    (tmp_path / "faults.yaml").write_text(block)
    scenario = Scenario.load(tmp_path / "faults.yaml")
    assert (len(scenario.results), len(scenario.faults)) == (3, 2)


def test_the_snippet_runs() -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```", SIMULATOR, re.MULTILINE | re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\n", "")


ROOT = DOCS.parent
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [
        link for link in links if not re.match(r"https?:", link) and not (page.parent / link).exists()
    ] == []


def test_the_index_has_every_page() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text("utf-8")))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


# ---- what the code cites -----------------------------------------------------------------------

CITED = re.compile(r"\b(api-facts|design)((?:[,:]? (?:and )?§[0-9.]*[0-9]a?)+)")


def sections(page: str) -> set[str]:
    return set(
        re.findall(r"^#+ ([0-9.]*[0-9]a?)\.? ", (DOCS / f"{page}.md").read_text("utf-8"), re.MULTILINE)
    )


def citations() -> set[tuple[str, str]]:
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    kinds = (".py", ".json", ".md", ".example")
    texts = [(ROOT / name).read_text("utf-8", "replace") for name in names if name.endswith(kinds)]
    return {
        (page, section)
        for text in texts
        for page, found in CITED.findall(text)
        for section in re.findall(r"§([0-9.]*[0-9]a?)", found)
    }


def test_each_cited_section_is_a_heading() -> None:
    cited = citations()
    assert len(cited) > 20
    assert [(page, section) for page, section in sorted(cited) if section not in sections(page)] == []
