"""The command line: a table of commands, imported when called, and the one error boundary."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import click

from batchrun import __version__
from batchrun.errors import BatchrunError, ExitCode, Interrupted

COMMANDS = {
    "init": "write a spec that runs",
    "validate": "check a spec and its data; sends nothing",
    "plan": "show what a run would submit and cost; submits nothing",
    "run": "submit, wait, download: whatever is left to do",
    "watch": "run the specs of folders, and those that come",
    "tick": "one pass over many jobs that waits for nothing; for cron",
    "status": "how jobs stand, and which need a person",
    "cancel": "cancel what is under way; keep what was answered",
    "retry": "try failed, canceled and refused work again",
    "adopt": "name the batch that belongs to a held shard",
    "resubmit": "submit a held shard again, accepting that it may cost twice",
    "batches": "every call of the Message Batches API",
    "simulate": "serve the API on loopback, without a key",
    "config": "the operator's settings in force, and where each comes from",
    "schema": "print a JSON Schema",
}


class _Commands(click.Group):
    """Imports a command when it is asked for: start-up stays fast whatever the commands need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"batchrun.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[:1] == ["help"]:  # as git, gh and cargo know it
            args = [*args[1:2], "--help"]
            if len(args) == 1:
                click.echo(ctx.get_help())
                ctx.exit()
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="batchrun %(version)s")
def cli() -> None:
    """make for LLM batches.

    \b
    batchrun init                 write batch.yaml and its data
    batchrun run --sandbox        run it here, without a key, for nothing
    batchrun plan                 what would it submit and cost?
    batchrun run                  run it; and run it again: it carries on
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = run(args)
    except KeyboardInterrupt:  # a second Ctrl-C, while the first is being told of
        code = ExitCode.SIGINT
    # The code is decided; one more Ctrl-C would only make the interpreter complain on its way out.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:  # nobody hears us; the code still says it
        _drop(sys.stderr)
    sys.exit(code)


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (README, "Exit codes")."""
    try:
        result = cli.main(args=args, prog_name="batchrun", standalone_mode=False)
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
        return int(result or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return ExitCode.SIGINT
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return ExitCode.USAGE
    except (BrokenPipeError, SystemExit):  # the latter is click's word for the former
        _drop(sys.stdout)  # whoever read us has enough
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return ExitCode.SIGINT
    except BatchrunError as error:
        _show(error)
        return 128 + error.signal if isinstance(error, Interrupted) else error.exit_code
    except OSError as error:  # stdout on a full disk, a folder that went away: the world, not a bug
        _drop(sys.stdout)
        what = f"read or write {error.filename}" if error.filename else "write the answer to stdout"
        _tell(f"error: cannot {what}: {error.strerror or error}")
        return ExitCode.IO
    except Exception as error:
        from batchrun.crash import bug
        from batchrun.render.problems import problem_lines

        for line in problem_lines(bug(error)):
            _tell(line)
        return ExitCode.BUG


def _drop(stream: TextIO | None) -> None:
    """Python's own flush at exit must not complain again."""
    if stream is not None:
        with suppress(OSError):  # a disk that is gone may hold even this device
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show(error: BatchrunError) -> None:
    from batchrun.render.problems import error_lines

    for line in error_lines(error):
        _tell(line)


def _tell(line: str) -> None:
    """Where stderr takes nothing, the exit code alone says it."""
    with suppress(OSError):
        click.echo(line, err=True)
