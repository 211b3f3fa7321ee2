"""From the YAML text of a spec to a Job: the schema first, then what a schema cannot say.

Everything that is wrong is found in one pass and told in file order, and nothing that only follows from
something already told. What a Job holds is therefore right as far as the spec alone can show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from batchrun import units
from batchrun.clockwork import REAL
from batchrun.config.values import SpecHooks
from batchrun.errors import DataError, MissingInput, Problem, SpecError
from batchrun.fs.confine import open_regular, without_links
from batchrun.fs.files import read_whole
from batchrun.model import (
    FileFact,
    Hook,
    InputFormat,
    InputSpec,
    Job,
    Json,
    Limits,
    Moment,
    Node,
    OutputFormat,
    OutputSpec,
    Template,
    Timing,
)
from batchrun.outputs.columns import check as check_columns
from batchrun.requests import params
from batchrun.requests.params import DYNAMIC
from batchrun.spec.absent import instead
from batchrun.spec.complaints import Complaints, validator_for
from batchrun.spec.faults import Steps
from batchrun.spec.hooks import read_hooks
from batchrun.spec.paths import check_input_paths, check_output_path
from batchrun.spec.tree import RequestTree, known_values
from batchrun.spec.yamldoc import Document, read
from batchrun.spec.yamltext import MAX_BYTES
from batchrun.specnames import JOB_NAME

_SCHEMAS = ("job", "config", "event", "state", "result", "folders")
_API_VERSION = "2023-06-01"
_MAX_BATCH_BYTES = 240_000_000
_LONGEST = 1000 * units.DAY
"""Seconds; a clock of the operating system takes no more than some centuries, and no batch waits for years."""

_BETA_NOTES = {
    # api-facts §1.1, §4: these headers do nothing any more.
    "message-batches-2024-09-24": "is obsolete: batches need no beta header",
    "files-api-2025-04-14": "is not needed any more: the Files API is generally available",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec that is right. `warnings` are for people; nothing has to come of them. `retired` tells of a model that
    is not there any more: nothing may be sent to it, and what was sent before is none the worse for it."""

    job: Job
    warnings: tuple[Problem, ...] = ()
    retired: tuple[Problem, ...] = ()
    recalled: bool = False
    """The job is known from its state alone; `warnings` say what is wrong with the spec."""


def load(
    path: Path,
    *,
    name: str = "",
    roots: Sequence[Path] = (),
    today: date | None = None,
    hooks: SpecHooks = SpecHooks.OWN,
) -> Loaded:
    """Read the spec at `path`. Paths in it are seen from its folder and stay there, or below `roots`.

    `name` is the job's where the spec names none: default the file's stem. `today` decides which models have
    retired, `hooks` whether it may have any. Raises SpecError with every problem in file order, and
    MissingInput when there is no spec.
    """
    _check_name(path)
    data, fact = _contents(path)
    document = read(data, str(path))
    Complaints(job_validator(), document.faults).check(document.value)
    loader = _Loader(path, document, fact, tuple(roots), today or REAL.today())
    job = replace(loader.job(name or path.stem), on=loader.hooks(hooks))
    document.faults.raise_errors()
    faults = document.faults
    return Loaded(job, faults.problems(faults.warnings), faults.problems(faults.retired))


def schema_text(name: str) -> str:
    """The JSON Schema of that name (`_SCHEMAS`), as it stands in the file: installed, or in a checkout."""
    if name not in _SCHEMAS:
        raise ValueError(f"no schema named {name!r}: {', '.join(_SCHEMAS)}")
    here = Path(__file__).parent.parent
    for folder in (here / "schemas", here.parent / "schemas"):
        file = folder / f"{name}.schema.json"
        if file.is_file():
            return file.read_text("utf-8")
    raise FileNotFoundError(f"schemas/{name}.schema.json")


@cache
def job_validator() -> Any:
    """What checks a spec against its schema; made once."""
    return validator_for(json.loads(schema_text("job")))


def _check_name(path: Path) -> None:
    """The spec's name and its folder's stand in messages and in the state: they must be text."""
    where = str(without_links(path.absolute().parent) / path.name)
    try:
        where.encode()
    except UnicodeEncodeError:
        shown = where.encode("utf-8", "backslashreplace").decode()
        message = "the name of this file or of its folder is not UTF-8"
        raise SpecError([Problem(message, shown, "rename it")]) from None


def _contents(path: Path) -> tuple[bytes, FileFact]:
    if path.is_dir():
        raise SpecError([Problem("this is a folder", str(path), instead(path))])
    try:
        with open_regular(without_links(path)) as stream:
            return read_whole(stream, path, MAX_BYTES)
    except MissingInput:
        raise MissingInput(f"there is no spec {path}", hint=instead(path.parent, path.name)) from None
    except DataError as error:
        raise SpecError([Problem(str(error), str(path), error.hint)]) from None


