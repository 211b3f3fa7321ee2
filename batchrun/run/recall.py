"""A job as its state knows it, without its spec, which is wrong, or gone, or says something else by now.

What was paid for is fetched and written by what the spec said when its rows were last read. A state is no more trusted
than a spec: where the answer goes is checked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from batchrun.errors import BatchrunError, DataError, MissingInput, SpecError
from batchrun.fs.confine import without_links
from batchrun.lifecycle import phases
from batchrun.lifecycle.state import Layout, RunState
from batchrun.model import REHEARSAL, InputSpec, Job, OutputFormat, OutputSpec, Place, Template
from batchrun.outputs.columns import check as check_columns
from batchrun.requests.expand import settings_of
from batchrun.run.target import Target
from batchrun.rundir.integrity import expansion_is_whole
from batchrun.rundir.siblings import neighbours
from batchrun.rundir.store import Store, runs_folder
from batchrun.spec.loader import Loaded
from batchrun.spec.paths import output_path


def load_or_recall(target: Target, spec: Path, roots: Sequence[Path] = ()) -> Loaded:
    """The spec, or, where it cannot be read, the job that began as it, with what is wrong as warnings. For what sends
    nothing. Raises SpecError, MissingInput where no job began so."""
    try:
        return target.load(spec, roots)
    except (SpecError, MissingInput) as error:
        job = begun_as(spec, sandbox=target.sandbox, roots=target.roots(roots))
        if job is None:
            raise
        return Loaded(job, error.problems, recalled=True)


def begun_as(
    spec: Path, *, sandbox: bool, roots: Sequence[Path] = (), unfinished: bool = False
) -> Job | None:
    """The job that has begun as this spec, as far as it is known without the spec; None where there is none. Found by
    the file's name: a broken spec does not tell that of its job. `unfinished`: only one whose answer is to come."""
    root = without_links(spec.absolute().parent)
    runs = runs_folder(root, sandbox=sandbox)
    found = [other for other in neighbours(runs, leaving_out="") if other.spec == spec.name and other.began]
    for other in sorted(found, key=lambda other: (not other.under_way, other.job != spec.stem)):
        try:
            state = Store(root, other.job, sandbox=sandbox).load()
        except BatchrunError:
            continue
        if state and not (unfinished and state.collected and not phases.under_way(state)):
            return _job_of(state, root / spec.name, tuple(roots), sandbox=sandbox)
    return None


def _job_of(state: RunState, spec: Path, roots: tuple[Path, ...], *, sandbox: bool) -> Job:
    """Nothing is expanded from it. Where its answer goes is for `as_written` to say; what stands here is shown."""
    last, root = state.expansion, spec.parent
    output = OutputSpec(root, OutputFormat.JSONL)
    if last and last.layout:
        path = root / last.layout.path
        if sandbox:  # whoever runs it there names it so again
            path = path.with_stem(path.stem.removesuffix(REHEARSAL))
        output = OutputSpec(path, last.layout.format)
    return Job(
        name=state.job,
        spec=spec,
        root=root,
        roots=roots,
        input=InputSpec(last.input_paths if last else (), Place(spec.name)),
        request=None,
        output=output,
    )


def as_written(job: Job, state: RunState, store: Store) -> Job:
    """The job as its rows were last read, to write the answer of these. Raises DataError where the state does not say
    how, or says what a spec may not say."""
    last = state.expansion
    if last is None:
        raise DataError("its rows were never read")
    if not expansion_is_whole(state, store):
        raise DataError("its rows have to be read again")
    if last.layout is None:
        if last.settings == settings_of(job):
            return job
        raise DataError("an earlier version began it, and only the spec says how its answer is written")
    output = _output(last.layout, job)
    taken = [(job.spec, "the spec"), *((job.root / f.path, "a file the spec reads") for f in last.spec_files)]
    output_path(last.layout.path, job.root, job.roots, taken, last.input_paths)
    return replace(job, output=output, request=None, samples=last.samples)


def _output(layout: Layout, job: Job) -> OutputSpec:
    place = Place(str(job.spec))
    columns = {name: Template(source, place) for name, source in layout.columns.items()}
    path = without_links(job.root / layout.path)
    output = OutputSpec(path, layout.format, layout.include_input, columns)
    if path.suffix != f".{layout.format}":
        raise DataError(f"{layout.path} does not end in .{layout.format}")
    for problem in check_columns(output):
        raise DataError(f"column '{problem.field}': {problem.message}")
    return output
