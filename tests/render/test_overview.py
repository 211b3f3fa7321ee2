"""The screen of a folder's jobs, as exact text."""

from __future__ import annotations

from batchrun.cost.amounts import Summary
from batchrun.model import RequestCounts
from batchrun.render import overview
from batchrun.reports.job import Need, ShardStatus, StatusReport
from batchrun.reports.overview import (
    BrokenSpec,
    FolderOverview,
    JobOverview,
    NewSpec,
    Standing,
    in_order,
    job_overview,
)

HOUR = 3600.0


def running(name: str, *, age: float = 2 * HOUR, ends_in: float | None = 22 * HOUR) -> JobOverview:
    counts = RequestCounts(processing=1000)
    shard = ShardStatus("0001", "submitted", 1000, 1, "msgbatch_1", "in_progress", counts, age, None, ends_in)
    return job_overview(
        StatusReport(name, "running", "", (shard,), at_stake_usd=2.0), f"in/{name}.yaml", 30.0
    )


def done(name: str, *, failed: int = 0, looked: float = HOUR, output: str = "in/out/a.jsonl") -> JobOverview:
    statuses = {"succeeded": 100 - failed, **({"errored": failed} if failed else {})}
    report = StatusReport(
        name,
        "done",
        output,
        spent_usd=0.25,
        summary=Summary(name, output, 100, 100, statuses),
        next=f"batchrun retry in/{name}.yaml" if failed else "",
    )
    return job_overview(report, f"in/{name}.yaml", looked)


def held(name: str) -> JobOverview:
    need = Need(
        "shard 0001 may have been submitted, and 2 batches could be it. Name it:", ("batchrun adopt …",)
    )
    return job_overview(StatusReport(name, "held", "", needs=(need,)), f"in/{name}.yaml", 60.0)


def screen(*jobs: JobOverview, every: bool = False, **others: object) -> str:
    report = FolderOverview("in", in_order(jobs), **others)  # type: ignore[arg-type]
    return overview.folder(report, every=every)


def test_all_there_is() -> None:
    broken = BrokenSpec(
        "in/failed/b.yaml", "in/failed/b.yaml.error.txt", 90.0, "b.yaml:2:1: inpt: unknown key"
    )
    shown = screen(
        done("labels"),
        running("tickets"),
        held("mails"),
        broken=(broken,),
        new=(NewSpec("in/new.yaml", "there is no file 'rows.csv'"),),
        rehearsals=2,
    )
    assert shown == (
        "in  5 jobs\n"
        "  1 needs a person · 1 running · 1 broken · 1 not started · 1 done\n"
        "  $0.25 spent, at most $2.00 under way\n"
        "\n"
        "NEEDS A PERSON\n"
        "  mails  held\n"
        "    shard 0001 may have been submitted, and 2 batches could be it. Name it:\n"
        "      batchrun adopt …\n"
        "\n"
        "RUNNING                       REQUESTS      FOR    LOOKED AT  MUST END\n"
        "  tickets                        1,000       2h      30s ago  in 22h\n"
        "\n"
        "BROKEN\n"
        "  in/failed/b.yaml  1m 30s ago\n"
        "    b.yaml:2:1: inpt: unknown key\n"
        "    more in in/failed/b.yaml.error.txt\n"
        "\n"
        "NOT STARTED\n"
        "  in/new.yaml\n"
        "    there is no file 'rows.csv'\n"
        "\n"
        "DONE                                 SUCCEEDED       COST  ANSWER\n"
        "  labels                            100 of 100      $0.25  in/out/a.jsonl\n"
        "\n"
        "and 2 rehearsals in the sandbox; --sandbox shows them\n"
    )


def test_a_single_rehearsal() -> None:
    assert screen(rehearsals=1) == "in  0 jobs\n\nand 1 rehearsal in the sandbox; --sandbox shows it\n"


def test_an_empty_folder() -> None:
    assert screen() == (
        "in  0 jobs\n"
        "  no spec (*.yaml, *.yml) stands here, and none was run here; `batchrun init`\n"
        "  writes one. Jobs are shown for the folder in which their specs stand.\n"
    )


def test_what_runs_is_sorted_by_its_end_and_what_failed_comes_first() -> None:
    shown = screen(
        running("late", ends_in=-5.0),
        running("soon", ends_in=HOUR),
        running("looking", ends_in=None),
        done("old", looked=9 * HOUR),
        done("new"),
        done("partly", failed=3, looked=99 * HOUR),
    )
    names = [line.split()[0] for line in shown.splitlines() if line.startswith("  ") and " ago" in line]
    assert names == ["late", "soon", "looking"]
    assert (
        "  partly                             97 of 100      $0.25  in/out/a.jsonl\n    batchrun retry in/partly.yaml\n  new "
        in shown
    )
    assert shown.index("\n  new ") < shown.index("\n  old ")


def test_a_thousand_jobs_stay_readable() -> None:
    jobs = [done(f"job{n}") for n in range(990)] + [running(f"r{n}") for n in range(10)]
    shown = screen(*jobs)
    assert shown.count("\n") < 40
    assert shown.endswith("  and 980 more; --all shows them\n")
    assert screen(*jobs, every=True).count("\n") > 1000


def test_it_keeps_to_80_columns_and_names_files_whole() -> None:
    long = "a-very-long-name-of-a-job-that-goes-on-for-quite-a-while"
    shown = screen(done(long, output=f"in/out/{long}.jsonl"), running(long), held(long))
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert f"    in/out/{long}.jsonl\n" in shown


def test_what_others_wrote_does_nothing_to_the_terminal() -> None:
    job = JobOverview(Standing.RUNNING, "", 0.0, StatusReport("a\x1b[2Jb", "running", ""))
    assert "\x1b" not in screen(job, new=(NewSpec("\x1b[2J.yaml"),))


def test_the_sandbox_says_so() -> None:
    assert screen(sandbox=True).startswith("in  0 jobs  (sandbox: invented answers)\n")
