"""What `watch` and `tick` share: the options, and the news on stderr or as JSON lines on stdout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchrun import jsonbytes, units
from batchrun.commands import common
from batchrun.errors import ExitCode
from batchrun.hooks.event import MOMENTS
from batchrun.model import Moment
from batchrun.render import watching
from batchrun.safetext import escaped, plain
from batchrun.specnames import PATTERNS
from batchrun.watch.orders import News, Settings

if TYPE_CHECKING:
    from batchrun.commands.common import F


def duration_option(*names: str, default: str, help: str) -> Callable[[F], F]:
    return _measured(units.duration, "DURATION", names, default, help)


def _measured(
    read: Callable[[str], float], metavar: str, names: tuple[str, ...], default: str, help: str
) -> Callable[[F], F]:
    """An option whose value has a unit; a bare 0 needs none. Not given, the configuration decides: `default` is
    its default."""

    def convert(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
        try:
            return None if value is None else 0 if value == "0" else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return click.option(*names, metavar=metavar, callback=convert, help=f"{help} [default: {default}]")


_OPTIONS: Sequence[Callable[[F], F]] = (
    common.sandbox_option,
    common.bare_root_option,
    click.option("--in-place", is_flag=True, help="Leave specs where they are: no done/, no failed/."),
    click.option("--match", multiple=True, metavar="PATTERN", help="Names of specs (default: *.yaml, *.yml)."),
    duration_option("--settle", default="2s", help="How long a file must hold still."),
    duration_option("--data-wait", default="1h", help="How long a spec waits for its data; 0: not at all."),
    click.option("--jobs", "-j", "workers", type=click.IntRange(1, 64), metavar="N", help="Jobs advanced at once. [default: 4]"),
    click.option("--polls-per-minute", type=click.FloatRange(1), metavar="N", help="How often the API may be asked how batches are, over all jobs. [default: 600]"),
    _measured(units.size, "SIZE", ("--memory",), "4GB", "The most one job's process may take; 0: no limit."),
    duration_option("--time-limit", default="30m", help="Stop a job's process that is silent for so long."),
    click.option("--yes", is_flag=True, help="Allow first spends of specs that set no budget."),
)  # fmt: skip


def options(command: F) -> F:
    """The options that say how passes are made."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def for_folder(how: Mapping[str, Any], folder: Path, watched: Sequence[Path], *, events: str) -> Settings:
    """How `folder` is treated: as the options say and, where they say nothing, the operator's configuration for
    it. Raises ConfigError."""
    from batchrun.config.find import load_config

    config = load_config(folder, watched=watched)
    configured = {
        "settle": config.watch_settle,
        "data_wait": config.watch_data_wait,
        "rescan": config.watch_rescan,
        "workers": config.watch_jobs,
        "polls_per_minute": config.poll_per_minute,
        "memory": config.watch_memory,
        "time_limit": config.watch_time_limit,
    }
    given = {name: value for name, value in how.items() if value is not None}
    return Settings(
        **{
            **configured,
            **given,
            "match": how["match"] or PATTERNS,
            "roots": tuple(dict.fromkeys((*how["roots"], *config.roots))),
        },
        config=config,
        watched=folder in watched,
        events=events,
    )


def for_all(folders: Sequence[Settings]) -> Settings:
    """What concerns all folders at once: the smallest of each."""
    return replace(
        folders[0],
        settle=max(f.settle for f in folders),
        rescan=min(f.rescan for f in folders),
        workers=min(f.workers for f in folders),
        polls_per_minute=min(f.polls_per_minute for f in folders),
        time_limit=min(f.time_limit for f in folders),
    )


# ---- news --------------------------------------------------------------------------------------


class Lines:
    """For people, in a terminal or a journal. `quiet` leaves only what needs a person."""

    def __init__(self, folders: int, *, quiet: bool = False) -> None:
        self._many, self._quiet = folders > 1, quiet

    def __call__(self, news: News) -> None:
        if self._quiet and news.code not in _NEEDED:
            return
        who = news.job or news.spec
        if not who or self._many:
            who = os.path.join(news.folder, who) if who else news.folder  # noqa: PTH118 (text, not a path)
        for line in watching.lines(news.what, news.text, who, news.lines, news.moved_to):
            common.tell(line + "\n")


_NEEDED = {ExitCode.BUG, *(code for code, moment in MOMENTS.items() if moment is not Moment.DONE)}
"""What a person has to know of; the rest cures itself."""


class Events:
    """For programs: one JSON object a line."""

    def __call__(self, news: News) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        facts = watching.values(
            at,
            news.what,
            folder=plain(news.folder),
            spec=plain(news.spec),
            job=news.job,
            text=news.text,
            exit_code=None if news.what == "progress" else int(news.code),
            lines=news.lines,
            output=news.output,
            moved_to=news.moved_to,
        )
        click.echo(escaped(jsonbytes.dumps({k: v for k, v in facts.items() if v is not None})).decode())


def teller(folders: int, *, quiet: bool, as_json: bool) -> Callable[[News], None]:
    return Events() if as_json else Lines(folders, quiet=quiet)


def without_events(tell: Callable[[News], None], rescan: float) -> Callable[[str], None]:
    """What tells that the system gives no events."""
    from batchrun.watch.nudges import WITHOUT

    often = units.format_duration(min(rescan, WITHOUT))
    return lambda why: tell(News("no_events", f"no events here ({why}); looking every {often}"))


@contextmanager
def signals(wake: int | None = None) -> Iterator[Callable[[], int]]:
    """Instead of ending at once: what the block asks whether, and by which signal, it should leave."""
    import signal

    from batchrun.interrupts import SIGNALS

    caught: list[int] = []
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda got, _: caught.append(got)) for number in heard}
    previous = signal.set_wakeup_fd(wake, warn_on_full_buffer=False) if wake is not None else None
    try:
        yield lambda: caught[0] if caught else 0
    finally:
        if previous is not None:
            signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
