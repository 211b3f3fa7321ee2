"""What several commands share: the spec argument, the target, the watching eye, and the way out."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import click

from batchrun.errors import ConfigError, Interrupted
from batchrun.fastpath import quick

if TYPE_CHECKING:
    from batchrun.config.values import Config
    from batchrun.interrupts import Interrupts
    from batchrun.lifecycle.observer import Observer
    from batchrun.lifecycle.state import RunState
    from batchrun.reports.job import StatusReport
    from batchrun.reports.outcome import Outcome

    class Eye(Observer, Protocol):
        """An observer that holds the terminal until it is closed."""

        def close(self) -> None: ...


F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SPEC = Path("batch.yaml")
spec_argument = click.argument("spec", type=click.Path(path_type=Path), default=DEFAULT_SPEC)
sandbox_option = click.option(
    "--sandbox",
    is_flag=True,
    help="Use the embedded API: no key, no cost. Its invented answers go to a file of their own,"
    " such as out/triage.sandbox.jsonl.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON on stdout.")
wait_option = click.option("--no-wait", is_flag=True, help="Do all that needs no waiting, then exit 75.")


def seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """The callback of an option that is a duration, or a plain number of seconds."""
    from batchrun import units

    try:
        return float(value) if value.replace(".", "", 1).isdigit() else units.duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


bare_root_option = click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Also let the spec use this folder (as BATCHRUN_ROOTS and batchrun.toml do).",
)


def root_option(command: F) -> F:
    """`--root`, and for `command` the operator's configuration for its `spec`: as `config`, and with its roots
    in `roots`."""

    @functools.wraps(command)
    def configured(*args: Any, spec: Path, roots: tuple[Path, ...], **options: Any) -> Any:
        config = config_for(spec)
        return command(*args, spec=spec, roots=all_roots(roots, config), config=config, **options)

    return bare_root_option(cast(F, configured))


def config_for(spec: Path) -> Config:
    """The operator's configuration for a spec. Raises ConfigError where it names a root that is not there."""
    from batchrun.config.find import load_config

    config = load_config(spec.absolute().parent)
    for folder in config.roots:
        if not folder.is_dir():
            raise ConfigError(
                f"roots names a folder that is not there: {folder}",
                where=config.origins.get("roots", ""),
                hint="make the folder, or take it out",
            )
    return config


def all_roots(roots: Sequence[Path], config: Config) -> tuple[Path, ...]:
    return tuple(dict.fromkeys((*roots, *config.roots)))


def job_options(command: F) -> F:
    """The argument and the options of every command that works on one job."""
    for option in (root_option, sandbox_option, spec_argument):
        command = option(command)
    return command


# ---- signals and progress ----------------------------------------------------------------------


@contextmanager
def leaving_safely(spec: Path, *, sandbox: bool, roots: Sequence[Path]) -> Iterator[Interrupts]:
    """Turn a signal into a calm exit that says how to go on."""
    from batchrun.interrupts import Interrupts
    from batchrun.reports.status import command_for

    command = command_for(str(spec), sandbox=sandbox, roots=roots)
    try:
        with Interrupts() as interrupts:
            yield interrupts
    except Interrupted as error:
        raise Interrupted(
            f"{error}; the state is saved, and submitted batches go on",
            signal=error.signal,
            hint=f"carry on: {command.format('run')}\nstop it for good: {command.format('cancel')}",
        ) from None


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Eye]:
    """An observer on stderr: live on a terminal, lines elsewhere."""
    from batchrun.render.progress import LineProgress, LiveProgress, QuietProgress

    if sys.stderr is None:  # it may be closed
        yield LineProgress(None, time.time)
        return
    if quiet:
        yield QuietProgress(sys.stderr, time.time)
        return
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    eye = (LiveProgress if live else LineProgress)(sys.stderr, time.time)
    try:
        yield eye
    finally:
        with suppress(OSError):
            eye.close()


def say(text: str) -> None:
    """A line on stderr, made fit for a terminal."""
    from batchrun.safetext import plain

    tell(plain(text, 2000) + "\n")


def tell(text: str) -> None:
    """Write on stderr as far as that takes it: what is told there is no part of the answer."""
    with suppress(OSError):
        click.echo(text, err=True, nl=False)


# ---- what came of it ---------------------------------------------------------------------------


def show_outcome(
    outcome: Outcome,
    *,
    spec: Path,
    sandbox: bool,
    roots: Sequence[Path],
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """How the job stands: a summary when it is done, else what runs and what needs a person."""
    from batchrun.lifecycle.verdicts import Verdict

    report = outcome.report(str(spec), now=time.time(), sandbox=sandbox, roots=roots)
    if as_json:
        from batchrun.render import jsonout

        click.echo(jsonout.dumps(report), nl=False)
    report = for_people(report)
    summary = report.summary if outcome.verdict is Verdict.DONE else None
    news = bool(report.needs) or (outcome.changed and summary is not None and not summary.all_succeeded)
    if quiet and not news:
        return
    if summary is None or outcome.changed:
        from batchrun.render import text

        if summary is None:
            tell(text.status(report, color=use_color()))
        else:
            tell(
                text.summary(
                    summary,
                    color=use_color(),
                    next_command=report.next,
                    advice=report.advice,
                    sandbox=sandbox,
                )
            )
    elif not as_json:
        tell("".join(f"{line}\n" for line in quick.words(report)))


def for_people(report: StatusReport) -> StatusReport:
    """The report with its paths as seen from the current folder."""
    from batchrun.fs.files import shown

    output = shown(Path(report.output))
    summary = replace(report.summary, output=output) if report.summary else None
    return replace(report, output=output, summary=summary)


def planned_cost(state: RunState) -> str:
    """The upper bound of what is about to be submitted, for a question."""
    from batchrun.lifecycle import budget
    from batchrun.units import format_usd

    return format_usd(budget.planned(state))


def use_color(stream: Any = None) -> bool:
    """Colour on a terminal that wants it (no-color.org)."""
    stream = stream or sys.stderr
    return (
        stream is not None
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