class _Loader:
    """Takes a document apart that the schema has seen. Values that are known to be wrong count as absent."""

    def __init__(
        self, path: Path, document: Document, fact: FileFact, roots: tuple[Path, ...], today: date
    ) -> None:
        self._document, self._faults = document, document.faults
        self._roots, self._today = tuple(folder.resolve() for folder in roots), today
        self._root = without_links(path.absolute().parent)
        self._spec = self._root / path.name
        self._fact = replace(fact, path=str(self._spec))
        self._tree = RequestTree(document, self._root, self._roots)

    def job(self, default_name: str) -> Job:
        """The job, to be used only when there are no faults afterwards."""
        ready_made = self._get("input", "format") == InputFormat.REQUESTS
        request = self._request(ready_made)
        source, output = self._input(), self._output()
        return Job(
            name=self._name(default_name),
            spec=self._spec,
            root=self._root,
            roots=self._roots,
            input=source,
            request=request,
            output=output,
            samples=self._samples(ready_made),
            betas=self._betas(),
            api_version=self._text("api_version") or _API_VERSION,
            limits=self._limits(),
            max_attempts=self._integer("retry", "max_attempts") or 3,
            timing=self._timing(),
            files=(self._fact, *self._tree.facts),
        )

    def hooks(self, rule: SpecHooks) -> dict[Moment, tuple[Hook, ...]]:
        return read_hooks(self._mapping("on"), self._spec, self._faults, rule)

    # ---- values ----

    def _get(self, *steps: str) -> Json:
        """The value at `steps`; None where there is none or it is wrong."""
        value = self._document.value
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return None if self._faults.is_told(steps) else value

    def _text(self, *steps: str) -> str | None:
        value = self._get(*steps)
        return value if isinstance(value, str) else None

    def _integer(self, *steps: str) -> int | None:
        value = self._get(*steps)
        return value if isinstance(value, int) else None

    def _mapping(self, *steps: str) -> dict[str, Json]:
        value = self._get(*steps)
        return value if isinstance(value, dict) else {}

    def _list(self, *steps: str) -> list[tuple[Steps, str]]:
        """The strings of a list that are right, with where they stand; a lone string is a list of one."""
        value = self._get(*steps)
        if isinstance(value, str):
            return [(steps, value)]
        items = enumerate(value) if isinstance(value, list) else ()
        found: list[tuple[Steps, str]] = [((*steps, i), v) for i, v in items if isinstance(v, str)]
        return [(here, text) for here, text in found if not self._faults.is_told(here)]

    def _seconds(self, *steps: str, default: float) -> float:
        text = self._text(*steps)
        if text is None:
            return default
        try:
            seconds = units.duration(text)
        except ValueError:  # the schema has seen its form: more digits than a float holds
            seconds = float("inf")
        if seconds <= 0:
            self._faults.at_value(steps, f"must be longer than 0s, not {text}")
        elif seconds > _LONGEST:
            shown = text if len(text) <= 40 else f"{text[:40]}…"
            self._faults.at_value(steps, f"must be at most {units.format_duration(_LONGEST)}, not {shown}")
        return min(seconds, _LONGEST)

    # ---- sections ----

    def _name(self, default: str) -> str:
        name = self._text("name")
        if name is None and "name" not in self._mapping():
            name = default
            if not JOB_NAME.fullmatch(name):
                plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "my-job"
                message = f"the file's name, '{name}', cannot be the job's name"
                self._faults.at_key(("name",), message, f"add a line to the spec: name: {plain}")
        return name or "job"

    def _input(self) -> InputSpec:
        steps: Steps = ("input", "path")
        paths = self._list("input", "path")
        check_input_paths(paths, self._faults, self._root, self._roots)
        kind, delimiter = self._text("input", "format"), self._text("input", "delimiter")
        if delimiter is not None and kind not in (None, InputFormat.CSV):
            self._faults.at_key(
                ("input", "delimiter"), f"'delimiter' has no meaning for {kind}", "take it out"
            )
        return InputSpec(
            paths=tuple(text for _, text in paths),
            place=self._faults.place(self._faults.mark_of(steps)),
            format=InputFormat(kind) if kind else None,
            id=self._text("input", "id"),
            delimiter=delimiter,
        )

    def _output(self) -> OutputSpec:
        text = self._text("output", "path")
        if text is None:
            return OutputSpec(self._root / "missing.jsonl", OutputFormat.JSONL)
        taken = [(self._spec, "the spec"), *((file, "a file the spec reads") for file in self._tree.files)]
        patterns = [pattern for _, pattern in self._list("input", "path")]
        path = check_output_path(text, self._faults, self._root, self._roots, taken, patterns)
        kind = OutputFormat(text.rpartition(".")[2])
        columns = self._columns(kind)
        output = OutputSpec(path, kind, self._get("output", "include") == "input", columns)
        for problem in check_columns(output):
            steps: Steps = ("output", "columns", problem.field)
            if not self._faults.is_told(steps):
                self._faults.at_value(steps, problem.message, problem.hint)
        return output

    def _columns(self, kind: OutputFormat) -> dict[str, Template]:
        steps: Steps = ("output", "columns")
        columns = self._mapping("output", "columns")
        if columns and kind is OutputFormat.JSONL:
            hint = "a JSON line has every field; end output.path in .csv or .parquet to choose columns"
            self._faults.at_key(steps, "'columns' shapes csv and parquet, not jsonl", hint)
        for name in columns:
            if not name.strip():
                self._faults.at_key((*steps, name), "a column without a name", "name every column")
        return {
            name: self._tree.template(text, (*steps, name))
            for name, text in columns.items()
            if isinstance(text, str)
        }

    def _samples(self, ready_made: bool) -> int:
        samples = self._integer("samples") or 1
        if ready_made and samples > 1:
            message = "'samples' cannot be used with input.format: requests"
            self._faults.at_key(("samples",), message, "write each request line as often as it is wanted")
        return samples

    def _betas(self) -> tuple[str, ...]:
        betas = self._list("betas")
        for steps, beta in betas:
            if beta in _BETA_NOTES:
                self._faults.at_value(steps, f"{beta} {_BETA_NOTES[beta]}", "take it out", warning=True)
        return tuple(beta for _, beta in betas)

    def _limits(self) -> Limits:
        cost, in_flight = self._get("limits", "max_cost_usd"), self._integer("limits", "max_in_flight")
        most, default = self._integer("limits", "batch_requests"), Limits()
        if in_flight and most and in_flight < most:
            message = f"must not be more than max_in_flight ({in_flight:,}): such a batch could never be sent"
            self._faults.at_value(("limits", "batch_requests"), message)
        return Limits(
            max_cost_usd=float(cost) if isinstance(cost, int | float) else None,
            max_in_flight=in_flight,
            # A batch larger than what may be in flight could never be sent.
            batch_requests=most or min(in_flight or default.batch_requests, default.batch_requests),
            batch_bytes=self._batch_bytes(),
        )

    def _batch_bytes(self) -> int:
        value, steps = self._get("limits", "batch_bytes"), ("limits", "batch_bytes")
        count = units.size(value) if isinstance(value, str) else value
        if not isinstance(count, int):
            return _MAX_BATCH_BYTES
        if not 1 <= count <= _MAX_BATCH_BYTES:
            hint = "the API takes 256 MB, and a little room is left"
            self._faults.at_value(steps, f"must be from 1B to 240MB, not {value}", hint)
        return count

    def _timing(self) -> Timing:
        default = Timing()
        return Timing(
            poll_interval=self._seconds("poll", "interval", default=default.poll_interval),
            poll_timeout=self._seconds("poll", "timeout", default=default.poll_timeout),
            reconcile_listings=self._integer("reconcile", "listings") or default.reconcile_listings,
            reconcile_over=self._seconds("reconcile", "over", default=default.reconcile_over),
        )

    # ---- request ----

    def _request(self, ready_made: bool) -> Mapping[str, Node] | None:
        present = "request" in self._mapping()
        if ready_made:
            if present:
                message = "'request' cannot be used with input.format: requests"
                hint = "the lines hold whole requests; leave one of the two out"
                self._faults.at_key(("request",), message, hint)
            return None
        if not present:
            self._faults.missing(("request",), "or input.format: requests for rows that are whole requests")
            return None
        if self._faults.is_told(("request",)):
            return None
        nodes = self._tree.request(self._mapping("request"))
        self._check_params(nodes)
        return nodes

    def _check_params(self, nodes: Mapping[str, Node]) -> None:
        """The API's own rules, for as much of the request as does not depend on the row."""
        version = self._text("api_version") or _API_VERSION
        betas = [beta for _, beta in self._list("betas")]
        known = self._known(nodes, ())
        assert isinstance(known, dict)
        for problem in params.check(known, api_version=version, betas=betas, today=self._today):
            steps = self._tree.where(problem.path)
            if self._faults.is_told(steps):
                continue
            if problem.retired:
                self._faults.at_retired(steps, problem.message, problem.hint)
            elif problem.message == "is missing" and steps not in self._faults.values:
                self._faults.missing(steps, problem.hint)
            else:
                self._faults.at_value(steps, problem.message, problem.hint, warning=problem.warning)

    def _known(self, node: Node, path: Steps) -> object:
        """What is known of a node; DYNAMIC for what is known to be wrong, so that no rule adds to it."""
        steps = self._tree.where(path)
        if self._faults.is_told(steps):
            return DYNAMIC
        if isinstance(node, Mapping):
            told = dict.fromkeys(self._faults.told_keys(steps), DYNAMIC)
            return told | {key: self._known(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, tuple):
            return [self._known(value, (*path, index)) for index, value in enumerate(node)]
        return known_values(node)
