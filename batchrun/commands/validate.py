"""`batchrun validate`: is the spec right, and does every row make a request? Sends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

import click

from batchrun.commands import common
from batchrun.config.values import Config
from batchrun.errors import BatchrunError, DataError, MissingInput, Problem, SpecError, WrongRows
from batchrun.model import Job
from batchrun.render.problems import problem_lines
from batchrun.safetext import plain


@dataclass(frozen=True, slots=True)
class Validated:
    """A spec that is right. `rows` is None when only the spec was looked at."""

    job: Job
    rows: int | None
    warnings: tuple[Problem, ...]


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPEC]...", type=click.Path(path_type=Path))
@common.bare_root_option
@click.option("--spec-only", is_flag=True, help="Check the spec; leave the data alone.")
@common.json_option
def command(specs: tuple[Path, ...], roots: tuple[Path, ...], spec_only: bool, as_json: bool) -> None:
    """Check each SPEC (default batch.yaml) and its data, offline: every problem, with its place.

    \b
    batchrun validate                      ./batch.yaml
    batchrun validate labels.yaml          65: wrong, 66: something is missing
    batchrun validate jobs/*.yaml          ends with the code that says most
    batchrun validate labels.yaml --json   for editors and scripts
    """
    specs = specs or (common.DEFAULT_SPEC,)
    reports, errors = [], []
    for spec in specs:
        try:
            config = common.config_for(spec)
            found = validate(spec, roots=common.all_roots(roots, config), spec_only=spec_only, config=config)
        except BatchrunError as error:
            errors.append(error)
            reports.append({"spec": str(spec), "valid": False, "problems": _values(error.problems)})
            continue
        reports.append(_report(spec, found))
        _show(found.warnings, "warning")
        if not as_json:
            click.echo(_line(spec, found))
    if as_json:
        from batchrun.render import jsonout

        click.echo(jsonout.text(reports[0] if len(specs) == 1 else reports), nl=False)
    if errors:
        _raise_all(errors)


def _raise_all(errors: list[BatchrunError]) -> NoReturn:
    """Show all, and end with the one whose exit code says most."""
    from batchrun.watch.due import worst

    code = worst(*(error.exit_code for error in errors))
    last = next(error for error in errors if error.exit_code == code)
    for error in errors:
        if error is not last:
            _show(error.problems, "error")
    raise last


def _show(problems: Sequence[Problem], severity: str) -> None:
    for problem in problems:
        for line in problem_lines(problem, severity):
            click.echo(line, err=True)


def validate(
    spec: Path, *, roots: Sequence[Path] = (), spec_only: bool = False, config: Config | None = None
) -> Validated:
    """Load the spec and, unless told not to, make every row's request. Raises what is wrong with them."""
    from batchrun.outputs.writers import check_installed
    from batchrun.run.recall import begun_as
    from batchrun.run.target import Target

    target = Target(config=config)
    loaded = target.load(spec, roots)
    check_installed(loaded.job.output)
    begun = begun_as(spec, sandbox=False) is not None
    if loaded.retired and not begun:
        raise SpecError(loaded.retired)
    warnings = (*loaded.warnings, *loaded.retired)
    if spec_only:
        return Validated(loaded.job, None, warnings)
    rows, more = check_rows(loaded.job, None if begun else target.today())
    return Validated(loaded.job, rows, (*warnings, *more))


SHOWN_KINDS = 20
SHOWN_ROWS = 20


def check_rows(job: Job, today: date | None = None) -> tuple[int, tuple[Problem, ...]]:
    """Make the request of every row and let go of it; how many rows there are, and what may not be meant so. With
    `today`, none of them may ask a model that has retired by then.

    Raises DataError or MissingInput with the rows, or WrongRows where they are wrong in several ways. Nothing else
    is kept, so any number of rows will do.
    """
    from batchrun.inputs.rows import open_rows
    from batchrun.requests.expand import Expander, place_of
    from batchrun.run.prepare import media_reader

    rows = open_rows(job.input, root=job.root, roots=job.roots)
    expander = Expander(job, media_reader(job))
    count, wrong = 0, _Wrong()
    for row in rows:
        count += 1
        try:
            for request in expander.row(row):
                _refuse_retired(request.model, today, place_of(row))
        except (DataError, MissingInput) as error:
            wrong.add(error, place_of(row))
    wrong.raise_all()
    return count, expander.warnings


def _refuse_retired(model: str, today: date | None, row: str) -> None:
    from batchrun.cost.models import retired_on
    from batchrun.requests.params import successor

    if today and (end := retired_on(model, today)):
        raise DataError(f"{row}: model: {model} was retired on {end}", hint=successor(model))


class _Wrong:
    """What is wrong with rows: each way once, with the first rows that are wrong in it."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], BatchrunError] = {}
        self._rows: dict[tuple[str, str], list[str]] = {}
        self._more: Counter[tuple[str, str]] = Counter()
        self._other = 0

    def add(self, error: BatchrunError, row: str) -> None:
        way = str(error).removeprefix(f"{row}: "), error.where
        if way not in self._first:
            if len(self._first) >= SHOWN_KINDS:
                self._other += 1
                return
            self._first[way], self._rows[way] = error, []
        elif len(self._rows[way]) < SHOWN_ROWS:
            self._rows[way].append(row)
        else:
            self._more[way] += 1

    def raise_all(self) -> None:
        found = [self._whole(way, error) for way, error in self._first.items()]
        if len(found) == 1:
            raise found[0]
        if found:
            more = [Problem(f"+{self._other:,} more")] if self._other else []
            raise WrongRows([*(problem for error in found for problem in error.problems), *more])

    def _whole(self, way: tuple[str, str], error: BatchrunError) -> BatchrunError:
        if not self._rows[way]:
            return error
        more = f", +{self._more[way]:,} more" if self._more[way] else ""
        hint = "\n".join(filter(None, (error.hint, f"the same in {', '.join(self._rows[way])}{more}")))
        return type(error)(str(error), where=error.where, hint=hint)


def _line(spec: Path, found: Validated) -> str:
    rows = "" if found.rows is None else f", {found.rows:,} row{'s' if found.rows != 1 else ''}"
    return f"{plain(str(spec), 1000)} is valid: job {found.job.name}{rows}"


def _report(spec: Path, found: Validated) -> dict[str, object]:
    return {
        "spec": str(spec),
        "valid": True,
        "job": found.job.name,
        "rows": found.rows,
        "output": str(found.job.output.path),
        "problems": [],
        "warnings": _values(found.warnings),
    }


def _values(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [{"message": p.message, "where": p.where, "field": p.field, "hint": p.hint} for p in problems]
