"""Which names are specs, and what their jobs are called."""

from __future__ import annotations

import pytest

from batchrun.specnames import JOB_NAME, PATTERNS, is_spec, job_name


@pytest.mark.parametrize(
    "name",
    ["labels.yaml", "labels.yml", "LABELS.YAML", "-rf.yaml", "two\nlines.yaml", "\N{BAR CHART}.yml", "\udcff.yaml", "a b.yaml"],
)  # fmt: skip
def test_specs(name: str) -> None:
    assert is_spec(name)


@pytest.mark.parametrize(
    "name",
    [
        "rows.csv", "labels.yaml~", ".labels.yaml.swp", ".labels.yaml", "labels.yaml.tmp", "labels.yaml.part", "#labels.yaml#",
        "labels.yaml.crdownload", "4913", "~$labels.yaml", "labels.yaml.error.txt", "batchrun.toml", "yaml", "labels.json",
    ],
)  # fmt: skip
def test_no_specs(name: str) -> None:
    assert not is_spec(name)


def test_other_patterns_let_no_temporary_file_in() -> None:
    everything = ("*",)
    assert is_spec("job.spec", everything)
    assert not any(
        is_spec(n, everything) for n in ("4913", "a~", ".a", "a.part", "batchrun.toml", "a.error.txt")
    )
    assert not is_spec("labels.yaml", ("*.spec",))
    assert is_spec("labels.yaml", (*PATTERNS, "*.spec"))


@pytest.mark.parametrize(
    "name, job", [("labels.yaml", "labels"), ("a.b-c_d.yml", "a.b-c_d"), ("7.yaml", "7")]
)
def test_a_fitting_stem_is_the_jobs_name(name: str, job: str) -> None:
    assert job_name(name) == job


@pytest.mark.parametrize(
    "name, start",
    [
        ("two words.yaml", "two-words-"),
        ("-rf.yaml", "rf-"),
        ("\N{BAR CHART}.yaml", "job-"),
        ("x\ny.yaml", "x-y-"),
        ("\udcff.yaml", "job-"),
        ("a" * 200 + ".yaml", "a" * 48 + "-"),
        ("..yaml", "job-"),
    ],
)
def test_another_is_made_to_fit(name: str, start: str) -> None:
    job = job_name(name)
    assert job.startswith(start)
    assert JOB_NAME.fullmatch(job)


def test_names_that_look_alike_stay_apart() -> None:
    assert len({job_name(f"{stem}.yaml") for stem in ("a b", "a  b", "a\nb", "a-b", "ä", "ö")}) == 6
